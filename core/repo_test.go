package core

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRepoStateName(t *testing.T) {
	for _, n := range []string{"HEAD", "packed-refs", "index", "refs/heads/main", "refs/stash", "logs/HEAD", "logs/refs/heads/a/b", "MERGE_HEAD",
		"CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "BISECT_START", "rebase-merge/done", "rebase-apply/next", "sequencer/todo",
		"reftable/tables.list", "worktrees/w/HEAD", "worktrees/w/index", "modules/lib/HEAD", "modules/a/b/refs/heads/main",
		"modules/a/modules/b/logs/HEAD"} {
		require.True(t, RepoStateName(n), n)
	}
	for _, n := range []string{"", "objects/pack/x.pack", "objects/12/34", "ORIG_HEAD", "FETCH_HEAD", "AUTO_MERGE", "COMMIT_EDITMSG", "MERGE_MSG", "config",
		"description", "hooks/pre-commit", "info/exclude", "index.lock", "HEAD.lock", "refs/heads/main.lock", "refs/.DS_Store", "refs", "logs",
		"worktrees/w/gitdir", "worktrees/w/ORIG_HEAD", "modules/lib/objects/12/34", "modules/lib/config", "x/HEAD", "BISECT_x/y"} {
		require.False(t, RepoStateName(n), n)
	}
}

// repo is a real repository, made by the git on this machine.
type repo struct {
	t   *testing.T
	dir string
}

func newRepo(t *testing.T, format string) repo {
	t.Helper()
	_, err := exec.LookPath("git")
	require.NoError(t, err, "this test needs git")
	r := repo{t, t.TempDir()}
	r.git("init", "-q", "-b", "main", "--object-format="+format)
	for _, name := range []string{"a", "b", "dir/c", "dir/a-long-name-that-shares-a-prefix-1", "dir/a-long-name-that-shares-a-prefix-2"} {
		r.write(name, "1\n2\n3\n")
	}
	r.git("add", ".")
	r.git("commit", "-qm", "one")
	r.git("branch", "side")
	r.git("tag", "-am", "annotated", "v1")
	return r
}

func (r repo) try(args ...string) error {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GIT_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C", "GIT_EDITOR=true",
		"GIT_AUTHOR_NAME=n", "GIT_AUTHOR_EMAIL=e@x", "GIT_COMMITTER_NAME=n", "GIT_COMMITTER_EMAIL=e@x")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Logf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return err
}

func (r repo) git(args ...string) {
	r.t.Helper()
	require.NoError(r.t, r.try(args...))
}

func (r repo) write(name, content string) {
	r.t.Helper()
	p := filepath.Join(r.dir, filepath.FromSlash(name))
	require.NoError(r.t, os.MkdirAll(filepath.Dir(p), 0o777))
	require.NoError(r.t, os.WriteFile(p, []byte(content), 0o666))
}

func (r repo) files() []RepoFile {
	r.t.Helper()
	var files []RepoFile
	root := filepath.Join(r.dir, ".git")
	require.NoError(r.t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil || !RepoStateName(filepath.ToSlash(name)) {
			return err
		}
		data, err := os.ReadFile(p)
		files = append(files, RepoFile{filepath.ToSlash(name), data})
		return err
	}))
	return files
}

func (r repo) state() Digest { return RepoState(r.files()) }

func (r repo) index() string {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, ".git", "index"))
	require.NoError(r.t, err)
	return string(b)
}

// What git does by itself, or in passing, is no change of a repository.
func TestRepoStateSurvivesHousekeeping(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			r := newRepo(t, format)
			r.write("a", "stashed\n")
			r.git("stash", "-q")
			before := r.state()
			for _, step := range [][]string{{"status"}, {"update-index", "--refresh"}, {"pack-refs", "--all"}, {"repack", "-adq"}, {"gc", "-q"},
				{"diff"}, {"update-index", "--index-version=4"}, {"status"}, {"update-index", "--index-version=2"}, {"config", "x.y", "z"},
				{"update-index", "--untracked-cache"}, {"fetch", "-q", "."}, {"write-tree"}} {
				r.touch()
				r.git(step...)
				require.Equal(t, before, r.state(), "git %s", strings.Join(step, " "))
			}
		})
	}
}

// touch gives every file another time, so that git refreshes its index.
func (r repo) touch() {
	r.t.Helper()
	info, err := os.Stat(filepath.Join(r.dir, "a"))
	require.NoError(r.t, err)
	for _, n := range []string{"a", "b", "dir/c"} {
		at := info.ModTime().Add(-time.Hour)
		require.NoError(r.t, os.Chtimes(filepath.Join(r.dir, n), at, at))
	}
}

// The harm: what is missed here is overwritten by the next push.
func TestRepoStateSeesWork(t *testing.T) {
	r := newRepo(t, "sha1")
	seen := map[Digest]string{r.state(): "the start"}
	changed := func(what string) {
		t.Helper()
		state := r.state()
		require.Empty(t, seen[state], "%s left the state as it was", what)
		seen[state] = what
	}
	step := func(args ...string) {
		t.Helper()
		r.git(args...)
		changed("git " + strings.Join(args, " "))
	}
	r.write("a", "main\n2\n3\n")
	step("add", "a")
	step("commit", "-qm", "two")
	step("rm", "-q", "--cached", "b")
	r.git("reset", "-q")
	step("branch", "new")
	step("tag", "light")
	step("update-index", "--chmod=+x", "b")
	r.git("reset", "-q", "--hard")
	r.write("empty", "")
	step("add", "-N", "empty")
	step("add", "empty")
	r.git("rm", "-qf", "empty")
	r.write("a", "wip\n")
	step("stash", "-q")
	step("checkout", "-q", "side")
	r.write("a", "side\n2\n3\n")
	step("commit", "-qam", "three")
	require.Error(t, r.try("merge", "main"))
	changed("a merge in progress")
	r.git("merge", "--abort")
	require.Error(t, r.try("rebase", "main"))
	changed("a rebase in progress")
	r.git("rebase", "--abort")
	require.Error(t, r.try("cherry-pick", "main"))
	changed("a cherry-pick in progress")
	r.git("cherry-pick", "--abort")
	step("bisect", "start")
	r.git("bisect", "reset")
	step("checkout", "-q", "--detach")
	step("commit", "-q", "--allow-empty", "-m", "four")
	step("reset", "-q", "--soft", "HEAD~1")
	step("branch", "-D", "new")
	r.git("pack-refs", "--all")
	step("update-ref", "refs/heads/main", "side")
	step("tag", "-d", "light")
}

