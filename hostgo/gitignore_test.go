//go:build unix

package hostgo_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo"
)

// What a .gitignore leaves out may be a secret. It stays here also where the file is not all UTF-8, and nothing
// is sent where the file is too long to be honoured.
func TestGitignoreOfAnyBytesAndLength(t *testing.T) {
	b := newPair(t)
	b.opts.Gitignore = true
	write(t, b.local, "sub/.gitignore", "caf\xe9*\nsecret\n")
	write(t, b.local, "sub/secret", "1")
	write(t, b.local, "sub/plain", "1")
	b.push()
	require.NoFileExists(t, filepath.Join(b.sandbox, "sub/secret"))
	require.Equal(t, "1", read(t, b.sandbox, "sub/plain"))

	write(t, b.local, "sub/.gitignore", strings.Repeat("# a comment\n", 1<<17)+"secret\n")
	write(t, b.local, "sub/plain", "2")
	_, err := hostgo.Push(t.Context(), b.opts)
	var e *core.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, core.CodeLimit, e.Code)
	require.Equal(t, "sub/.gitignore", e.Path)
	require.Equal(t, "1", read(t, b.sandbox, "sub/plain"))
}

// What is no file of a directory that travels says nothing of what does.
func TestGitignoreFiles(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{".gitignore": "top", "b/.gitignore": "b", "b/c/.gitignore": "c", "b-/.gitignore": "", "long/.gitignore": strings.Repeat("#", 1<<20),
		".git/.gitignore": "x", "b/.git/.gitignore": "x", ".paperclip-runtime/.gitignore": "x", "d/.gitignore/f": "x", "e\xff/.gitignore": "x", "outside": "x"} {
		write(t, root, name, text)
	}
	require.NoError(t, os.Mkdir(filepath.Join(root, "f"), 0o755))
	require.NoError(t, os.Symlink("../outside", filepath.Join(root, "f", ".gitignore")))
	require.NoError(t, os.Symlink("b", filepath.Join(root, "g")))
	require.NoError(t, os.Mkdir(filepath.Join(root, "h"), 0o755))
	require.NoError(t, syscall.Mkfifo(filepath.Join(root, "h", ".gitignore"), 0o644))
	got, err := hostgo.GitignoreFiles(t.Context(), root)
	require.NoError(t, err)
	want := []core.IgnoreFile{{Dir: "", Text: "top"}, {Dir: "b", Text: "b"}, {Dir: "b/c", Text: "c"}, {Dir: "b-", Text: ""}, {Dir: "long", Text: strings.Repeat("#", 1<<20)}}
	require.Empty(t, cmp.Diff(want, got))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = hostgo.GitignoreFiles(ctx, root)
	require.ErrorIs(t, err, core.CodeCancelled)
	_, err = hostgo.GitignoreFiles(t.Context(), filepath.Join(root, "none"))
	require.ErrorIs(t, err, core.CodeIO)
	write(t, root, "long/.gitignore", strings.Repeat("#", 1<<20+1))
	_, err = hostgo.GitignoreFiles(t.Context(), root)
	require.ErrorIs(t, err, core.CodeLimit)
}

// With too few open files the rules of a part of the tree would be taken for all, and what the others leave out be sent.
func TestGitignoreFilesAreAllOrNone(t *testing.T) {
	root := t.TempDir()
	var want []core.IgnoreFile
	for _, dir := range []string{"", "a", "a/b", "d/e/f/g/h"} {
		write(t, root, filepath.Join(dir, ".gitignore"), dir)
		want = append(want, core.IgnoreFile{Dir: dir, Text: dir})
	}
	probe, err := os.Open(root)
	require.NoError(t, err)
	next := uint64(probe.Fd())
	require.NoError(t, probe.Close())
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	t.Cleanup(func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)) })
	for files, whole := uint64(0), 0; whole < 5; { // nothing stays open
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: next + files, Max: before.Max}))
		got, err := hostgo.GitignoreFiles(t.Context(), root)
		if err == nil {
			require.Empty(t, cmp.Diff(want, got))
			whole++
			continue
		}
		var e *core.Error
		require.ErrorAs(t, err, &e)
		require.Contains(t, e.Hint, "ulimit -n")
		require.Zero(t, whole, "with as many open files as before")
		files++
		require.Less(t, files, uint64(20))
	}
}

// What can't be read is left out, and keeps nothing else from being read.
func TestGitignoreFilesThatCanNotBeRead(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T) {
		root := t.TempDir()
		for _, dir := range []string{"shut", "secret", "z"} {
			write(t, root, dir+"/.gitignore", dir)
		}
		for _, name := range []string{"shut", "secret/.gitignore"} {
			p := filepath.Join(root, name)
			require.NoError(t, os.Chmod(p, 0))
			t.Cleanup(func() { require.NoError(t, os.Chmod(p, 0o700)) })
		}
		got, err := hostgo.GitignoreFiles(t.Context(), root)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff([]core.IgnoreFile{{Dir: "z", Text: "z"}}, got))
	})
}
