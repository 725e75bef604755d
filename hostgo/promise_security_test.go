package hostgo_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/dir"
)

// The promises about security, DESIGN section 6. S1 is tested with apply.

func link(t *testing.T, target, root, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
	require.NoError(t, os.Symlink(target, filepath.Join(root, path)))
}

func TestS2_LinksThatLeadOutAreRefused(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	link(t, "/etc/hostname", b.local, "mine")
	link(t, "../elsewhere", b.local, "mine2")
	b.push()
	require.Equal(t, "link /etc/hostname", listing(t, b.sandbox)["mine"], "a local link travels as a link")
	link(t, "/etc/passwd", b.sandbox, "abs")
	link(t, "../../x", b.sandbox, "d/up")
	link(t, ".", b.sandbox, "p/q/r/dot")
	link(t, "dot/../../../..", b.sandbox, "p/q/r/trap")
	link(t, "../a", b.sandbox, "d/good")
	r := b.pull()
	require.Equal(t, []string{"abs unsafe_link", "d/up unsafe_link", "p/q/r/trap unsafe_link"}, problemCodes(r))
	got := listing(t, b.local)
	require.Equal(t, "link ../a", got["d/good"])
	require.Equal(t, "link /etc/hostname", got["mine"])
	for _, p := range []string{"abs", "d/up", "p/q/r/trap"} {
		require.NotContains(t, got, p)
	}
}

func git(t *testing.T, root string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestS3_GitTravelsOutAndNeverHome(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1\n")
	git(t, b.local, "init", "-q", ".")
	git(t, b.local, "add", "-A")
	git(t, b.local, "commit", "-qm", "first")
	b.push()
	require.Contains(t, git(t, b.sandbox, "log", "--oneline"), "first")
	git(t, b.sandbox, "status") // rewrites the index, which is no use of the repository
	write(t, b.local, "a", "2\n")
	git(t, b.local, "commit", "-qam", "second")
	require.Empty(t, problemCodes(b.push()))
	require.Contains(t, git(t, b.sandbox, "log", "--oneline"), "second")
	require.Empty(t, git(t, b.sandbox, "status", "--porcelain"), "our folder there is no untracked file")

	write(t, b.sandbox, "a", "3\n")
	git(t, b.sandbox, "commit", "-qam", "third")
	write(t, b.sandbox, ".git/hooks/pre-commit", "#!/bin/sh\nevil\n")
	write(t, b.sandbox, "sub/.GIT/config", "evil")
	write(t, b.sandbox, ".envrc", "evil")
	before := listing(t, filepath.Join(b.local, ".git"))
	r := b.pull()
	require.Contains(t, problemCodes(r), ".git git_kept")
	require.Contains(t, r.Flagged, ".envrc")
	require.Equal(t, "3\n", read(t, b.local, "a"))
	require.Empty(t, cmp.Diff(before, listing(t, filepath.Join(b.local, ".git"))))
	require.NoFileExists(t, filepath.Join(b.local, "sub/.GIT/config"))

	write(t, b.local, "b", "4\n")
	git(t, b.local, "add", "b")
	git(t, b.local, "commit", "-qm", "fourth")
	r = b.push()
	require.Contains(t, problemCodes(r), ".git git_kept")
	require.Contains(t, git(t, b.sandbox, "log", "--oneline"), "third", "commits in the sandbox are not overwritten")
}

func TestS4_KeysAreSingleSafeSegments(t *testing.T) {
	for _, key := range []string{"../x", "a/b", "workspace", ".", "-rf", "a b"} {
		b := newPair(t)
		write(t, b.local, "a", "1")
		b.opts.Adapter = key
		_, err := hostgo.Push(t.Context(), b.opts)
		require.ErrorIs(t, err, core.CodeInvalidRequest, key)
		b.opts.Adapter = ""
		b.opts.Assets = []hostgo.Asset{{Key: key, Dir: b.local}}
		_, err = hostgo.Push(t.Context(), b.opts)
		require.ErrorIs(t, err, core.CodeInvalidRequest, key)
		require.Empty(t, listing(t, b.sandbox))
	}
}

func TestS5_SystemFoldersAreNoSandbox(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	// Were the guard gone, no call may reach a real system folder from here.
	real := b.opts.Client
	b.opts.Client = &hooked{real, func(call, _ string) error {
		t.Errorf("the client was called: %s", call)
		return errors.New("refused by the test")
	}}
	for _, root := range []string{"/", "/etc", "/usr", "/home", "/lib", "/lib64", "/var", "relative", "/a/../b", "/a/", ""} {
		b.opts.Root = root
		_, err := hostgo.Push(t.Context(), b.opts)
		require.ErrorIs(t, err, core.CodeUnsafeRoot, root)
		_, err = dir.New(root)
		require.Error(t, err, root)
	}
	b.opts.Root, b.opts.Client = b.sandbox, &localRooted{b.opts.Client, b.sandbox}
	for _, workspace := range []string{"/", "/etc", "/usr", "/nonexistent", "", filepath.Join(b.local, "a"), b.sandbox, filepath.Dir(b.local)} {
		b.opts.Workspace = workspace
		_, err := hostgo.Push(t.Context(), b.opts)
		require.ErrorIs(t, err, core.CodeUnsafeRoot, workspace)
	}
	require.Empty(t, listing(t, b.sandbox))
}

// TestAnyNameOfAFolderWillDoHere: what no path in a sandbox may hold made a workspace "a system folder".
func TestAnyNameOfAFolderWillDoHere(t *testing.T) {
	for _, name := range []string{"two\nlines", "\xff", "it's a \"$x\" `y`"} {
		b := newPair(t)
		b.opts.Workspace = filepath.Join(filepath.Dir(b.local), name)
		require.NoError(t, os.Rename(b.local, b.opts.Workspace))
		write(t, b.opts.Workspace, "a", "1")
		b.push()
		write(t, b.sandbox, "a", "2")
		b.pull()
		require.Equal(t, "2", read(t, b.opts.Workspace, "a"))
	}
}

// TestS5_SystemFoldersAreNoAssets: a wrong asset is known before the workspace travels.
func TestS5_SystemFoldersAreNoAssets(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	for _, folder := range []string{"/", "/etc", "/nonexistent", "", filepath.Join(b.local, "a")} {
		b.opts.Assets = []hostgo.Asset{{Key: "tools", Dir: folder}}
		_, err := hostgo.Push(t.Context(), b.opts)
		var e *core.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, core.CodeUnsafeRoot, e.Code, folder)
		require.Equal(t, "asset tools", e.Field)
		require.Contains(t, e.Message, "asset's folder")
		require.NotEmpty(t, e.Hint)
	}
	require.Empty(t, listing(t, b.sandbox))
}

