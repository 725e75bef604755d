package hostgo

import (
	"errors"
	"io/fs"
	"strconv"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// displace moves a version from staging to where displaced versions go. One that
// can't be moved is the only copy of it, so staging is not removed then.
func (a *applier) displace(i int, staged string) (merge.Result, error) {
	res, err := a.displaceTo(i, staged)
	if err != nil {
		a.stuck = ioError("a displaced version can't be kept; it lies in the staging folder", a.req.decisions[i].Dest, err)
	}
	return res, err
}

func (a *applier) displacedPath(path string) string {
	return core.RuntimeDir + "/displaced/" + a.req.run + "/" + path
}

// displaceTo moves a version of decision i from staging to where displaced versions go, or
// copies it out of a volume.
func (a *applier) displaceTo(i int, staged string) (merge.Result, error) {
	dir, dest, err := a.displacedDir(a.req.decisions[i].Dest)
	if err != nil {
		return merge.Result{}, err
	}
	defer dir.Close()
	name, far := staged, a.staging(i) != a.home
	if far {
		name = carriedName(staged)
		if err := a.carry(a.staging(i), staged, name); err != nil {
			return merge.Result{}, err
		}
	}
	for n := 1; ; n++ {
		to := dest
		if n > 1 {
			to += "." + strconv.Itoa(n)
		}
		err := a.rename(a.home, name, dir, core.Name(to))
		if errors.Is(err, fs.ErrExist) && far && sameEntry(a.home, name, dir, core.Name(to)) == nil {
			err = nil // a killed run had copied it
		}
		if errors.Is(err, fs.ErrExist) && n < maxNames {
			continue
		}
		if far && err == nil {
			a.carried = append(a.carried, carried{i, staged, a.displacedPath(to)})
		}
		return merge.Moved(merge.Done, a.displacedPath(to)), err
	}
}

// displacedDir opens the folder in which a displaced path lies. Where an
// ancestor was displaced itself, as a file, the path goes beside it.
func (a *applier) displacedDir(path string) (*tree.Dir, string, error) {
	dir, err := makeDirs(a.root, core.RuntimeDir+"/displaced/"+a.req.run)
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
