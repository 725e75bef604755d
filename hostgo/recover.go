package hostgo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// recovered is what finishing an interrupted run found.
type recovered struct{ Problems []core.Problem }

// recoverWorkspace finishes what a killed run left: it puts back what lies under a
// journalled name while its path is absent, keeps edits that were displaced, and
// removes the rest of the run's staging. It may be interrupted itself and run
// again. A staging folder that no journal here speaks of is left and reported.
// The caller holds the workspace's lock.
func recoverWorkspace(ctx context.Context, root, stateDir string) (*recovered, error) {
	return recoverIn(ctx, applyRequest{root: root, stateDir: stateDir})
}

func recoverIn(ctx context.Context, req applyRequest) (*recovered, error) {
	out := &recovered{}
	top, err := tree.Open(req.root)
	if err != nil {
		return nil, ioError("the workspace can't be opened", req.root, err)
	}
	defer top.Close()
	j, err := readJournal(req.stateDir)
	if errors.Is(err, core.CodeCorrupt) {
		// Nothing in staging is touched: it may hold the only copy of something.
		out.add(core.RuntimeDir+"/staging", "the journal of an interrupted run is damaged; versions of your files may lie here")
		if err := os.Rename(journalPath(req.stateDir), journalPath(req.stateDir)+".damaged"); err != nil {
			return nil, ioError("the damaged journal can't be put aside", req.stateDir, err)
		}
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	if j != nil {
		if err := recoverRun(ctx, top, j, req, out); err != nil {
			return nil, err
		}
	}
	return out, out.findStale(top)
}

func (r *recovered) add(path, detail string) {
	r.Problems = append(r.Problems, core.Problem{Path: path, Code: core.ProblemStaleStaging, Detail: detail})
}

const staleDetail = "left by a run with another state folder; versions of your files may lie here"

// findStale reports staging folders of other state folders.
func (r *recovered) findStale(top *tree.Dir) error {
	dir, err := top.Walk(core.RuntimeDir + "/staging")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, tree.ErrNotDir) {
		return nil
	}
	if err != nil {
		return ioError("the staging folder can't be read", core.RuntimeDir, err)
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		return ioError("the staging folder can't be read", core.RuntimeDir, err)
	}
	slices.Sort(names)
	for _, n := range names {
		r.add(core.RuntimeDir+"/staging/"+core.DisplayPath(n), staleDetail)
	}
	return nil
}

func recoverRun(ctx context.Context, top *tree.Dir, j *journal, req applyRequest, out *recovered) error {
	req.run = j.Run
	a := &applier{ctx: ctx, req: &req, journal: j, root: top, volumes: map[string]*volume{}, touched: map[string]bool{}}
	defer a.close()
	if err := a.reopen(); err != nil {
		return err
	}
	if a.home == nil {
		return removeJournal(req.stateDir)
	}
	for i := range j.Records {
		if err := ctx.Err(); err != nil {
			return &core.Error{Code: core.CodeCancelled, Message: "stopped while an interrupted run was recovered", Err: err}
		}
		if err := a.recoverOne(&j.Records[i], out); err != nil {
			return ioError("an interrupted run can't be recovered", j.Records[i].Path, err)
		}
	}
	return a.drop()
}

// reopen opens the staging folders of a killed run. Where the first one was removed by hand while
// others are there it is made again.
func (a *applier) reopen() error {
	for _, path := range a.journal.Volumes {
		switch v, err := openVolume(a.root, path, a.req.run); {
		case err == nil:
			a.volumes[path] = v
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, tree.ErrNotDir):
			return ioError("the staging folder can't be opened", path, err)
		}
	}
	home, err := a.root.Walk(core.RuntimeDir + "/staging/" + a.req.run)
	switch {
	case err == nil:
		a.home = home
	case !errors.Is(err, fs.ErrNotExist):
		return ioError("the staging folder can't be opened", core.RuntimeDir, err)
	case len(a.volumes) > 0:
		a.home, err = a.runtimeDir("staging/" + a.req.run)
		return err
	}
	return nil
}

// recoverOne decides by what lies in staging: under n<i> the new entry, or after
// an exchange the old one; under o<i> an old one that was moved.
func (a *applier) recoverOne(r *journalRecord, out *recovered) error {
	was, now := r.Old.entry(), r.New.entry()
	a.req.decisions = []merge.Decision{{Path: r.Path, Dest: r.Path}}
	staging, moved := a.staging(0), movedName(r.Index)
	if _, err := staging.Lstat(moved); err == nil {
		dir, name, err := a.enter(r.Path)
		if err == nil && (now != nil || !a.isOld(moved, was)) {
			err := a.rename(staging, moved, dir, name)
			if err == nil || !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
		return a.keep(r, moved, was, out)
	}
	staged := stagedName(r.Index)
	if now != nil {
		if isNew, err := holds(staging, staged, now); err == nil && isNew {
			return nil // never put in place, or put back
		}
		if now.Kind == core.KindDir && isDir(staging, staged) && !a.standsDir(r.Path) {
			return nil // the same, filled already
		}
	}
	if _, err := staging.Lstat(staged); err == nil {
		return a.keep(r, staged, was, out)
	}
	return nil
}

func isDir(dir *tree.Dir, name string) bool {
	info, err := dir.Lstat(name)
	return err == nil && info.Kind == core.KindDir
}

func (a *applier) standsDir(path string) bool {
	dir, name, err := a.enter(path)
	return err == nil && isDir(dir, name)
}

func (a *applier) isOld(name string, was *core.Entry) bool {
	same, err := holds(a.staging(0), name, was)
	return err == nil && same
}

// keep moves an old version to where displaced ones go, unless it is the one
// that the plan meant to drop.
func (a *applier) keep(r *journalRecord, name string, was *core.Entry, out *recovered) error {
	if !r.Displace && a.isOld(name, was) {
		return nil
	}
	res, err := a.displace(0, name)
	if err == nil {
		out.add(r.Path, "an interrupted run had replaced a version of it, which is kept as "+res.Noted().Copy)
	}
	return err
}

// dropStaging removes a run's staging folder, and the folders around it where
// that leaves them empty.
func dropStaging(root *tree.Dir, run string) error {
	rt, err := root.OpenDir(core.RuntimeDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer rt.Close()
	staging, err := rt.OpenDir("staging")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = staging.RemoveAll(run)
	staging.Close()
	if err != nil {
		return err
	}
	// Others may have something in them; then they stay.
	if rt.Rmdir("staging") == nil {
		_ = root.Rmdir(core.RuntimeDir)
	}
	return nil
}
