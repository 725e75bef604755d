//go:build unix

package hostgo_test

import (
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// oddNames are names that break careless scripts.
var oddNames = []string{"new\nline", "-rf", "--", "*", "?", "[a]", "it's", `"quoted"`, `back\slash`, " lead and trail ", "$(x)", "`y`", "~", "#", "!", ";", "&",
	"tab\there", "\\n", strings.Repeat("n", 255), "ünï", "😀", "a=b", "%s", "end."}

// plantOdd makes a tree of everything that a real one may hold.
func plantOdd(t *testing.T, root string) {
	t.Helper()
	for _, n := range oddNames {
		write(t, root, n, "content of "+n)
		write(t, root, "d "+n[:min(len(n), 200)]+"/in", "x")
	}
	require.NoError(t, os.MkdirAll(filepath.Join(root, "empty"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, strings.Repeat("deep/", 300)), 0o755))
	write(t, root, strings.Repeat("deep/", 300)+"file", "deep")
	link(t, "nowhere", root, "dangling")
	require.NoError(t, syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644))
	// A socket's own path may be no longer than about 100 bytes.
	t.Chdir(root)
	l, err := net.Listen("unix", "socket")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	require.NoError(t, os.WriteFile(filepath.Join(root, "bad\xffname"), []byte("x"), 0o644))
}

func TestR1_OddTreesGoOutAndComeHome(t *testing.T) {
	b := newPair(t)
	plantOdd(t, b.local)
	r := b.push()
	require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Problems)
	require.Equal(t, []string{`bad\xffname invalid_name`, "fifo special_file", "socket special_file"}, problemCodes(r))
	want := listing(t, b.local)
	for _, p := range []string{"bad\xffname", "fifo", "socket"} {
		delete(want, p)
	}
	require.Empty(t, cmp.Diff(want, listing(t, b.sandbox)))
	require.Empty(t, b.pull().Lines)
	for _, n := range oddNames {
		write(t, b.sandbox, n, "edited "+n)
	}
	r = b.pull()
	require.Len(t, r.Lines, len(oddNames))
	for _, n := range oddNames {
		require.Equal(t, "edited "+n, read(t, b.local, n))
		remove(t, b.sandbox, n)
	}
	b.opts.Plan.Allow = []plan.Guard{plan.GuardMassDelete}
	require.Equal(t, len(oddNames), b.pull().Deletes)
}

func TestR1_OddTreesOfTheSandboxComeHome(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	b.push()
	plantOdd(t, b.sandbox)
	r := b.pull()
	require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Problems)
	require.Equal(t, []string{`bad\xffname invalid_name`, "fifo special_file", "socket special_file"}, problemCodes(r))
	got := listing(t, b.local)
	want := listing(t, b.sandbox)
	for _, p := range []string{"bad\xffname", "fifo", "socket"} {
		delete(want, p)
	}
	require.Empty(t, cmp.Diff(want, got))
	require.Empty(t, b.pull().Lines)
}

func TestR1_AnEmptyWorkspaceTravels(t *testing.T) {
	b := newPair(t)
	require.Empty(t, b.push().Lines)
	write(t, b.sandbox, "a", "1")
	require.Len(t, b.pull().Lines, 1)
	require.Equal(t, "1", read(t, b.local, "a"))
}

// TestR1_UnreadableFilesAreReported runs its body as an ordinary user, for whom
// permissions count.
func TestR1_UnreadableFilesAreReported(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T) {
		b := newPair(t)
		write(t, b.local, "secret", "1")
		write(t, b.local, "open", "1")
		write(t, b.local, "locked/in", "1")
		require.NoError(t, os.Chmod(filepath.Join(b.local, "secret"), 0))
		first := b.push()
		require.Equal(t, []string{"secret unreadable"}, problemCodes(first))
		require.Equal(t, plan.StatusOK, first.Status)
		require.NoError(t, os.Chmod(filepath.Join(b.local, "secret"), 0o600))
		b.push()
		require.NoError(t, os.Chmod(filepath.Join(b.local, "secret"), 0))
		require.NoError(t, os.Chmod(filepath.Join(b.local, "locked"), 0))
		t.Cleanup(func() { os.Chmod(filepath.Join(b.local, "locked"), 0o755) })
		r := b.push()
		require.Equal(t, []string{"locked unreadable", "secret unreadable"}, problemCodes(r))
		require.Empty(t, r.Lines, "what can't be read is not deleted there")
		require.NoError(t, os.Chmod(filepath.Join(b.sandbox, "locked"), 0))
		t.Cleanup(func() { os.Chmod(filepath.Join(b.sandbox, "locked"), 0o755) })
		require.NoError(t, os.Chmod(filepath.Join(b.local, "locked"), 0o755))
		require.Empty(t, b.pull().Lines, "what can't be read there is not deleted here")
		require.Equal(t, "1", read(t, b.local, "locked/in"))
	})
}

