//go:build unix

package hostgo_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// toolbox runs commands with one shell and a chosen set of tools, and can neither
// stream nor tell an exit status.
type toolbox struct {
	hostgo.Client
	bin string
}

func (c *toolbox) Run(ctx context.Context, command string, timeout time.Duration) error {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "sh"), "-c", command)
	cmd.Env = []string{"PATH=" + c.bin}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = &hostgo.ExitError{Status: exit.ExitCode(), Stderr: string(out)}
	}
	if err != nil {
		return hostgo.ClientError(ctx, "a command in the sandbox", "", err)
	}
	return nil
}

// tools of DESIGN R2: those that must be there, and those that may be missing.
var (
	mustHave = strings.Fields("find tar cat rm rmdir mv cp mkdir chmod ln sort")
	mayHave  = strings.Fields("stat sha256sum comm gzip zstd dd touch")
)

// newToolbox links a shell and tools of one make into a folder.
func newToolbox(t *testing.T, make, shell string, without ...string) string {
	t.Helper()
	bin := t.TempDir()
	link := func(name, program string) {
		path, err := exec.LookPath(program)
		require.NoError(t, err, "install the Debian packages busybox, toybox and dash; see .ci/run")
		path, err = filepath.EvalSymlinks(path)
		require.NoError(t, err)
		if program == "busybox" || program == "toybox" {
			path, err = filepath.Abs(path)
			require.NoError(t, err)
		}
		require.NoError(t, os.Symlink(path, filepath.Join(bin, name)))
	}
	link("sh", shell)
	gone := " " + strings.Join(without, " ") + " "
	for _, name := range append(mustHave, mayHave...) {
		program := make
		if make == "gnu" || name == "comm" && make == "busybox" {
			program = name // Debian builds busybox without comm, Alpine with it
		}
		if strings.Contains(gone, " "+name+" ") || name == "zstd" || make == "toybox" && name == "gzip" {
			continue
		}
		link(name, program)
	}
	return bin
}

var toolNames = []string{"new\nline", "back\\slash", "it's", `"quoted"`, "-rf", "--", "*", "a?[b]", " space ", "$(touch x)", "`x`", "tab\there", "cr\rname",
	"ünïcode", "~", "#", "é", strings.Repeat("x", 255), "d-e/-f/in\nner", "x/back\\slash/y"}

// Every make of tools with every shell gives the same trees, and the same small
// numbers of calls and bytes.
func TestR2_ToolsAndShells(t *testing.T) {
	for _, make := range []string{"gnu", "busybox", "toybox"} {
		for _, shell := range []string{"dash", "bash", "busybox"} {
			t.Run(make+"-"+shell, func(t *testing.T) {
				b := newPair(t)
				b.opts.Identity = "the same sandbox"
				b.opts.Client = &toolbox{b.opts.Client, newToolbox(t, make, shell)}
				names := toolNames
				if make != "toybox" { // whose tar loses a newline at the end of a name
					names = append(slices.Clone(names), "both\\\n")
				}
				playTools(t, b, names)
				bytes, r := b.moved(b.push)
				require.EqualValues(t, 1, r.ClientCalls, "a push of nothing does not know that there is nothing")
				require.Less(t, bytes, int64(8<<10))

				// Names with a newline are listed anew each time, but what is in them is not sent again.
				write(t, b.local, "lo\ncal", strings.Repeat("l", 40_000))
				write(t, b.sandbox, "sand\nbox", strings.Repeat("s", 40_000))
				b.push()
				b.pull()
				require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
				bytes, _ = b.moved(b.pull)
				require.Less(t, bytes, int64(32<<10), "a pull of nothing")
			})
		}
	}
}

// Where a tool is missing the sync does without, down to sending everything.
func TestR2_MissingTools(t *testing.T) {
	for _, without := range []string{"stat", "comm", "sha256sum", "stat comm sha256sum gzip zstd dd touch"} {
		for _, make := range []string{"gnu", "busybox"} {
			t.Run(make+" without "+without, func(t *testing.T) {
				b := newPair(t)
				b.opts.Identity = "the same sandbox"
				b.opts.Client = &toolbox{b.opts.Client, newToolbox(t, make, "dash", strings.Fields(without)...)}
				playTools(t, b, toolNames)
				r := b.pull()
				var lacks []string
				if strings.Contains(without, "sha256sum") {
					lacks = append(lacks, "digests")
				}
				if strings.Contains(without, "comm") || make == "busybox" && without == "stat" {
					lacks = append(lacks, "listings")
				}
				require.Empty(t, cmp.Diff(lacks, r.Lacks), "a fallback that nobody is told of")
			})
		}
	}
}

