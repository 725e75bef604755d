package hostgo

import (
	"errors"
	"syscall"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// volume is a file system that is mounted inside the workspace, with a staging folder of the run
// on it. Nothing can be renamed from one into another, so what comes there is staged there, and what
// was taken from there lies there: each change stays one rename (promise D11).
type volume struct {
	path string    // its top directory
	top  *tree.Dir // the same, open
	dir  *tree.Dir // the staging folder in it
}

func (v *volume) close() {
	v.top.Close()
	v.dir.Close()
}

// volumeStaging is one that no scan lists, as AppleDouble files are (promise D2).
func volumeStaging(run string) string { return "._paperclip-runtime." + run }

// level is a directory on the way to a path, while that is staged.
type level struct {
	path    string
	dir     *tree.Dir // nil where there is none yet
	staging *tree.Dir // from where a rename reaches it
	err     error     // why there is no staging
}

// reach returns the directory at a path, with those above it kept open for the next one.
func (a *applier) reach(path string) *level {
	for n := len(a.way); n > 0 && path != a.way[n-1].path && !core.Under(path, a.way[n-1].path); n-- {
		a.stepBack()
	}
	if len(a.way) == 0 {
		dir, err := a.root.Walk("")
		a.step(&level{dir: dir, staging: a.home, err: err})
	}
	last := a.way[len(a.way)-1]
	for _, name := range segments(path[len(last.path):]) {
		next := &level{path: core.Join(last.path, name), staging: last.staging, err: last.err}
		if last.dir != nil {
			// The change itself reports what can't be opened.
			next.dir, _ = last.dir.OpenDir(name)
		}
		last = a.step(next)
	}
	return last
}

// step goes on to a directory. One that no rename reaches from above is a volume of its own.
func (a *applier) step(l *level) *level {
	a.way = append(a.way, l)
	if v := a.volumes[l.path]; v != nil {
		l.staging, l.err = v.dir, nil
	} else if l.dir != nil && (l.err != nil || a.apart(l.staging, l.dir)) {
		l.staging, l.err = a.makeVolume(l.path, l.dir)
	}
	return l
}

// mounted reports whether a directory lies on a file system that is mounted below the top of the
// workspace, whether staging could be made there or not.
func (a *applier) mounted(l *level) bool {
	top := a.way[0]
	return l.staging != top.staging || l.err != nil && top.err == nil
}

func (a *applier) stepBack() {
	last := len(a.way) - 1
	if dir := a.way[last].dir; dir != nil {
		dir.Close()
	}
	a.way = a.way[:last]
}

func (a *applier) goBack() {
	for len(a.way) > 0 {
		a.stepBack()
	}
}

// apart reports whether no rename leads from one directory to another. The kernel is asked by a
// rename of nothing, because one file system that is mounted twice is two for it; a volume inside a
// volume, as of btrfs, is only told by its number.
func (a *applier) apart(from, to *tree.Dir) bool {
	if errors.Is(a.rename(from, "none", to, "none"), syscall.EXDEV) {
		return true
	}
	x, err := from.Lstat(".")
	y, e := to.Lstat(".")
	return err == nil && e == nil && x.Dev != y.Dev
}

// makeVolume makes a staging folder in a directory. The journal names it before it is there.
func (a *applier) makeVolume(path string, dir *tree.Dir) (*tree.Dir, error) {
	if err := dir.Writable(); err != nil {
		return nil, err
	}
	a.journal.Volumes = append(a.journal.Volumes, path)
	if err := writeJournal(a.req.stateDir, a.journal); err != nil {
		return nil, err
	}
	if err := a.fault("volume " + path); err != nil {
		return nil, err
	}
	if err := dir.Mkdir(volumeStaging(a.req.run), 0o700); err != nil {
		a.journal.Volumes = a.journal.Volumes[:len(a.journal.Volumes)-1] // each directory below tries again
		return nil, err
	}
	v, err := openVolume(a.root, path, a.req.run)
	if err != nil {
		return nil, err
	}
	a.volumes[path] = v
	return v.dir, nil
}

func openVolume(root *tree.Dir, path, run string) (*volume, error) {
	top, err := root.Walk(path)
	if err != nil {
		return nil, err
	}
	dir, err := top.OpenDir(volumeStaging(run))
	if err != nil {
		top.Close()
		return nil, err
	}
	return &volume{path, top, dir}, nil
}

// staging returns the folder in which the entries of decision i lie.
func (a *applier) staging(i int) *tree.Dir {
	d := &a.req.decisions[i]
	if len(a.volumes) == 0 || d.Action == merge.Aside {
		return a.home
	}
	for dir := core.Parent(d.Dest); ; dir = core.Parent(dir) {
		if v := a.volumes[dir]; v != nil {
			return v.dir
		}
		if dir == "" {
			return a.home
		}
	}
}

// stagings returns all folders of the run.
func (a *applier) stagings() []*tree.Dir {
	all := []*tree.Dir{a.home}
	for _, v := range a.volumes {
		all = append(all, v.dir)
	}
	return all
}

// dropVolumes removes their staging folders.
func (a *applier) dropVolumes() error {
	for path, v := range a.volumes {
		if err := v.top.RemoveAll(volumeStaging(a.req.run)); err != nil {
			return ioError("the staging folder can't be removed", path, err)
		}
		v.close()
		delete(a.volumes, path)
	}
	return nil
}
