//go:build linux || darwin

package tree

import (
	"io"

	"golang.org/x/sys/unix"

	"github.com/paperclipai/syncplan/core"
)

// File is a regular file that is open for reading. It is no [os.File], because
// that makes five more system calls for each file, to find out whether it could
// ever block.
type File struct {
	fd   int
	name string
}

// OpenFile opens the regular file at a path, links in it followed: the caller has
// resolved and chosen it. Anything else is [ErrNotFile].
func OpenFile(path string) (*File, error) { return openFile(unix.AT_FDCWD, path, 0) }

func openFile(dir int, name string, flags int) (*File, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(dir, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|flags, 0)
	})
	if err == unix.ELOOP || err == unix.ENXIO {
		err = ErrNotFile
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	f := &File{fd, name}
	info, err := f.Stat()
	if err == nil && info.Kind != core.KindFile {
		err = pathError("open", name, ErrNotFile)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Stat returns what f is now.
func (f *File) Stat() (Info, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(f.fd, &st) }); err != nil {
		return Info{}, pathError("fstat", f.name, err)
	}
	return infoOf(&st), nil
}

// Read implements [io.Reader].
func (f *File) Read(p []byte) (int, error) {
	n, err := retry(func() (int, error) { return unix.Read(f.fd, p) })
	if err != nil {
		return 0, pathError("read", f.name, err)
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Sync flushes f to disk.
func (f *File) Sync() error {
	return pathError("fsync", f.name, again(func() error { return unix.Fsync(f.fd) }))
}

// Close releases f.
func (f *File) Close() error { return pathError("close", f.name, unix.Close(f.fd)) }
