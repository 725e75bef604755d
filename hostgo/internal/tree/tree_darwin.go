package tree

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/paperclipai/syncplan/core"
)

func renameNoReplace(fd int, name string, to int, newName string) error {
	return unix.RenameatxNp(fd, name, to, newName, unix.RENAME_EXCL)
}

func exchange(fd int, name string, other int, otherName string) error {
	return unix.RenameatxNp(fd, name, other, otherName, unix.RENAME_SWAP)
}

// Chmod sets the permission bits of a file or directory. A link is
// [ErrNotFile].
func (d *Dir) Chmod(name string, perm uint32) error {
	info, err := d.Lstat(name)
	if err != nil {
		return err
	}
	if info.Kind == 0 || info.Kind == core.KindLink {
		return pathError("chmod", name, ErrNotFile)
	}
	return pathError("chmod", name, again(func() error { return unix.Fchmodat(d.fd, name, perm, unix.AT_SYMLINK_NOFOLLOW) }))
}

// SyncFS is not to be had here; the caller flushes file by file.
func (d *Dir) SyncFS() error { return pathError("syncfs", ".", errors.ErrUnsupported) }