func TestR1_FilesThatVanishDuringTheScan(t *testing.T) {
	b := newPair(t)
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				dir := filepath.Join(b.local, "busy", name)
				_ = os.MkdirAll(dir, 0o755)
				_ = os.WriteFile(filepath.Join(dir, "f"), []byte(name), 0o644)
				_ = os.RemoveAll(dir)
			}
		})
	}
	for range 200 {
		s, err := hostgo.Scan(t.Context(), b.local, hostgo.ScanOptions{})
		require.NoError(t, err)
		require.NoError(t, s.Snapshot.Validate())
		for _, p := range s.Snapshot.Problems {
			require.Equal(t, core.ProblemChanging, p.Code, "%s: what vanished is absent", p.Path)
		}
	}
	close(stop)
	wait.Wait()
}

// D14 in the sandbox: a client tells what is refused by an error of the system or in the
// words of a tool.
func TestD14_WhatTheSandboxRefusesHasAHint(t *testing.T) {
	tool := func(says string) error {
		return &hostgo.ExitError{Status: 1, Stderr: "mv: cannot move 'a' to 'b': " + says + "\n"}
	}
	full := "the disk of the sandbox is full: make room there and run it again"
	refused := "something in the sandbox may not be changed: give the permission there and run it again"
	for hint, errs := range map[string][]error{
		full: {&os.PathError{Op: "write", Path: "/box/f", Err: syscall.ENOSPC}, tool("No space left on device")},
		"a file system of the sandbox is read-only: change that there, or exclude what lies on it, and run it again": {tool("Read-only file system")},
		refused: {syscall.EACCES, tool("Permission denied"), tool("Operation not permitted")},
		"a tool is missing in the sandbox: a sync needs sh, find, tar, cat, rm, rmdir, mv, cp, mkdir, chmod, ln and sort there": {
			&hostgo.ExitError{Status: 127, Stderr: "sh: 4: tar: not found\n"}, &hostgo.ExitError{Status: 127, Stderr: "sh: line 1: tar: command not found\n"},
			&exec.Error{Name: "sh", Err: exec.ErrNotFound}},
		"a file in the sandbox could not be written, most likely because its disk is full: make room there and run it again": {
			&hostgo.ExitError{Status: 1, Stderr: "sh: 162: printf: printf: I/O error\n"}, &hostgo.ExitError{Status: 1, Stderr: "sh: 138: echo: echo: I/O error\n"}},
		"": {syscall.EIO, tool("Input/output error")},
	} {
		for _, err := range errs {
			var e *core.Error
			require.ErrorAs(t, hostgo.ClientError(t.Context(), "a call", "", err), &e)
			require.Equal(t, hint, e.Hint)
		}
	}
}

