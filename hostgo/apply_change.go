package hostgo

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"strconv"
	"syscall"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

var errNotEmpty = errors.New("something that does not travel is in it")

// maxNames bounds the search for a free name.
const maxNames = 1000

var done = merge.Result{Status: merge.Done}

// delete takes a path out of the tree, and puts it back if it is not what the
// plan saw.
func (a *applier) delete(i int) (merge.Result, error) {
	d := &a.req.decisions[i]
	dir, name, err := a.enter(d.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return done, nil
	}
	if err != nil {
		return merge.Result{}, err
	}
	if d.Expect.Kind == core.KindDir {
		err := dir.Rmdir(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return done, nil
		case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrExist):
			return merge.Result{}, errNotEmpty
		case errors.Is(err, syscall.ENOTDIR):
			return merge.Result{Status: merge.Slipped}, nil // it became something else: that stays
		}
		return done, err
	}
	moved := movedName(i)
	if err := a.moveAside(i, dir, name, moved); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return done, nil
		}
		return merge.Result{}, err
	}
	if err := a.fault("moved " + d.Path); err != nil {
		return merge.Result{}, err
	}
	same, err := holds(a.staging(i), moved, d.Expect)
	if err != nil {
		return merge.Result{}, errors.Join(err, a.putBack(i, moved))
	}
	if !same {
		return merge.Result{Status: merge.Slipped}, a.putBack(i, moved)
	}
	a.olds = append(a.olds, old{i, moved, d.Expect})
	return done, nil
}

// putBack returns a version to its path; where that is taken again, beside it.
func (a *applier) putBack(i int, moved string) error {
	dir, name, err := a.enter(a.req.decisions[i].Dest)
	if err == nil {
		err = a.rename(a.staging(i), moved, dir, name)
	}
	if err == nil {
		return nil
	}
	res, err := a.displace(i, moved)
	a.results[i].Note = res.Note
	return err
}

// write makes Dest be Want.
func (a *applier) write(i int) (merge.Result, error) {
	d := &a.req.decisions[i]
	dir, name, err := a.enter(d.Dest)
	if err != nil {
		return merge.Result{}, err
	}
	if d.Want.Kind == core.KindDir && !a.staged(i) {
		return a.makeDir(dir, name, d)
	}
	if d.Expect == nil {
		return a.create(i, dir, name)
	}
	return a.replace(i, dir, name)
}

func (a *applier) makeDir(dir *tree.Dir, name string, d *merge.Decision) (merge.Result, error) {
	err := dir.Mkdir(name, uint32(d.Want.Mode)&0o777|0o700)
	if errors.Is(err, fs.ErrExist) {
		info, e := dir.Lstat(name)
		if e == nil && info.Kind == core.KindDir {
			return done, nil
		}
		if e == nil {
			e = errors.New("something else was made there meanwhile")
		}
		return merge.Result{}, e
	}
	return done, err
}

// create moves a staged entry to where nothing stands.
func (a *applier) create(i int, dir *tree.Dir, name string) (merge.Result, error) {
	err := a.rename(a.staging(i), stagedName(i), dir, name)
	if errors.Is(err, fs.ErrExist) {
		same, err := holds(dir, name, a.req.decisions[i].Want)
		if err != nil || same {
			return done, err
		}
		return a.copyBeside(i)
	}
	return done, err
}

// replace puts a staged entry in the place of what stands there.
func (a *applier) replace(i int, dir *tree.Dir, name string) (merge.Result, error) {
	d, staged, staging := &a.req.decisions[i], stagedName(i), a.staging(i)
	if a.req.noExchange {
		return a.replaceByMoves(i, dir, name)
	}
	err := a.exchange(staging, staged, dir, name)
	switch {
	case errors.Is(err, tree.ErrNoExchange), errors.Is(err, syscall.EXDEV):
		return a.replaceByMoves(i, dir, name)
	case errors.Is(err, fs.ErrNotExist):
		return a.create(i, dir, name) // deleted meanwhile: the newer version comes back
	case err != nil:
		return merge.Result{}, err
	}
	if err := a.fault("exchanged " + d.Path); err != nil {
		return merge.Result{}, err
	}
	if d.Displace {
		return a.displaceSwapped(i, dir, name)
	}
	same, err := holds(staging, staged, d.Expect)
	if err == nil && same {
		a.olds = append(a.olds, old{i, staged, d.Expect})
		return done, nil
	}
	res, back := a.exchangeBack(i, dir, name)
	if back != nil {
		return merge.Result{}, back
	}
	if d.Expect.Kind == core.KindDir {
		return merge.Result{}, errNotEmpty
	}
	return res, nil
}

