package hostgo

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// moveAside moves what stands at a path to a name in staging. Some file systems can't rename
// a directory, as overlayfs can't one of a lower layer, such as a container's image: then what
// is in it moves, name by name. Where that fails half way all goes back.
func (a *applier) moveAside(i int, dir *tree.Dir, name, moved string) error {
	staging := a.staging(i)
	err := a.take(dir, name, staging, moved)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	info, e := dir.Lstat(name)
	if e != nil || info.Kind != core.KindDir {
		return errors.Join(err, e)
	}
	if err = a.moveDir(dir, name, staging, moved, info.Mode); err == nil {
		return nil
	}
	if back := a.moveDir(staging, moved, dir, name, info.Mode); back != nil && !errors.Is(back, fs.ErrNotExist) {
		res, e := a.displace(i, moved)
		a.results[i].Note = res.Note
		err = errors.Join(err, e)
	}
	return err
}

// rename moves a name, or fails where one stands already, or where that is on another file system.
func (a *applier) rename(from *tree.Dir, name string, to *tree.Dir, as string) error {
	if a.crosses(from, to) {
		return syscall.EXDEV
	}
	return from.RenameNoReplace(name, to, as)
}

func (a *applier) exchange(from *tree.Dir, name string, to *tree.Dir, as string) error {
	if a.crosses(from, to) {
		return syscall.EXDEV
	}
	return from.Exchange(name, to, as)
}

// crosses reports whether a test wants a rename to fail.
func (a *applier) crosses(from, to *tree.Dir) bool {
	return a.req.crosses != nil && a.req.crosses(from, to)
}

func (a *applier) take(from *tree.Dir, name string, to *tree.Dir, as string) error {
	if err := a.fault("rename " + name); err != nil {
		return err
	}
	return a.rename(from, name, to, as)
}

// moveDir moves a directory by moving what is in it, into one that may be there already.
func (a *applier) moveDir(from *tree.Dir, name string, to *tree.Dir, as string, mode uint32) error {
	source, err := from.OpenDir(name)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := to.Mkdir(as, mode|0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	target, err := to.OpenDir(as)
	if err != nil {
		return err
	}
	defer target.Close()
	names, err := source.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		err := a.take(source, n, target, n)
		if errors.Is(err, syscall.EXDEV) || errors.Is(err, fs.ErrExist) {
			info, e := source.Lstat(n)
			if e != nil || info.Kind != core.KindDir {
				return errors.Join(err, e)
			}
			err = a.moveDir(source, n, target, n, info.Mode)
		}
		if err != nil {
			return err
		}
	}
	return from.Rmdir(name)
}
