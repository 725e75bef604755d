package tree

import (
	"strconv"

	"golang.org/x/sys/unix"
)

func renameNoReplace(fd int, name string, to int, newName string) error {
	return unix.Renameat2(fd, name, to, newName, unix.RENAME_NOREPLACE)
}

func exchange(fd int, name string, other int, otherName string) error {
	return unix.Renameat2(fd, name, other, otherName, unix.RENAME_EXCHANGE)
}

// Chmod sets the permission bits of a file or directory. A link is
// [ErrNotFile].
func (d *Dir) Chmod(name string, perm uint32) error {
	// Fchmodat follows links, and the call that does not is younger than many
	// kernels, so a handle is opened that needs no permission to read.
	fd, err := retry(func() (int, error) {
		return unix.Openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return pathError("chmod", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return pathError("chmod", name, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return pathError("chmod", name, ErrNotFile)
	}
	return pathError("chmod", name, again(func() error { return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), perm) }))
}

// SyncFS flushes the whole file system that d lies on.
func (d *Dir) SyncFS() error {
	return pathError("syncfs", ".", again(func() error { return unix.Syncfs(d.fd) }))
}