// localRooted keeps what a wrapped client says of where it lies.
type localRooted struct {
	hostgo.Client
	root string
}

func (c *localRooted) LocalRoot() string { return c.root }

func TestS6_ErrorsAreShortAndHoldNoPayload(t *testing.T) {
	b := newPair(t)
	const secret = "TOP-SECRET-PAYLOAD"
	write(t, b.local, "a", strings.Repeat(secret, 1000))
	for _, call := range []string{"write", "run", "read"} {
		c := &hooked{b.opts.Client, nil}
		c.before = func(name, detail string) error {
			if name != call {
				return nil
			}
			return hostgo.ClientError(t.Context(), "a call", "", errors.New(strings.Repeat("noise ", 10000)))
		}
		o := b.opts
		o.Client = c
		sync := hostgo.Push
		if call == "read" {
			sync = hostgo.Pull
		}
		_, err := sync(t.Context(), o)
		require.Error(t, err)
		require.LessOrEqual(t, len(err.Error()), core.MaxMessage)
		require.NotContains(t, err.Error(), secret)
	}
	err := b.opts.Client.Run(t.Context(), "echo "+secret+" >/dev/null; head -c 100000 /dev/zero | tr '\\0' x >&2; exit 3", 0)
	require.Error(t, err)
	require.LessOrEqual(t, len(err.Error()), core.MaxMessage)
	require.NotContains(t, err.Error(), secret)
	var exit *hostgo.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 3, exit.Status)
}

