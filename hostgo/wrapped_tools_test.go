//go:build unix

package hostgo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// wrap puts a script before a tool of the box; $TOOL in it is the tool.
func wrap(t *testing.T, bin, tool, script string) {
	t.Helper()
	path := filepath.Join(bin, tool)
	real, err := os.Readlink(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, []byte("#!"+filepath.Join(bin, "sh")+"\nTOOL="+plan.Quote(real)+"\n"+script), 0o755))
}

// newWrapped is a pair that has synced, and the folder of its sandbox's tools, to be wrapped.
func newWrapped(t *testing.T) (*pair, string) {
	t.Helper()
	b := newPair(t)
	b.opts.Identity = "the same sandbox"
	bin := newToolbox(t, "gnu", "dash")
	b.opts.Client = &toolbox{b.opts.Client, bin}
	write(t, b.local, "a", "1")
	b.push()
	return b, bin
}

// Where the clock of the sandbox stands still, as one of whole seconds does for long, no
// listing proves what a push copies there. The copies are looked at then.
func TestR2_APushCopiesInOneTickOfTheClock(t *testing.T) {
	b, bin := newWrapped(t)
	sed, err := exec.LookPath("sed")
	require.NoError(t, err)
	wrap(t, bin, "find", `{ "$TOOL" "$@" || : >"$0.$$"; } | `+sed+` -E 's/[0-9]{10}\.[0-9]{9,}/1700000000.0000000000/g'
[ ! -f "$0.$$" ]
`)
	b.push()
	write(t, b.sandbox, "there", "2")
	write(t, b.local, "copy", "1")
	r := b.push()
	require.Equal(t, plan.StatusOK, r.Status)
	require.Zero(t, r.UploadedFiles, "the sandbox has it")
	require.Equal(t, "1", read(t, b.sandbox, "copy"))
	require.Equal(t, "2", read(t, b.sandbox, "there"))

	// A source that changes between the survey and the copying is not taken for what it was.
	write(t, b.sandbox, "there", "3")
	write(t, b.local, "other", "1")
	around(t, bin, "cp", "cd "+plan.Quote(b.sandbox)+` && [ ! -f other ] && printf 4 >a && printf 4 >copy
`, "")
	require.Equal(t, plan.StatusOK, b.push().Status)
	require.Equal(t, "1", read(t, b.sandbox, "other"))
	require.Equal(t, "4", read(t, b.sandbox, "copy"))
}

// A survey that fails, as on a full disk, leaves nothing that fills it further.
func TestD14_ASurveyThatFailsLeavesNothingBehind(t *testing.T) {
	b, bin := newWrapped(t)
	there := func() []string {
		names, err := filepath.Glob(filepath.Join(b.sandbox, core.RuntimeDir, "planner/*"))
		require.NoError(t, err)
		return names
	}
	before := there()
	write(t, b.sandbox, "a", "2")
	wrap(t, bin, "sort", "\"$TOOL\" \"$@\" && exit 1\n")
	_, err := hostgo.Pull(t.Context(), b.opts)
	require.ErrorIs(t, err, core.CodeClient)
	require.Equal(t, before, there())
}

// A push of more than the sandbox has room for leaves what arrived, for the next one to
// use. It must not keep the disk full for ever.
func TestD14_WhatAnUploadLeftDoesNotKeepTheDiskFull(t *testing.T) {
	b, bin := newWrapped(t)
	left := []string{"in-0123456789abcdef/t/0/b", "up-0123456789abcdee.tar", "up-0123456789abcdee.tar.0001"}
	for _, name := range left {
		write(t, b.sandbox, core.RuntimeDir+"/planner/"+name, "2")
	}
	write(t, b.sandbox, "a", "2")
	signs := t.TempDir()
	for _, tool := range []string{"sort", "cat"} {
		wrap(t, bin, tool, "[ ! -e "+filepath.Join(signs, tool)+" ] || exit 1\nexec \"$TOOL\" \"$@\"\n")
	}
	for _, full := range []bool{false, true} {
		write(t, signs, "sort", "")
		if full {
			write(t, signs, "cat", "")
		}
		_, err := hostgo.Pull(t.Context(), b.opts)
		require.ErrorIs(t, err, core.CodeClient)
		for _, name := range left {
			_, err := os.Lstat(filepath.Join(b.sandbox, core.RuntimeDir, "planner", name))
			require.Equal(t, full, os.IsNotExist(err), name)
		}
	}
	remove(t, signs, "sort")
	remove(t, signs, "cat")
	b.pull()
	require.Equal(t, "2", read(t, b.local, "a"))
}

