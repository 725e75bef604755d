//go:build unix

package ssh

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownersOnly reports whether nobody but this user and root may write to a file. A group that is
// named like the user has no other member: many systems make one for each, and let it write.
func ownersOnly(info fs.FileInfo, me string) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid != 0 && int(st.Uid) != os.Getuid() || info.Mode()&0o002 != 0 {
		return false
	}
	if info.Mode()&0o020 == 0 {
		return true
	}
	group, err := user.LookupGroupId(strconv.Itoa(int(st.Gid)))
	return err == nil && group.Name == me
}

// isPrivate reports whether a key of this user's is nobody else's.
func isPrivate(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(st.Uid) != os.Getuid() || info.Mode()&0o077 == 0
}
