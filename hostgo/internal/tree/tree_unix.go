//go:build linux || darwin

package tree

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/paperclipai/syncplan/core"
)

// Dir is an open directory. It is safe for concurrent use until it is closed.
type Dir struct {
	fd      int
	reading sync.Mutex // an open directory has one place that it is read from
}

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC

// Open opens the directory at a path, links in it followed: the caller has
// resolved and chosen it.
func Open(root string) (*Dir, error) {
	fd, err := retry(func() (int, error) { return unix.Open(root, dirFlags, 0) })
	if err != nil {
		return nil, pathError("open", root, err)
	}
	return &Dir{fd: fd}, nil
}

// Close releases d.
func (d *Dir) Close() error { return unix.Close(d.fd) }

func (d *Dir) again() (*Dir, error) {
	fd, err := retry(func() (int, error) { return unix.Openat(d.fd, ".", dirFlags, 0) })
	if err != nil {
		return nil, pathError("open", ".", err)
	}
	return &Dir{fd: fd}, nil
}

// OpenDir opens a directory in d. A link or file is [ErrNotDir].
func (d *Dir) OpenDir(name string) (*Dir, error) {
	fd, err := retry(func() (int, error) { return unix.Openat(d.fd, name, dirFlags|unix.O_NOFOLLOW, 0) })
	if err == unix.ENOTDIR || err == unix.ELOOP {
		err = ErrNotDir
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &Dir{fd: fd}, nil
}

// Lstat returns what name is.
func (d *Dir) Lstat(name string) (Info, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return Info{}, pathError("lstat", name, err)
	}
	return infoOf(&st), nil
}

func infoOf(st *unix.Stat_t) Info {
	i := Info{Mode: uint32(st.Mode) & 0o777, Size: st.Size, Dev: uint64(st.Dev), Ino: st.Ino,
		MtimeNs: st.Mtim.Nano(), CtimeNs: st.Ctim.Nano(), Nlink: uint64(st.Nlink)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		i.Kind = core.KindFile
	case unix.S_IFDIR:
		i.Kind = core.KindDir
	case unix.S_IFLNK:
		i.Kind = core.KindLink
	}
	return i
}

// Names returns what is in d, unsorted, as the raw bytes on disk.
func (d *Dir) Names() ([]string, error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	if _, err := unix.Seek(d.fd, 0, io.SeekStart); err != nil {
		return nil, pathError("readdir", ".", err)
	}
	var names []string
	buf := make([]byte, 8<<10)
	for {
		n, err := retry(func() (int, error) { return unix.ReadDirent(d.fd, buf) })
		if err != nil {
			return names, pathError("readdir", ".", err)
		}
		if n <= 0 {
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// OpenFile opens a regular file for reading. Anything else is [ErrNotFile],
// without waiting for a FIFO's other end.
func (d *Dir) OpenFile(name string) (*File, error) { return openFile(d.fd, name, unix.O_NOFOLLOW) }

// Create makes a new file and opens it for writing. The process's umask applies
// to perm.
func (d *Dir) Create(name string, perm uint32) (*os.File, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(d.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm)
	})
	if err != nil {
		return nil, pathError("create", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Readlink returns the text of a link.
func (d *Dir) Readlink(name string) (string, error) {
	buf := make([]byte, core.MaxTarget+2)
	n, err := retry(func() (int, error) { return unix.Readlinkat(d.fd, name, buf) })
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	return string(buf[:n]), nil
}

// Symlink makes a link. A name that exists is fs.ErrExist.
func (d *Dir) Symlink(target, name string) error {
	return pathError("symlink", name, again(func() error { return unix.Symlinkat(target, d.fd, name) }))
}

// Mkdir makes a directory. The process's umask applies to perm.
func (d *Dir) Mkdir(name string, perm uint32) error {
	return pathError("mkdir", name, again(func() error { return unix.Mkdirat(d.fd, name, perm) }))
}

// Remove removes a file or link.
func (d *Dir) Remove(name string) error {
	return pathError("remove", name, again(func() error { return unix.Unlinkat(d.fd, name, 0) }))
}

// Rmdir removes an empty directory.
func (d *Dir) Rmdir(name string) error {
	return pathError("rmdir", name, again(func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) }))
}

// RenameNoReplace moves name to newName in to. One that exists there is
// fs.ErrExist, and nothing changes.
func (d *Dir) RenameNoReplace(name string, to *Dir, newName string) error {
	err := again(func() error { return renameNoReplace(d.fd, name, to.fd, newName) })
	if err == unix.ENOSYS || err == unix.EINVAL || err == unix.ENOTSUP {
		err = d.linkOver(name, to, newName)
	}
	return pathError("rename", name, err)
}

// linkOver is RenameNoReplace where the file system has no such call: link
// refuses a name that exists. A directory can't be linked, and a plain rename
// replaces at most an empty one.
func (d *Dir) linkOver(name string, to *Dir, newName string) error {
	info, err := d.Lstat(name)
	if err != nil {
		return err
	}
	if info.Kind == core.KindDir {
		if _, err := to.Lstat(newName); err == nil {
			return unix.EEXIST
		}
		return again(func() error { return unix.Renameat(d.fd, name, to.fd, newName) })
	}
	if err := again(func() error { return unix.Linkat(d.fd, name, to.fd, newName, 0) }); err != nil {
		return err
	}
	return unix.Unlinkat(d.fd, name, 0)
}

// Exchange swaps two names in one step, or fails with [ErrNoExchange].
func (d *Dir) Exchange(name string, other *Dir, otherName string) error {
	err := again(func() error { return exchange(d.fd, name, other.fd, otherName) })
	if err == unix.ENOSYS || err == unix.EINVAL || err == unix.ENOTSUP {
		err = ErrNoExchange
	}
	return pathError("exchange", name, err)
}

// Writable returns why no name can be made in d, as far as permissions tell.
func (d *Dir) Writable() error {
	return pathError("access", ".", again(func() error { return unix.Faccessat(d.fd, ".", unix.W_OK|unix.X_OK, 0) }))
}

// Sync flushes what was created, renamed and removed in d to disk.
func (d *Dir) Sync() error {
	err := again(func() error { return unix.Fsync(d.fd) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil // a file system that keeps no directories on disk
	}
	return pathError("fsync", ".", err)
}

func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