// TestS7_AHardLinkToOutsideIsNoFile has tar itself make the member.
func TestS7_AHardLinkToOutsideIsNoFile(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	b.push()
	write(t, filepath.Dir(b.sandbox), "secret", "outside")
	require.NoError(t, os.Link(filepath.Join(filepath.Dir(b.sandbox), "secret"), filepath.Join(b.sandbox, "h1")))
	require.NoError(t, os.Link(filepath.Join(b.sandbox, "h1"), filepath.Join(b.sandbox, "h2")))
	r := b.pull()
	// Both names are files of the sandbox; only the sandbox's own content comes home.
	require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Report)
	require.Equal(t, "outside", read(t, b.local, "h1"))
	require.Equal(t, "outside", read(t, b.local, "h2"))
}

func TestS8_ControlCharactersAreEscaped(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	b.push()
	write(t, b.sandbox, "evil\x1b[2J\nname", "x")
	write(t, b.sandbox, "evil\x1b[2J/\xff", "x")
	r := b.pull()
	text := plan.Render(r.Report, false, false)
	require.NotContains(t, text, "\x1b")
	require.Contains(t, text, `evil\x1b[2J\x0aname`)
	require.Contains(t, text, `evil\x1b[2J/\xff: invalid name`)
	write(t, b.local, "evil\x1b[2J/\xff", "x")
	require.NotContains(t, plan.Render(b.push().Report, false, false), "\x1b")
	_, err := os.Lstat(filepath.Join(b.local, "evil\x1b[2J\nname"))
	require.NoError(t, err)
}

func TestS9_AssetsInsideTheWorkspaceFollowNoLinkOut(t *testing.T) {
	for _, where := range []string{"tools", "local/tools", "local"} {
		b := newPair(t)
		top := filepath.Dir(b.local)
		write(t, top, "secret", "secret")
		folder := filepath.Join(top, where)
		write(t, folder, "plain", "plain")
		link(t, filepath.Join(top, "secret"), folder, "leak")
		link(t, "plain", folder, "inner")
		b.opts.Assets = []hostgo.Asset{{Key: "tools", Dir: folder, FollowSymlinks: true}}
		r := b.push()
		asset := listing(t, filepath.Join(b.sandbox, core.RuntimeDir, "planner", "tools"))
		require.Equal(t, "-rw-r--r-- plain", asset["inner"])
		if where != "tools" {
			require.NotContains(t, asset, "leak")
			require.Equal(t, []string{"asset tools/leak unsafe_link"}, problemCodes(r))
		} else {
			require.Equal(t, "-rw-r--r-- secret", asset["leak"])
		}
	}
}

// In an asset that holds the workspace, links of the workspace alone may be the sandbox's.
func TestS9_AnAssetAroundTheWorkspaceFollowsNoLinkOutOfThat(t *testing.T) {
	b := newPair(t)
	top := filepath.Dir(b.local)
	write(t, top, "secret", "secret")
	write(t, b.local, "plain", "plain")
	link(t, filepath.Join(top, "secret"), b.local, "planted")
	link(t, "plain", b.local, "inner")
	link(t, "secret", top, "own")
	b.opts.Assets = []hostgo.Asset{{Key: "tools", Dir: top, FollowSymlinks: true, Exclude: []string{"sandbox", "state"}}}
	r := b.push()
	require.Equal(t, []string{"asset tools/local/planted unsafe_link"}, problemCodes(r))
	asset := listing(t, filepath.Join(b.sandbox, core.RuntimeDir, "planner", "tools"))
	require.NotContains(t, asset, "local/planted")
	require.Equal(t, "-rw-r--r-- plain", asset["local/inner"])
	require.Equal(t, "-rw-r--r-- secret", asset["own"])
}