// exchangeBack undoes an exchange that displaced an edit. If the path does not
// hold the new entry any more, somebody saved there once more, and that stays.
func (a *applier) exchangeBack(i int, dir *tree.Dir, name string) (merge.Result, error) {
	d, staged, staging := &a.req.decisions[i], stagedName(i), a.staging(i)
	switch back, err := a.swapBack(i, dir, name); {
	case err != nil:
		return merge.Result{}, err
	case back && d.Expect.Kind == core.KindDir:
		return merge.Result{}, nil
	case back:
		return a.copyBeside(i)
	}
	// What lies in staging is an edit, whichever it is; the sandbox's version is
	// made anew from its body.
	moved := movedName(i)
	if err := a.rename(staging, staged, staging, moved); err != nil {
		return merge.Result{}, err
	}
	if _, err := a.displace(i, moved); err != nil {
		return merge.Result{}, err
	}
	if err := a.stageOne(i, staged, true); err != nil {
		return merge.Result{}, err
	}
	return a.copyBeside(i)
}

// swapBack exchanges once more, and reports whether staging holds the new entry again.
func (a *applier) swapBack(i int, dir *tree.Dir, name string) (bool, error) {
	d, staged, staging := &a.req.decisions[i], stagedName(i), a.staging(i)
	if ours, err := holds(dir, name, d.Want); err != nil || !ours {
		return false, nil
	}
	if err := a.fault("back " + d.Path); err != nil {
		return false, err
	}
	if err := a.exchange(staging, staged, dir, name); err != nil {
		return false, nil
	}
	ours, err := holds(staging, staged, d.Want)
	return err == nil && ours, nil
}

// displaceSwapped keeps what an exchange displaced. What can't be copied out of a volume goes back.
func (a *applier) displaceSwapped(i int, dir *tree.Dir, name string) (merge.Result, error) {
	if a.staging(i) == a.home {
		return a.displace(i, stagedName(i))
	}
	res, err := a.displaceTo(i, stagedName(i))
	if err == nil {
		return res, nil
	}
	if back, e := a.swapBack(i, dir, name); !back {
		_, e2 := a.displace(i, stagedName(i))
		err = errors.Join(err, e, e2)
	}
	return merge.Result{}, err
}

// replaceByMoves moves the old entry aside and the new one in, never over
// anything. Between the two calls the path is absent; the journal tells the
// next run where the old one lies.
func (a *applier) replaceByMoves(i int, dir *tree.Dir, name string) (merge.Result, error) {
	d, moved := &a.req.decisions[i], movedName(i)
	if err := a.moveAside(i, dir, name, moved); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return a.create(i, dir, name)
		}
		return merge.Result{}, err
	}
	if err := a.fault("moved " + d.Path); err != nil {
		return merge.Result{}, err
	}
	same := true
	if !d.Displace {
		var err error
		if same, err = holds(a.staging(i), moved, d.Expect); err != nil {
			return merge.Result{}, errors.Join(err, a.putBack(i, moved))
		}
	}
	if !same {
		if err := a.putBack(i, moved); err != nil {
			return merge.Result{}, err
		}
		if d.Expect.Kind == core.KindDir {
			return merge.Result{}, errNotEmpty
		}
		return a.copyBeside(i)
	}
	far := d.Displace && a.staging(i) != a.home
	var kept merge.Result
	if far { // what can't be copied goes back
		var err error
		if kept, err = a.displaceTo(i, moved); err != nil {
			return merge.Result{}, errors.Join(err, a.putBack(i, moved))
		}
	}
	res, err := a.create(i, dir, name)
	if err != nil {
		return merge.Result{}, errors.Join(err, a.putBack(i, moved))
	}
	if !d.Displace {
		a.olds = append(a.olds, old{i, moved, d.Expect})
		return res, nil
	}
	if !far {
		kept, err = a.displace(i, moved)
	}
	res.Note = kept.Note
	return res, err
}