// A sandbox that lacks a tool for which there is no fallback is told so, and nothing else
// is made of its answers: without find it looked empty.
func TestR2_AMissingToolThatNoSyncCanDoWithoutIsNamed(t *testing.T) {
	for _, make := range []string{"gnu", "busybox", "toybox"} {
		for _, tool := range mustHave {
			t.Run(make+" without "+tool, func(t *testing.T) {
				b := newPair(t)
				b.opts.Identity = "the same sandbox"
				plain := b.opts.Client
				without := &toolbox{plain, newToolbox(t, make, "dash", tool)}
				refused := func(sync func(context.Context, hostgo.Options) (*hostgo.Report, error)) {
					t.Helper()
					b.opts.Client = without
					here, there := listing(t, b.local), listing(t, b.sandbox)
					_, err := sync(t.Context(), b.opts)
					var failed *core.Error
					require.ErrorAs(t, err, &failed)
					require.Equal(t, core.CodeClient, failed.Code)
					require.Contains(t, err.Error(), tool+": not found")
					require.Contains(t, failed.Hint, "a tool is missing in the sandbox")
					require.Empty(t, cmp.Diff(here, listing(t, b.local)))
					require.Empty(t, cmp.Diff(there, listing(t, b.sandbox)))
				}
				write(t, b.local, "d/a", "1")
				refused(hostgo.Push)
				refused(hostgo.Pull)

				b.opts.Client = plain
				b.push()
				write(t, b.local, "d/a", "2")
				write(t, b.sandbox, "b", "1")
				refused(hostgo.Push)
				refused(hostgo.Pull)
				refused(func(ctx context.Context, opts hostgo.Options) (*hostgo.Report, error) {
					_, pull, err := hostgo.Preview(ctx, opts)
					return pull, err
				})

				b.opts.Client = plain
				b.push()
				b.pull()
				require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
			})
		}
	}
}

// A push that replaces a file leaves its permissions as they are, also where no listing can be compared.
func TestR2_PermissionsStayWithoutComm(t *testing.T) {
	for _, make := range []string{"gnu", "busybox", "toybox"} {
		b := newPair(t)
		b.opts.Identity = "the same sandbox"
		b.opts.Client = &toolbox{b.opts.Client, newToolbox(t, make, "dash", "comm")}
		write(t, b.local, "key", "1")
		require.NoError(t, os.Chmod(filepath.Join(b.local, "key"), 0o600))
		b.push()
		write(t, b.local, "key", "2")
		b.push()
		info, err := os.Stat(filepath.Join(b.sandbox, "key"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), make)
	}
}

// What the tools of a sandbox can't pack is a problem of its own.
func TestR2_ANameThatATarCanNotPackIsReported(t *testing.T) {
	b := newPair(t)
	b.opts.Identity = "the same sandbox"
	b.opts.Client = &toolbox{b.opts.Client, newToolbox(t, "toybox", "dash")}
	write(t, b.local, "a", "1")
	b.push()
	write(t, b.sandbox, "end\n", "1")
	write(t, b.sandbox, "a", "2")
	r := b.pull()
	require.Equal(t, []string{"end\n " + string(core.ProblemUnreadable)}, problemCodes(r))
	require.Equal(t, "2", read(t, b.local, "a"))
}

// around has a tool of a toolbox run other commands before and after what it does.
func around(t *testing.T, bin, tool, before, after string) {
	t.Helper()
	path := filepath.Join(bin, tool)
	program, err := os.Readlink(path)
	require.NoError(t, err)
	if base := filepath.Base(program); base == "busybox" || base == "toybox" {
		program += " " + tool
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+before+"\n"+program+" \"$@\" || exit\n"+after), 0o755))
}