// TestS1_ALinkInTheRuntimeFolderLeadsNoCommandOut is about sandboxes whose file system is
// mounted here: what was planted there must not turn a command of ours on something of this
// machine.
func TestS1_ALinkInTheRuntimeFolderLeadsNoCommandOut(t *testing.T) {
	const rt = core.RuntimeDir
	scripts := func(b *pair) string {
		write(t, b.local, "a", "1")
		b.push()
		found, err := filepath.Glob(filepath.Join(b.sandbox, rt, "planner", "script-*"))
		require.NoError(t, err)
		require.Len(t, found, 1)
		remove(t, b.sandbox, rt)
		remove(t, b.sandbox, "a")
		require.NoError(t, os.RemoveAll(b.opts.StateDir))
		return rt + "/planner/" + filepath.Base(found[0])
	}
	pull, push := hostgo.Pull, hostgo.Push
	type order = []func(context.Context, hostgo.Options) (*hostgo.Report, error)
	for name, syncs := range map[string]order{rt: {pull, push}, rt + "/planner": {push, pull}, rt + "/.gitignore": {push, pull},
		rt + "/planner/marker": {pull, push}, rt + "/planner/sums": {push, pull}, "script": {pull, push}} {
		t.Run(name, func(t *testing.T) {
			b := newPair(t)
			victim := filepath.Join(filepath.Dir(b.local), "victim")
			if name == "script" {
				name = scripts(b)
			}
			write(t, b.local, "a", "1")
			write(t, b.sandbox, "there", "1")
			target := victim
			if name != rt && name != rt+"/planner" {
				target = filepath.Join(victim, "file")
			}
			write(t, victim, "file", "mine")
			link(t, target, b.sandbox, name)
			before := listing(t, victim)
			for range 2 {
				for _, sync := range syncs {
					r, err := sync(t.Context(), b.opts)
					if target == victim {
						require.ErrorIs(t, err, core.CodeClient)
						require.ErrorContains(t, err, "is a link")
					} else {
						require.NoError(t, err)
						require.Equal(t, plan.StatusOK, r.Status)
					}
					write(t, b.local, "b", "1")
				}
				write(t, b.sandbox, "c", "1")
			}
			require.Empty(t, cmp.Diff(before, listing(t, victim)))
		})
	}
}

// TestS1_ALinkInThePlaceOfTheScriptLeadsNoCommandOut is about the same: an mv onto a link to a
// directory moves into that.
func TestS1_ALinkInThePlaceOfTheScriptLeadsNoCommandOut(t *testing.T) {
	b := newPair(t)
	b.pull()
	folder := filepath.Join(b.sandbox, core.RuntimeDir, "planner")
	found, err := filepath.Glob(filepath.Join(folder, "script-*"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	victim := filepath.Join(filepath.Dir(b.local), "victim")
	write(t, victim, "file", "mine")
	for _, plant := range []func() error{
		func() error { return os.Symlink(victim, found[0]) },
		func() error { return os.MkdirAll(filepath.Join(found[0], "in"), 0o755) },
	} {
		require.NoError(t, os.RemoveAll(folder))
		require.NoError(t, os.RemoveAll(b.opts.StateDir))
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, plant())
		b.pull()
		require.Equal(t, map[string]string{"file": "-rw-r--r-- mine"}, listing(t, victim))
		require.FileExists(t, found[0])
	}
}

// TestS1_NoWriteInTheSandboxThroughALink is about a directory that an agent moves away between
// the plan and its application, and leaves a link in its place.
func TestS1_NoWriteInTheSandboxThroughALink(t *testing.T) {
	for _, folder := range []string{"d", "d/deep"} {
		b := newPair(t)
		b.opts.Identity = "the same sandbox"
		write(t, b.local, folder+"/x", "1")
		write(t, b.local, "a", "1")
		b.push()
		write(t, b.local, folder+"/x", "mine")
		write(t, b.local, folder+"/new", "mine")
		b.hook("write", 1, func() error {
			if err := os.Rename(filepath.Join(b.sandbox, "d"), filepath.Join(b.sandbox, "e")); err != nil {
				return err
			}
			return os.Symlink("e", filepath.Join(b.sandbox, "d"))
		})
		b.push()
		moved := strings.Replace(folder, "d", "e", 1)
		require.Equal(t, "1", read(t, b.sandbox, moved+"/x"))
		require.NoFileExists(t, filepath.Join(b.sandbox, moved, "new"))
		b.pull()
		require.Equal(t, "mine", read(t, b.local, folder+"/x"))
	}
}