// chmod gives a file the executable bit of Want.
func (a *applier) chmod(i int) (merge.Result, error) {
	d := &a.req.decisions[i]
	dir, name, err := a.enter(d.Dest)
	if err != nil {
		return merge.Result{}, err
	}
	info, err := dir.Lstat(name)
	if err != nil {
		return merge.Result{}, err
	}
	if info.Kind != core.KindFile {
		return merge.Result{}, tree.ErrNotFile
	}
	mode := withExecutable(info.Mode, d.Want.Executable())
	if mode == info.Mode {
		return done, nil
	}
	return done, dir.Chmod(name, mode)
}

// copy writes Want at Dest, beside what stays at Path.
func (a *applier) copy(i int) (merge.Result, error) {
	d := &a.req.decisions[i]
	dir, name, err := a.enter(d.Dest)
	if err != nil {
		return merge.Result{}, err
	}
	if d.Want.Kind == core.KindDir {
		return a.makeDir(dir, name, d)
	}
	err = a.rename(a.staging(i), stagedName(i), dir, name)
	if !errors.Is(err, fs.ErrExist) {
		return done, err
	}
	if same, err := holds(dir, name, d.Want); err != nil || same {
		return done, err
	}
	res, err := a.copyBeside(i)
	res.Status = merge.Done
	return res, err
}

// copyBeside writes the staged version of decision i beside its path, because
// an edit stands there that the plan did not know.
func (a *applier) copyBeside(i int) (merge.Result, error) {
	d := &a.req.decisions[i]
	digest := d.Want.Digest
	if d.Want.Kind == core.KindLink {
		digest = core.Sum(d.Want.Target)
	}
	for n := 1; n <= maxNames; n++ {
		tried := 0
		path := merge.CopyName(d.Path, digest, func(string) bool { tried++; return tried < n })
		dir, name, err := a.enter(path)
		if err != nil {
			return merge.Result{}, err
		}
		err = a.rename(a.staging(i), stagedName(i), dir, name)
		if errors.Is(err, fs.ErrExist) {
			if same, e := holds(dir, name, d.Want); e == nil && same {
				err = nil
			}
		}
		if !errors.Is(err, fs.ErrExist) {
			return merge.Moved(merge.Slipped, path), err
		}
	}
	return merge.Result{}, errors.New("no free name for a conflict copy after " + strconv.Itoa(maxNames) + " tries")
}

// aside keeps Want where displaced versions go.
func (a *applier) aside(i int) (merge.Result, error) {
	d := &a.req.decisions[i]
	if d.Want.Kind == core.KindDir {
		dir, dest, err := a.displacedDir(core.Join(d.Dest, "x"))
		if err != nil {
			return merge.Result{}, err
		}
		return merge.Moved(merge.Done, a.displacedPath(core.Parent(dest))), dir.Close()
	}
	return a.displaceTo(i, stagedName(i))
}

// holds reports whether a name is exactly what e says: kind, and content of a
// file, text of a link, or that a directory is empty.
func holds(dir *tree.Dir, name string, e *core.Entry) (bool, error) {
	info, err := dir.Lstat(name)
	if err != nil || info.Kind != e.Kind {
		return false, err
	}
	switch e.Kind {
	case core.KindLink:
		target, err := dir.Readlink(name)
		return target == e.Target, err
	case core.KindDir:
		sub, err := dir.OpenDir(name)
		if err != nil {
			return false, err
		}
		defer sub.Close()
		names, err := sub.Names()
		return len(names) == 0, err
	}
	if info.Size != e.Size {
		return false, nil
	}
	d, err := digestIn(dir, name)
	return d == e.Digest, err
}

func digestIn(dir *tree.Dir, name string) (core.Digest, error) {
	f, err := dir.OpenFile(name)
	if err != nil {
		return core.Digest{}, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return core.Digest{}, err
	}
	return core.Digest(h.Sum(nil)), nil
}
