// Package tree holds open directories and changes one name at a time in them.
//
// No method takes a path, and none follows a symbolic link, so that nothing the
// sandbox plants can lead a write, a delete or a chmod anywhere else (promise
// S1). [os.Root] is not enough for that: it stays inside, but follows links
// within, and a write to d/a would reach other/a through d.
package tree

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// ErrNotDir says that a name is a link or a file where a directory is needed.
var ErrNotDir = errors.New("not a directory")

// ErrNotFile says that a name is no regular file.
var ErrNotFile = errors.New("not a regular file")

// ErrNoExchange says that the kernel or the file system can't exchange two
// names in one step.
var ErrNoExchange = errors.New("names can't be exchanged here")

// Info is what is known of one name.
type Info struct {
	Kind    core.Kind // 0 is special: FIFO, socket, device
	Mode    uint32    // permission bits, 0 to 0777
	Size    int64     // bytes
	Dev     uint64    // with Ino the file itself, whatever its name
	Ino     uint64
	MtimeNs int64  // Unix time in nanoseconds, as is CtimeNs
	CtimeNs int64  // when anything about it changed last, which nobody can set; 0 where the system has none
	Nlink   uint64 // its names
}

// Same reports whether b is the file that a was, and unchanged as far as its
// times tell.
func (a Info) Same(b Info) bool { return a == b }

// Walk opens the directory at a relative path, component by component. The
// caller closes it. "" opens d again.
func (d *Dir) Walk(rel string) (*Dir, error) {
	cur, err := d.again()
	if err != nil || rel == "" {
		return cur, err
	}
	for name := range strings.SplitSeq(rel, "/") {
		next, err := cur.OpenDir(name)
		cur.Close()
		if err != nil {
			return nil, err
		}
		cur = next
	}
	return cur, nil
}

// RemoveAll removes a name with all below it. One that does not exist is no
// error.
func (d *Dir) RemoveAll(name string) error {
	info, err := d.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Kind != core.KindDir:
		return d.Remove(name)
	}
	if info.Mode&0o700 != 0o700 {
		// Its owner may have made it read-only; what follows reports if this fails.
		_ = d.Chmod(name, 0o700)
	}
	sub, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	names, err := sub.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := sub.RemoveAll(n); err != nil {
			return err
		}
	}
	return d.Rmdir(name)
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
