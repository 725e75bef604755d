package hostgo

import (
	"errors"
	"io"
	"io/fs"
	"slices"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// carried is a displaced version that was copied out of a volume. What it was copied from stays
// in staging until the run ends, because a program may still write to it.
type carried struct {
	decision int
	name     string // in staging
	copy     string // below the workspace
}

// carry copies a version from a volume to a name in the run's first folder, whole and flushed.
func (a *applier) carry(from *tree.Dir, name, as string) error {
	if err := a.home.RemoveAll(as); err != nil { // what a killed run left
		return err
	}
	if err := copyEntry(from, name, a.home, as); err != nil {
		return errors.Join(err, a.home.RemoveAll(as))
	}
	return a.fault("carried " + name)
}

// copyEntry copies a name with all below it. A socket, FIFO or device holds nothing that could be
// copied, and is left out.
func copyEntry(from *tree.Dir, name string, to *tree.Dir, as string) error {
	info, err := from.Lstat(name)
	if err != nil {
		return err
	}
	switch info.Kind {
	case core.KindFile:
		return copyFile(from, name, to, as, info.Mode)
	case core.KindLink:
		target, err := from.Readlink(name)
		if err != nil {
			return err
		}
		return to.Symlink(target, as)
	case core.KindDir:
		if err := to.Mkdir(as, info.Mode|0o700); err != nil {
			return err
		}
		return both(from, name, to, as, func(source, target *tree.Dir) error {
			names, err := source.Names()
			for _, n := range names {
				if err == nil {
					err = copyEntry(source, n, target, n)
				}
			}
			return errors.Join(err, target.Sync())
		})
	}
	return nil
}

func copyFile(from *tree.Dir, name string, to *tree.Dir, as string, mode uint32) error {
	source, err := from.OpenFile(name)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := to.Create(as, mode|0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(target, source, make([]byte, 64<<10))
	return errors.Join(err, target.Sync(), target.Close(), to.Chmod(as, mode))
}

// both opens a directory of each of two, for as long as a call takes.
func both(a *tree.Dir, name string, b *tree.Dir, as string, call func(a, b *tree.Dir) error) error {
	x, err := a.OpenDir(name)
	if err != nil {
		return err
	}
	defer x.Close()
	y, err := b.OpenDir(as)
	if err != nil {
		return err
	}
	defer y.Close()
	return call(x, y)
}

var errDiffers = errors.New("it is not the same any more")

// sameEntry returns nil if a copy is what it was copied from.
func sameEntry(from *tree.Dir, name string, to *tree.Dir, as string) error {
	info, err := from.Lstat(name)
	if err != nil {
		return err
	}
	copied, err := to.Lstat(as)
	if err != nil {
		return err
	}
	if info.Kind != copied.Kind {
		return errDiffers
	}
	if info.Kind == core.KindDir {
		return both(from, name, to, as, sameNames)
	}
	e := core.Entry{Kind: info.Kind, Size: info.Size}
	if info.Kind == core.KindLink {
		e.Target, err = from.Readlink(name)
	} else {
		e.Digest, err = digestIn(from, name)
	}
	if err != nil {
		return err
	}
	if same, err := holds(to, as, &e); err != nil || !same {
		return errors.Join(errDiffers, err)
	}
	return nil
}

func sameNames(source, target *tree.Dir) error {
	names, err := source.Names()
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n string) bool {
		info, err := source.Lstat(n)
		return err == nil && info.Kind == 0
	})
	copied, err := target.Names()
	if err != nil {
		return err
	}
	if len(names) != len(copied) {
		return errDiffers
	}
	for _, n := range names {
		if err := sameEntry(source, n, target, n); err != nil {
			return err
		}
	}
	return nil
}

// settleCarried keeps once more what was written to after it was copied, unless it went back.
func (a *applier) settleCarried() {
	for _, c := range a.carried {
		if _, err := a.staging(c.decision).Lstat(c.name); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		dir, err := a.root.Walk(core.Parent(c.copy))
		if err == nil {
			err = sameEntry(a.staging(c.decision), c.name, dir, core.Name(c.copy))
			dir.Close()
		}
		if err != nil {
			a.keepEdited(c.decision, c.name)
		}
	}
}