// TestR1_AssetsOfAnyShape packs what no plan has looked at, links as links and followed.
func TestR1_AssetsOfAnyShape(t *testing.T) {
	for _, follow := range []bool{false, true} {
		b := newPair(t)
		top := filepath.Dir(b.local)
		folder := filepath.Join(top, "tools")
		for path, content := range map[string]string{"tools/plain": "p", "tools/sub/deep": "d", "tools/sub/logs": "l", "tools/skip.log": "no", "tools/logs/x": "no",
			"tools/bad\xffname": "no", "tools/\ufffd": "u", "other/o": "o"} {
			write(t, top, path, content)
		}
		require.NoError(t, os.Chmod(filepath.Join(folder, "plain"), 0o755))
		require.NoError(t, os.Mkdir(filepath.Join(folder, "empty"), 0o755))
		require.NoError(t, syscall.Mkfifo(filepath.Join(folder, "fifo"), 0o644))
		for path, target := range map[string]string{"l": "plain", "dangling": "nowhere", "round": ".", "sub/up": "..", "twin": "sub", "out": "../other"} {
			link(t, target, folder, path)
		}
		b.opts.Assets = []hostgo.Asset{{Key: "other", Dir: filepath.Join(top, "other")}, {Key: "tools", Dir: folder, FollowSymlinks: follow, Exclude: []string{"*.log", "logs/"}}}
		r := b.push()
		want := map[string]string{"plain": "-rwxr-xr-x p", "sub": "dir", "sub/deep": "-rw-r--r-- d", "sub/logs": "-rw-r--r-- l", "empty": "dir", "\ufffd": "-rw-r--r-- u"}
		if follow {
			maps.Copy(want, map[string]string{"l": "-rwxr-xr-x p", "twin": "dir", "twin/deep": "-rw-r--r-- d", "twin/logs": "-rw-r--r-- l", "twin/up": "dir",
				"out": "dir", "out/o": "-rw-r--r-- o", "round": "dir", "sub/up": "dir"}) // what leads round in a circle is an empty directory
			require.Equal(t, []string{`asset tools/bad\xffname invalid_name`, "asset tools/dangling unsafe_link", "asset tools/fifo special_file",
				"asset tools/round unsafe_link", "asset tools/sub/up unsafe_link", "asset tools/twin/up unsafe_link"}, problemCodes(r))
			require.EqualValues(t, 9, r.UploadedFiles)
		} else {
			maps.Copy(want, map[string]string{"l": "link plain", "dangling": "link nowhere", "round": "link .", "sub/up": "link ..", "twin": "link sub", "out": "link ../other"})
			require.Equal(t, []string{`asset tools/bad\xffname invalid_name`, "asset tools/fifo special_file"}, problemCodes(r))
			require.EqualValues(t, 5, r.UploadedFiles)
		}
		require.Empty(t, cmp.Diff(want, listing(t, filepath.Join(b.sandbox, core.RuntimeDir, "planner", "tools"))))
	}
}

// What a scan can't hold is a problem, and its folder is never removed or replaced.
func TestR1_WhatIsTooLongIsReported(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	name := strings.Repeat("n", 250)
	for range 16 {
		require.NoError(t, os.Mkdir(name, 0o755))
		require.NoError(t, os.Chdir(name))
	}
	top, deep := strings.Repeat(name+"/", 15)+name, strings.Repeat("d", core.MaxPath-16*251)
	require.NoError(t, os.WriteFile(deep, nil, 0o644))
	require.NoError(t, os.WriteFile(deep+"+", nil, 0o644))
	require.NoError(t, os.Chdir(root))
	link(t, "not \xff text", root, "odd")
	if err := os.Symlink(strings.Repeat("t", core.MaxTarget), "long"); err != nil {
		require.ErrorIs(t, err, syscall.ENAMETOOLONG)
		link(t, strings.Repeat("t", 1023), root, "long") // the most that XFS takes
	}
	s, err := hostgo.Scan(t.Context(), root, hostgo.ScanOptions{})
	require.NoError(t, err)
	require.Equal(t, []core.Problem{
		{Path: top[:256] + "...", Code: core.ProblemTooLong},
		{Path: "odd", Code: core.ProblemSpecial, Detail: "the link's text is not valid UTF-8, empty or too long"},
	}, s.Snapshot.Problems)
	require.Equal(t, []string{top}, s.Snapshot.Occupied)
	require.NotNil(t, s.Snapshot.Entries.Find(top+"/"+deep))
	require.NotNil(t, s.Snapshot.Entries.Find("long"))
}

// TestAReadOnlyDirectoryHereIsNoneThere: with its permissions, as those of Go's module cache, no later push of an
// ordinary user could change anything in it, nor anything else.
func TestAReadOnlyDirectoryHereIsNoneThere(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T) {
		b := newPair(t)
		chmod := func(mode os.FileMode) {
			for _, name := range []string{"cache", "locked"} {
				require.NoError(t, os.Chmod(filepath.Join(b.local, name), mode))
			}
		}
		t.Cleanup(func() { chmod(0o755) })
		write(t, b.local, "cache/f", "1")
		write(t, b.local, "cache/gone", "1")
		write(t, b.local, "locked/f", "1")
		chmod(0o555)
		require.NoError(t, os.Chmod(filepath.Join(b.local, "locked"), 0))
		b.push()
		chmod(0o755)
		write(t, b.local, "cache/f", "2")
		require.NoError(t, os.Remove(filepath.Join(b.local, "cache/gone")))
		chmod(0o555)
		require.Equal(t, plan.StatusOK, b.push().Status)
		require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
	})
}