// What an agent writes to a file that a push is about to replace, after the push made sure
// that it was as the plan expects, comes home like any version that a push sets aside.
func TestD15_AnEditWhileAPushAppliesIsKept(t *testing.T) {
	for _, make := range []string{"gnu", "busybox", "toybox"} {
		t.Run(make, func(t *testing.T) {
			b := newPair(t)
			b.opts.Identity = "the same sandbox"
			bin := newToolbox(t, make, "dash")
			b.opts.Client = &toolbox{b.opts.Client, bin}
			names := []string{"a", "d/b", "d/back\\slash", "d/new\nline", "e/same", "e/c"}
			for _, name := range names {
				write(t, b.local, name, "base")
			}
			b.push()
			for _, name := range names {
				write(t, b.local, name, "local")
			}
			write(t, b.local, "f/g/new", "local")
			write(t, b.local, "e/new", "local")

			// The first move edits what that move and later ones replace.
			around(t, bin, "mv", "(cd "+plan.Quote(b.sandbox)+` && [ ! -f once ] || exit 0
: >once
for f in a d/b 'd/back\slash' 'd/new
line'; do printf sandbox >>"$f"; done
printf saved >e/c~ && /bin/mv e/c~ e/c
printf stranger >e/new
)`, "")
			b.push()
			for _, name := range append(names, "f/g/new", "e/new") {
				require.Equal(t, "local", read(t, b.sandbox, name), name)
			}
			b.pull()
			var got []string
			for name, content := range listing(t, b.local) {
				if at, _, ok := strings.Cut(name, ".conflict-"); ok {
					got = append(got, at+": "+strings.TrimPrefix(content, "-rw-r--r-- "))
				}
			}
			slices.Sort(got)
			require.Equal(t, []string{"a: basesandbox", "d/b: basesandbox", "d/back\\slash: basesandbox", "d/new\nline: basesandbox", "e/c: saved", "e/new: stranger"}, got)
			require.Empty(t, b.pull().Lines, "what came home is over")
		})
	}
}

// An edit of a file that a push has just put in place, in the tick of the clock in
// which the push began, is not taken for what was sent.
func TestR2_AnEditInTheTickOfAPushComesHome(t *testing.T) {
	for _, make := range []string{"gnu", "busybox"} {
		b := newPair(t)
		b.opts.Identity = "the same sandbox"
		bin := newToolbox(t, make, "dash")
		b.opts.Client = &toolbox{b.opts.Client, bin}
		write(t, b.local, "other", "1")
		b.push()

		around(t, bin, "mv", "", "cd "+plan.Quote(b.sandbox)+` && [ -f file ] && [ "$(cat file)" = 1 ] || exit 0
printf 2 >file; touch -r .paperclip-runtime/*/run-*.c0 file
`)
		write(t, b.local, "file", "1")
		b.push()
		require.Equal(t, "2", read(t, b.sandbox, "file"))
		b.pull()
		require.Equal(t, "2", read(t, b.local, "file"), make)
	}
}

// playTools pushes, edits and pulls names of every kind.
func playTools(t *testing.T, b *pair, names []string) {
	same := func() {
		t.Helper()
		require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
	}
	for _, name := range names {
		write(t, b.local, name, "local "+name)
	}
	write(t, b.local, "dir/a", "a")
	write(t, b.local, "dir/b", strings.Repeat("b", 70_000))
	require.NoError(t, os.Symlink("dir/a", filepath.Join(b.local, "li\\nk")))
	require.NoError(t, os.Chmod(filepath.Join(b.local, "it's"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(b.local, "empty"), 0o755))
	r := b.push()
	require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Problems)
	same()
	r = b.push()
	require.Empty(t, r.Lines)
	r = b.pull()
	require.Empty(t, r.Lines)
	same()

	for i, name := range names {
		switch i % 3 {
		case 0:
			write(t, b.sandbox, name, "sandbox "+name)
		case 1:
			remove(t, b.sandbox, name)
		}
	}
	write(t, b.sandbox, "n\new", "n")
	write(t, b.sandbox, "n\\ew/-x", "n")
	require.NoError(t, os.Rename(filepath.Join(b.sandbox, "dir"), filepath.Join(b.sandbox, "moved")))
	require.NoError(t, os.Chmod(filepath.Join(b.sandbox, "moved/a"), 0o755))
	require.NoError(t, os.Symlink("moved", filepath.Join(b.sandbox, "new link")))
	r = b.pull()
	require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Problems)
	same()
	r = b.pull()
	require.Empty(t, r.Lines)

	require.NoError(t, os.Rename(filepath.Join(b.local, "moved"), filepath.Join(b.local, "again")))
	write(t, b.local, "n\new", "m")
	write(t, b.local, "cr\rname", "m")
	write(t, b.sandbox, "meanwhile", "m")
	b.push()
	r = b.pull()
	require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Problems)
	same()

	// A name that is no text stays where it is and is reported each time.
	require.NoError(t, os.WriteFile(filepath.Join(b.sandbox, "bad\xff"), []byte("x"), 0o644))
	for range 2 {
		r = b.pull()
		require.Equal(t, []string{`bad\xff ` + string(core.ProblemInvalidName)}, problemCodes(r))
	}
	remove(t, b.sandbox, "bad\xff")
	require.Empty(t, b.pull().Problems)
}