// A first push finds no script there, and a full disk takes none.
func TestD14_AFirstPushThatFilledTheDiskIsNoDeadEnd(t *testing.T) {
	for _, shell := range []string{"dash", "bash", "busybox"} {
		t.Run(shell, func(t *testing.T) { firstPushOnAFullDisk(t, shell) })
	}
}

func firstPushOnAFullDisk(t *testing.T, shell string) {
	b := newPair(t)
	b.opts.Identity = "the same sandbox"
	bin := newToolbox(t, "gnu", shell)
	b.opts.Client = &toolbox{b.opts.Client, bin}
	planner := filepath.Join(b.sandbox, core.RuntimeDir, "planner")
	full := "for p in " + planner + "/in-*/t/*/large " + planner + "/up-0123*; do [ ! -e \"$p\" ] || exit 1; done\n"
	wrap(t, bin, "cat", full+"exec \"$TOOL\" \"$@\"\n")
	wrap(t, bin, "tar", "\"$TOOL\" \"$@\" || exit\n"+full)
	write(t, b.local, "small", "1")
	write(t, b.local, "large", "22")

	// What was unpacked so far goes at once: somebody else may need the room.
	_, err := hostgo.Push(t.Context(), b.opts)
	require.ErrorIs(t, err, core.CodeClient)
	left, err := filepath.Glob(filepath.Join(planner, "in-*"))
	require.NoError(t, err)
	require.Empty(t, left)

	// Where the command was killed before, the next one makes the room.
	left = []string{"in-0123456789abcdef/t/0/large", "up-0123456789abcdee.tar"}
	for _, name := range left {
		write(t, planner, name, "22")
	}
	remove(t, b.local, "large")
	_, err = hostgo.Push(t.Context(), b.opts)
	require.ErrorIs(t, err, core.CodeClient)
	for _, name := range left {
		require.NoFileExists(t, filepath.Join(planner, name))
	}
	b.push()
	require.Equal(t, "1", read(t, b.sandbox, "small"))
}

// The same holds for what brings contents that the survey did not.
func TestD14_AFetchThatFailsLeavesNothingBehind(t *testing.T) {
	b, bin := newWrapped(t)
	large := strings.Repeat("2\x00", 5000) // a small one is sent sooner than it is looked up
	write(t, b.local, "b", large)
	b.push()
	remove(t, b.local, "b")
	b.push()
	write(t, b.sandbox, "c", large) // the sandbox knows it as one that was here
	signs := t.TempDir()
	write(t, signs, "full", "")
	wrap(t, bin, "sha256sum", "[ $# -gt 0 ] || [ ! -e "+filepath.Join(signs, "full")+" ] || exit 1\nexec \"$TOOL\" \"$@\"\n")
	_, err := hostgo.Pull(t.Context(), b.opts)
	require.ErrorIs(t, err, core.CodeClient)
	after, err := filepath.Glob(filepath.Join(b.sandbox, core.RuntimeDir, "planner/*"))
	require.NoError(t, err)
	for _, p := range after {
		require.NotRegexp(t, "/(down|run)-", p)
	}
	remove(t, signs, "full")
	b.pull()
	require.Equal(t, large, read(t, b.local, "c"))
}

// A run whose host was killed may still end in the sandbox while the next one looks
// at it, and takes nothing from it.
func TestD13_ASurveyBesideTheEndOfAnotherRun(t *testing.T) {
	b, other := newPair(t), newPair(t)
	b.opts.Identity = "the same sandbox"
	bin := newToolbox(t, "gnu", "dash")
	other.opts.Root, other.opts.Client = b.opts.Root, b.opts.Client
	b.opts.Client = &toolbox{b.opts.Client, bin}
	write(t, b.local, "a", "1")
	b.push()
	write(t, b.sandbox, "a", "2")
	write(t, other.local, "b", "1")
	signs := t.TempDir()
	wrap(t, bin, "tar", `if mkdir `+signs+`/begun 2>/dev/null; then while [ ! -e `+signs+`/go ]; do :; done; fi
exec "$TOOL" "$@"
`)
	ended := make(chan error, 1)
	go func() {
		_, err := hostgo.Pull(t.Context(), b.opts)
		ended <- err
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(signs, "begun")); return err == nil }, time.Minute, time.Millisecond)
	other.push()
	write(t, signs, "go", "")
	require.NoError(t, <-ended)
	require.Equal(t, "2", read(t, b.local, "a"))
}

