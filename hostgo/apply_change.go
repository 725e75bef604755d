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
	d := &a.req.Decisions[i]
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
	same, err := holds(a.staging, moved, d.Expect)
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
	dir, name, err := a.enter(a.req.Decisions[i].Dest)
	if err == nil {
		err = a.staging.RenameNoReplace(moved, dir, name)
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
	d := &a.req.Decisions[i]
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
	err := a.staging.RenameNoReplace(stagedName(i), dir, name)
	if errors.Is(err, fs.ErrExist) {
		same, err := holds(dir, name, a.req.Decisions[i].Want)
		if err != nil || same {
			return done, err
		}
		return a.copyBeside(i)
	}
	return done, err
}

// replace puts a staged entry in the place of what stands there.
func (a *applier) replace(i int, dir *tree.Dir, name string) (merge.Result, error) {
	staged := stagedName(i)
	if a.req.NoExchange {
		return a.replaceByMoves(i, dir, name)
	}
	err := a.staging.Exchange(staged, dir, name)
	switch {
	case errors.Is(err, tree.ErrNoExchange), errors.Is(err, syscall.EXDEV):
		return a.replaceByMoves(i, dir, name)
	case errors.Is(err, fs.ErrNotExist):
		return a.create(i, dir, name) // deleted meanwhile: the newer version comes back
	case err != nil:
		return merge.Result{}, err
	}
	d := &a.req.Decisions[i]
	if err := a.fault("exchanged " + d.Path); err != nil {
		return merge.Result{}, err
	}
	if d.Displace {
		return a.displace(i, staged)
	}
	same, err := holds(a.staging, staged, d.Expect)
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
	d, staged := &a.req.Decisions[i], stagedName(i)
	if ours, err := holds(dir, name, d.Want); err == nil && ours {
		if err := a.fault("back " + d.Path); err != nil {
			return merge.Result{}, err
		}
		if err := a.staging.Exchange(staged, dir, name); err == nil {
			if ours, err := holds(a.staging, staged, d.Want); err == nil && ours {
				if d.Expect.Kind == core.KindDir {
					return merge.Result{}, nil
				}
				return a.copyBeside(i)
			}
		}
	}
	// What lies in staging is an edit, whichever it is; the sandbox's version is
	// made anew from its body.
	if _, err := a.displace(i, staged); err != nil {
		return merge.Result{}, err
	}
	if err := a.stageOne(i, staged, true); err != nil {
		return merge.Result{}, err
	}
	return a.copyBeside(i)
}

// replaceByMoves moves the old entry aside and the new one in, never over
// anything. Between the two calls the path is absent; the journal tells the
// next run where the old one lies.
func (a *applier) replaceByMoves(i int, dir *tree.Dir, name string) (merge.Result, error) {
	d, moved := &a.req.Decisions[i], movedName(i)
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
		if same, err = holds(a.staging, moved, d.Expect); err != nil {
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
	res, err := a.create(i, dir, name)
	if err != nil {
		return merge.Result{}, errors.Join(err, a.putBack(i, moved))
	}
	if d.Displace {
		kept, err := a.displace(i, moved)
		res.Note = kept.Note
		return res, err
	}
	a.olds = append(a.olds, old{i, moved, d.Expect})
	return res, nil
}

// chmod gives a file the executable bit of Want.
func (a *applier) chmod(i int) (merge.Result, error) {
	d := &a.req.Decisions[i]
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
	d := &a.req.Decisions[i]
	dir, name, err := a.enter(d.Dest)
	if err != nil {
		return merge.Result{}, err
	}
	if d.Want.Kind == core.KindDir {
		return a.makeDir(dir, name, d)
	}
	err = a.staging.RenameNoReplace(stagedName(i), dir, name)
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
	d := &a.req.Decisions[i]
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
		err = a.staging.RenameNoReplace(stagedName(i), dir, name)
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
	d := &a.req.Decisions[i]
	if d.Want.Kind == core.KindDir {
		dir, dest, err := a.displacedDir(core.Join(d.Dest, "x"))
		if err != nil {
			return merge.Result{}, err
		}
		return merge.Moved(merge.Done, a.displacedPath(core.Parent(dest))), dir.Close()
	}
	return a.displaceTo(stagedName(i), d.Dest)
}

// displace moves a version from staging to where displaced versions go. One that
// can't be moved is the only copy of it, so staging is not removed then.
func (a *applier) displace(i int, staged string) (merge.Result, error) {
	path := a.req.Decisions[i].Dest
	res, err := a.displaceTo(staged, path)
	if err != nil {
		a.stuck = ioError("a displaced version can't be kept; it lies in the staging folder", path, err)
	}
	return res, err
}

func (a *applier) displacedPath(path string) string {
	return core.RuntimeDir + "/displaced/" + a.req.Run + "/" + path
}

func (a *applier) displaceTo(staged, path string) (merge.Result, error) {
	dir, dest, err := a.displacedDir(path)
	if err != nil {
		return merge.Result{}, err
	}
	defer dir.Close()
	for n := 1; ; n++ {
		to := dest
		if n > 1 {
			to += "." + strconv.Itoa(n)
		}
		err := a.staging.RenameNoReplace(staged, dir, core.Name(to))
		if errors.Is(err, fs.ErrExist) && n < maxNames {
			continue
		}
		return merge.Moved(merge.Done, a.displacedPath(to)), err
	}
}

// displacedDir opens the folder in which a displaced path lies. Where an
// ancestor was displaced itself, as a file, the path goes beside it.
func (a *applier) displacedDir(path string) (*tree.Dir, string, error) {
	dir, err := makeDirs(a.root, core.RuntimeDir+"/displaced/"+a.req.Run)
	dest := ""
	for _, name := range segments(core.Parent(path)) {
		if err != nil {
			break
		}
		next, e := makeDirs(dir, name)
		for errors.Is(e, tree.ErrNotDir) { // ends where a name gets too long
			name += ".d"
			next, e = makeDirs(dir, name)
		}
		dir.Close()
		dir, err, dest = next, e, core.Join(dest, name)
	}
	return dir, core.Join(dest, core.Name(path)), err
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
	f, err := dir.OpenFile(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return false, err
	}
	return core.Digest(h.Sum(nil)) == e.Digest, nil
}
