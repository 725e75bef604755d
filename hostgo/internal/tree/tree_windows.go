package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"

	"github.com/paperclipai/syncplan/core"
)

// Dir is an open directory. [os.Root] keeps what is done in it inside; that no
// component is a link or junction is checked as each is opened. Windows has no
// call that renames between two handles without naming them, so renames go by
// path, after a check that the path still leads to the handle.
type Dir struct {
	root *os.Root
	path string
}

// Open opens the directory at a path, links in it followed: the caller has
// resolved and chosen it.
func Open(root string) (*Dir, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	return &Dir{r, root}, nil
}

// Close releases d.
func (d *Dir) Close() error { return d.root.Close() }

func (d *Dir) again() (*Dir, error) {
	r, err := d.root.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	return &Dir{r, d.path}, nil
}

// OpenDir opens a directory in d. A link, junction or file is [ErrNotDir].
func (d *Dir) OpenDir(name string) (*Dir, error) {
	before, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsDir() || before.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0 {
		return nil, pathError("open", name, ErrNotDir)
	}
	r, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	after, err := r.Stat(".")
	if err == nil && !os.SameFile(before, after) {
		err = pathError("open", name, ErrNotDir)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return &Dir{r, filepath.Join(d.path, name)}, nil
}

// Lstat returns what name is.
func (d *Dir) Lstat(name string) (Info, error) {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

func infoOf(fi fs.FileInfo) Info {
	i := Info{Mode: uint32(fi.Mode().Perm()), Size: fi.Size(), MtimeNs: fi.ModTime().UnixNano(), Nlink: 1}
	switch {
	case fi.Mode().IsRegular():
		i.Kind = core.KindFile
	case fi.Mode().IsDir():
		i.Kind = core.KindDir
	case fi.Mode()&fs.ModeSymlink != 0:
		i.Kind = core.KindLink
	}
	return i
}

// Names returns what is in d, unsorted.
func (d *Dir) Names() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// OpenFile opens a regular file for reading. Anything else is [ErrNotFile].
func (d *Dir) OpenFile(name string) (*File, error) {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, pathError("open", name, ErrNotFile)
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	return regular(f)
}

// Create makes a new file and opens it for writing.
func (d *Dir) Create(name string, perm uint32) (*os.File, error) {
	return d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(perm))
}

// Readlink returns the text of a link.
func (d *Dir) Readlink(name string) (string, error) { return d.root.Readlink(name) }

// Symlink makes a link. A name that exists is fs.ErrExist.
func (d *Dir) Symlink(target, name string) error { return d.root.Symlink(target, name) }

// Mkdir makes a directory.
func (d *Dir) Mkdir(name string, perm uint32) error { return d.root.Mkdir(name, fs.FileMode(perm)) }

// Remove removes a file or link.
func (d *Dir) Remove(name string) error { return d.root.Remove(name) }

// Rmdir removes an empty directory.
func (d *Dir) Rmdir(name string) error { return d.root.Remove(name) }

// Chmod sets the one permission that Windows has, whether it may be written.
// A link is [ErrNotFile].
func (d *Dir) Chmod(name string, perm uint32) error {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() && !fi.Mode().IsDir() {
		return pathError("chmod", name, ErrNotFile)
	}
	return d.root.Chmod(name, fs.FileMode(perm))
}

// RenameNoReplace moves name to newName in to. One that exists there is
// fs.ErrExist, and nothing changes.
func (d *Dir) RenameNoReplace(name string, to *Dir, newName string) error {
	if err := errors.Join(d.still(), to.still()); err != nil {
		return err
	}
	from, err := windows.UTF16PtrFromString(filepath.Join(d.path, name))
	if err != nil {
		return pathError("rename", name, err)
	}
	dest, err := windows.UTF16PtrFromString(filepath.Join(to.path, newName))
	if err != nil {
		return pathError("rename", newName, err)
	}
	return pathError("rename", name, windows.MoveFileEx(from, dest, 0))
}

// still checks that the path of d leads to d.
func (d *Dir) still() error {
	a, err := d.root.Stat(".")
	if err != nil {
		return err
	}
	b, err := os.Lstat(d.path)
	if err == nil && !os.SameFile(a, b) {
		err = pathError("rename", d.path, ErrNotDir)
	}
	return err
}

// Exchange is not to be had on Windows.
func (d *Dir) Exchange(name string, _ *Dir, _ string) error {
	return pathError("exchange", name, ErrNoExchange)
}

// Writable leaves the answer to what is made.
func (d *Dir) Writable() error { return nil }

// Sync has nothing to do: NTFS journals its directories.
func (d *Dir) Sync() error { return nil }

// SyncFS is not to be had here; the caller flushes file by file.
func (d *Dir) SyncFS() error { return pathError("syncfs", ".", errors.ErrUnsupported) }
