//go:build unix

package hostgo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// The sandbox of these tests has a directory in which nobody may change anything, as on a read-only file system. A push
// reports what it can't change there and brings all the rest; base does not claim what was not done.
func TestR1_WhatTheSandboxRefusesStopsNoOther(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T) {
		t.Run("streams", func(t *testing.T) { playStuck(t, newPair(t)) })
		for tools, shell := range map[string]string{"gnu": "bash", "busybox": "busybox", "toybox": "dash"} {
			t.Run(tools+"-"+shell, func(t *testing.T) {
				b := newPair(t)
				b.opts.Identity = "the same sandbox"
				b.opts.Client = &toolbox{b.opts.Client, newToolbox(t, tools, shell)}
				playStuck(t, b)
			})
		}
	})
}

func playStuck(t *testing.T, b *pair) {
	editBoth(t, b)
	for _, dir := range []string{"ro/in", "ro"} {
		require.NoError(t, os.Chmod(filepath.Join(b.sandbox, dir), 0o555))
		t.Cleanup(func() { os.Chmod(filepath.Join(b.sandbox, dir), 0o755) })
	}
	var refused []string
	for _, name := range strings.Fields("-f both deleted in in/deeper link n n/e n/e/w new replaced to-dir to-dir/in") {
		refused = append(refused, "ro/"+name+" write_failed")
	}
	refused[3] = "ro/in not_empty"
	before := listing(t, filepath.Join(b.sandbox, "ro"))
	for range 2 { // the second finds that only these are left
		r := b.push()
		require.Equal(t, plan.StatusPartial, r.Status)
		require.Empty(t, cmp.Diff(refused, problemCodes(r)))
		require.Empty(t, cmp.Diff(before, listing(t, filepath.Join(b.sandbox, "ro"))))
	}
	for _, name := range []string{"-f", "both", "n/e/w", "new", "replaced", "to-dir/in"} {
		require.Equal(t, "new "+name, read(t, b.sandbox, "rw/"+name))
	}
	require.NoFileExists(t, filepath.Join(b.sandbox, "rw/deleted"))

	b.pull()
	for _, dir := range []string{"rw/", "ro/"} {
		require.Equal(t, "new replaced", read(t, b.local, dir+"replaced"), "what could not be sent is not taken back")
		require.NoFileExists(t, filepath.Join(b.local, dir+"deleted"))
		copies, err := filepath.Glob(filepath.Join(b.local, dir+"both.conflict-*"))
		require.NoError(t, err)
		require.Len(t, copies, 1)
	}
	for _, dir := range []string{"ro", "ro/in"} {
		require.NoError(t, os.Chmod(filepath.Join(b.sandbox, dir), 0o755))
	}
	require.Equal(t, plan.StatusOK, b.push().Status)
	require.Empty(t, b.pull().Lines)
	require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
}

// editBoth makes every kind of change in two directories, after a push.
func editBoth(t *testing.T, b *pair) {
	for _, dir := range []string{"ro/", "rw/"} {
		for _, name := range []string{"-f", "both", "deleted", "in/deeper", "kept", "replaced", "to-dir"} {
			write(t, b.local, dir+name, "old "+name)
		}
		require.NoError(t, os.Symlink("both", filepath.Join(b.local, dir+"link")))
	}
	b.push()
	for _, dir := range []string{"ro/", "rw/"} {
		for _, name := range []string{"deleted", "in/deeper", "link", "to-dir"} {
			require.NoError(t, os.Remove(filepath.Join(b.local, dir+name)))
		}
		require.NoError(t, os.Remove(filepath.Join(b.local, dir+"in")))
		for _, name := range []string{"-f", "both", "n/e/w", "new", "replaced", "to-dir/in"} {
			write(t, b.local, dir+name, "new "+name)
		}
		require.NoError(t, os.Symlink("kept", filepath.Join(b.local, dir+"link")))
		write(t, b.sandbox, dir+"both", "of the agent")
	}
}

// An asset that was used may hold directories in which nothing may be removed.
func TestR1_AReadOnlyAssetIsReplaced(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T) {
		b := newPair(t)
		b.opts.Assets = []hostgo.Asset{{Key: "tools", Dir: t.TempDir()}}
		for _, content := range []string{"1", "2"} {
			write(t, b.opts.Assets[0].Dir, "sub/f", content)
			b.push()
			there := filepath.Join(b.sandbox, ".paperclip-runtime/planner")
			require.Equal(t, content, read(t, there, "tools/sub/f"))
			left, err := filepath.Glob(filepath.Join(there, "in-*"))
			require.NoError(t, err)
			require.Empty(t, left)
			require.NoError(t, os.Chmod(filepath.Join(there, "tools/sub"), 0o555))
			t.Cleanup(func() { os.Chmod(filepath.Join(there, "tools/sub"), 0o755) })
		}
	})
}
