//go:build unix

package hostgo

import (
	"os"
	"syscall"
)

// onlyMine reports whether a path is a folder of this user, in which nobody can write whom its
// group does not name.
func onlyMine(path string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return false, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.IsDir() && int(st.Uid) == os.Geteuid() && info.Mode().Perm()&0o002 == 0, nil
}