func TestRepoStateSeesWorkInWorktreesAndSubmodules(t *testing.T) {
	r := newRepo(t, "sha1")
	r.git("worktree", "add", "-q", "--detach", filepath.Join(r.dir, "w"))
	before := r.state()
	r.git("-C", "w", "commit", "-q", "--allow-empty", "-m", "in the worktree")
	require.NotEqual(t, before, r.state())

	r = newRepo(t, "sha1")
	r.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--name", "x/sub", newRepo(t, "sha1").dir, "sub")
	r.git("commit", "-qm", "submodule")
	before = r.state()
	r.git("-C", "sub", "status")
	require.Equal(t, before, r.state())
	r.git("-C", "sub", "commit", "-q", "--allow-empty", "-m", "in the submodule")
	require.NotEqual(t, before, r.state())
}

func TestRepoStateOfPackedAndLooseRefs(t *testing.T) {
	id := func(c string) string { return strings.Repeat(c, 40) }
	packed := RepoFile{"packed-refs", []byte("# pack-refs with: peeled\n" + id("a") + " refs/heads/x\n" + id("b") + " refs/tags/t\n^" + id("c") + "\n")}
	loose := func(name, c string) RepoFile { return RepoFile{name, []byte(id(c) + "\n")} }
	want := RepoState([]RepoFile{loose("refs/heads/x", "a"), loose("refs/tags/t", "b")})
	require.Equal(t, want, RepoState([]RepoFile{packed}))
	require.Equal(t, want, RepoState([]RepoFile{loose("refs/heads/x", "a"), packed}))
	require.NotEqual(t, want, RepoState([]RepoFile{loose("refs/heads/x", "d"), packed}), "a loose ref hides a packed one")
	require.Equal(t, RepoState([]RepoFile{packed, loose("refs/heads/x", "d")}), RepoState([]RepoFile{loose("refs/heads/x", "d"), packed}))

	broken := RepoFile{"packed-refs", append(slices.Clone(packed.Data), "rubbish\n"...)}
	require.NotEqual(t, want, RepoState([]RepoFile{broken}), "what is not understood counts by its bytes")
	empty := RepoFile{"logs/refs/heads/gone", nil}
	require.Equal(t, want, RepoState([]RepoFile{packed, empty, {"objects/12/34", []byte("x")}, {"ORIG_HEAD", []byte(id("a"))}}))
}

// An index that can't be read, or that leaves entries elsewhere, counts by its
// bytes.
func TestIndexState(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		r := newRepo(t, format)
		v2 := r.index()
		want, ok := indexState(v2)
		require.True(t, ok)
		require.Contains(t, want, "dir/a-long-name-that-shares-a-prefix-2\x00")
		r.git("update-index", "--index-version=4")
		v4 := r.index()
		require.Equal(t, byte(4), v4[7])
		got, ok := indexState(v4)
		require.True(t, ok)
		require.Equal(t, want, got)
		for n := range v2 {
			if got, ok := indexState(v2[:n]); ok {
				require.Equal(t, want, got, "cut to %d bytes: all entries or none", n)
			}
		}
		r.git("update-index", "--split-index")
		_, ok = indexState(r.index())
		require.False(t, ok, "a split index")
	}
}

// A few hundred kilobytes of version 4 prefixes could stand for gigabytes.
func TestIndexStateIsBounded(t *testing.T) {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("DIRC"), 4), 10000)
	for i := range 10000 {
		b = append(b, make([]byte, indexStat+20+2)...)
		b = append(b, 0) // keep the whole previous path
		if i == 0 {
			b = append(b, bytes.Repeat([]byte("x"), 1<<18)...)
		}
		b = append(b, 0)
	}
	_, ok := indexState(string(append(b, make([]byte, 20)...)))
	require.False(t, ok)
}

func FuzzRepoState(f *testing.F) {
	entry := append(make([]byte, indexStat+20+1), 1, 'a', 0)
	v2 := append(append([]byte("DIRC\x00\x00\x00\x02\x00\x00\x00\x01"), entry...), make([]byte, 7+20)...)
	f.Add(v2, []byte(strings.Repeat("a", 40)+" refs/heads/x\n"))
	f.Add(append([]byte("DIRC\x00\x00\x00\x04\x00\x00\x00\x01"), entry...), []byte("^\n#\n \n"))
	f.Add([]byte("DIRC"), []byte("refs/"))
	f.Fuzz(func(t *testing.T, index, packed []byte) {
		files := []RepoFile{{"index", index}, {"packed-refs", packed}, {string(packed), index}, {"refs/heads/x", index}}
		a := RepoState(files)
		slices.Reverse(files[:2])
		require.Equal(t, a, RepoState(files), "order does not matter")
	})
}