// A listing shows no name with a newline, nor who edited it.
func TestD15_AnEditOfANameWithANewlineIsKept(t *testing.T) {
	b := newPair(t)
	b.opts.Identity = "the same sandbox"
	for _, p := range []string{"both\n", "gone-here\n", "d/theirs\n"} {
		write(t, b.local, p, "base\x00")
	}
	require.NoError(t, os.Symlink("base", filepath.Join(b.local, "li\nnk")))
	b.push()
	for _, p := range []string{"both\n", "gone-here\n", "d/theirs\n"} {
		write(t, b.sandbox, p, "agent\x00")
	}
	remove(t, b.sandbox, "li\nnk")
	require.NoError(t, os.Symlink("agent", filepath.Join(b.sandbox, "li\nnk")))
	write(t, b.local, "both\n", "person\x00")
	remove(t, b.local, "gone-here\n")
	remove(t, b.local, "d")
	remove(t, b.local, "li\nnk")
	b.push()
	r := b.pull()
	require.Equal(t, []string{"both\n set_aside", "d/theirs\n deleted_locally", "gone-here\n deleted_locally", "li\nnk deleted_locally"}, conflictPaths(r))
	require.Equal(t, "agent\x00", read(t, b.local, r.Conflicts[0].Copy))
	require.Equal(t, "agent\x00", read(t, b.local, "gone-here\n"))
	require.Equal(t, "agent\x00", read(t, b.local, "d/theirs\n"))
	require.FileExists(t, filepath.Join(b.local, "both\n"))
	target, err := os.Readlink(filepath.Join(b.local, "li\nnk"))
	require.NoError(t, err)
	require.Equal(t, "agent", target)

	// Also one that comes while the push is under way.
	b.push()
	write(t, b.local, "both\n", "person 2")
	b.hook("write", 1, func() error {
		write(t, b.sandbox, "both\n", "agent 2!")
		return nil
	})
	b.push()
	r = b.pull()
	require.Equal(t, []string{"both\n set_aside"}, conflictPaths(r))
	require.Equal(t, "agent 2!", read(t, b.local, r.Conflicts[0].Copy))
}

// A link is replaced wherever the old one leads.
func TestR2_LinksThatLeadNowhereAreReplaced(t *testing.T) {
	for _, make := range []string{"gnu", "busybox", "toybox"} {
		b := newPair(t)
		b.opts.Identity = "the same sandbox"
		b.opts.Client = &toolbox{b.opts.Client, newToolbox(t, make, "dash")}
		write(t, b.local, "d/file", "1")
		olds := map[string]string{"d/through": "file/x", "circle": "circle", "gone": "nowhere", "dir": "d", "li'nk": "circle"}
		for path, target := range olds {
			link(t, target, b.local, path)
		}
		b.push()
		for path := range olds {
			remove(t, b.local, path)
			link(t, "d/file", b.local, path)
		}
		b.push()
		require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)), make)
	}
}

// A host that was killed leaves its command running there, and the next sync runs beside it. Each
// removes the scripts of other builds, and must leave what the other one is writing.
func TestR2_TwoCommandsLeaveTheirScriptsAtOnce(t *testing.T) {
	b, bin := newWrapped(t)
	require.NoError(t, os.RemoveAll(b.opts.StateDir))
	wrap(t, bin, "cat", `"$TOOL" "$@"; for s in `+plan.Quote(runtimeDir(b))+`/script-*; do case ${s##*/} in *.*) `+filepath.Join(bin, "rm")+` -f "$s" ;; esac; done
`)
	b.pull()
	found, err := filepath.Glob(filepath.Join(runtimeDir(b), "script-*"))
	require.NoError(t, err)
	require.Len(t, found, 1)
}
