//go:build unix

package ssh

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// ownedFile is a file of anybody's.
type ownedFile struct {
	fs.FileInfo
	mode fs.FileMode
	sys  any
}

func (f ownedFile) Mode() fs.FileMode { return f.mode }
func (f ownedFile) Sys() any          { return f.sys }

// Whoever may write to a configuration can have commands run; whoever may read a key can use it.
func TestWhoseAFileIs(t *testing.T) {
	me, err := user.Current()
	require.NoError(t, err)
	own, err := strconv.Atoi(me.Gid)
	require.NoError(t, err)
	group, err := user.LookupGroupId(me.Gid)
	require.NoError(t, err)
	const nobody, nogroup = 4_000_000, 4_000_000
	owned := func(uid, gid int, mode fs.FileMode) ownedFile {
		st := &syscall.Stat_t{}
		st.Uid, st.Gid = uint32(uid), uint32(gid)
		return ownedFile{mode: mode, sys: st}
	}
	for _, row := range []struct {
		name          string
		file          ownedFile
		only, private bool
	}{
		{"mine", owned(os.Getuid(), own, 0o600), true, true},
		{"mine, and read by others", owned(os.Getuid(), own, 0o644), true, false},
		{"mine, and written by all", owned(os.Getuid(), own, 0o602), false, false},
		{"mine, and written by my group", owned(os.Getuid(), own, 0o620), group.Name == me.Username, false},
		{"mine, and written by a group that nobody knows", owned(os.Getuid(), nogroup, 0o620), false, false},
		{"somebody's", owned(nobody, own, 0o600), false, true},
		{"root's", owned(0, 0, 0o644), true, os.Getuid() != 0},
		{"of a system that tells no owner", ownedFile{mode: 0o600}, false, true},
	} {
		require.Equal(t, row.only, ownersOnly(row.file, me.Username), row.name)
		require.Equal(t, row.private, isPrivate(row.file), row.name)
	}
	require.False(t, ownersOnly(owned(os.Getuid(), own, 0o620), "somebody"), "a group of another name")
}
