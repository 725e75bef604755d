package hostgo

import (
	"crypto/sha256"
	"errors"
	"io"
	"syscall"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// maxSingleSyncs is the number of staged files up to which each is flushed for
// itself; beyond it one call flushes the whole file system, which is faster and
// disturbs others more.
const maxSingleSyncs = 64

// stageAll makes the new entries beside the workspace's own, each on the file
// system that it comes to. A full disk stops the run before anything changed; any other failure
// concerns one decision, as does a file system that is mounted there and full.
func (a *applier) stageAll() error {
	defer a.goBack()
	count := 0
	for i := range a.req.decisions {
		if a.staged(i) && a.req.decisions[i].Want.Kind == core.KindFile {
			count++
		}
	}
	for i := range a.req.decisions {
		if !a.moves(i) {
			continue
		}
		if err := a.ctx.Err(); err != nil {
			return &core.Error{Code: core.CodeCancelled, Message: "stopped before anything was changed", Err: err}
		}
		mounted, err := a.stage(i, count <= maxSingleSyncs)
		if errors.Is(err, syscall.ENOSPC) && !mounted {
			return ioError("the workspace's disk is full; nothing was changed", a.req.decisions[i].Path, err)
		}
		if err != nil {
			a.results[i] = failure(err)
		}
	}
	if count > maxSingleSyncs {
		return a.flushStaged()
	}
	return nil
}

// stage makes what decision i needs in staging, and reports whether that is on another file
// system than most of the workspace.
func (a *applier) stage(i int, flush bool) (mounted bool, err error) {
	if d := &a.req.decisions[i]; d.Action != merge.Aside {
		l := a.reach(core.Parent(d.Dest))
		mounted, err = a.mounted(l), l.err
	}
	if err != nil || !a.staged(i) {
		return mounted, err
	}
	if err = a.stageOne(i, stagedName(i), flush); err != nil {
		_ = a.staging(i).RemoveAll(stagedName(i)) // half a file would take the room of others
	}
	return mounted, err
}

// moves reports whether decision i moves something from or into staging.
func (a *applier) moves(i int) bool {
	d := &a.req.decisions[i]
	return a.staged(i) || d.Action == merge.Delete && d.Expect.Kind != core.KindDir
}

// staged reports whether decision i needs an entry in staging. A new directory
// or link is made in place, in one step.
func (a *applier) staged(i int) bool {
	d := &a.req.decisions[i]
	switch d.Action {
	case merge.Write:
		return d.Want.Kind == core.KindFile || d.Expect != nil && d.Expect.Kind != d.Want.Kind || d.Want.Kind == core.KindLink
	case merge.Copy, merge.Aside:
		return d.Want.Kind != core.KindDir
	}
	return false
}

// stageOne makes one new entry under a name in staging.
func (a *applier) stageOne(i int, name string, flush bool) error {
	d := &a.req.decisions[i]
	if err := a.fault("stage " + d.Path); err != nil {
		return err
	}
	switch d.Want.Kind {
	case core.KindDir:
		return a.staging(i).Mkdir(name, uint32(d.Want.Mode)|0o700)
	case core.KindLink:
		return a.staging(i).Symlink(d.Want.Target, name)
	}
	return a.stageFile(a.staging(i), d, name, flush)
}

// stageFile copies a body. A new file gets the sandbox's permissions, less what
// this process's umask takes away; one that replaces a file keeps that one's,
// but for the executable bit.
func (a *applier) stageFile(staging *tree.Dir, d *merge.Decision, name string, flush bool) (err error) {
	perm := uint32(d.Want.Mode)&0o777 | 0o600
	if d.Want.Mode&0o100 == 0 {
		perm &^= 0o111
	}
	f, err := staging.Create(name, perm)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	if d.Merged != nil {
		_, err = f.Write(d.Merged)
	} else {
		err = a.copyBody(f, d.Want.Digest)
	}
	if err != nil {
		return err
	}
	if mode, ok := a.keptMode(d); ok {
		if err := staging.Chmod(name, mode); err != nil {
			return err
		}
	}
	if flush {
		return f.Sync()
	}
	return nil
}

var errWrongBody = errors.New("the content is not what was planned any more")

func (a *applier) copyBody(w io.Writer, d core.Digest) error {
	body, err := a.req.bodies.Open(d)
	if err != nil {
		return err
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(io.MultiWriter(w, h), body, make([]byte, 64<<10)); err != nil {
		return err
	}
	if core.Digest(h.Sum(nil)) != d {
		return errWrongBody
	}
	return nil
}

// keptMode returns the permissions of the file that a write replaces.
func (a *applier) keptMode(d *merge.Decision) (uint32, bool) {
	if d.Action != merge.Write || d.Expect == nil || d.Expect.Kind != core.KindFile {
		return 0, false
	}
	dir := a.reach(core.Parent(d.Dest)).dir
	if dir == nil {
		return 0, false // the write itself reports it
	}
	info, err := dir.Lstat(core.Name(d.Dest))
	if err != nil || info.Kind != core.KindFile {
		return 0, false
	}
	return withExecutable(info.Mode, d.Want.Executable()), true
}

// withExecutable sets the executable bit for all who may read, or clears it.
func withExecutable(mode uint32, on bool) uint32 {
	if on == (mode&0o100 != 0) {
		return mode
	}
	if on {
		return mode | 0o100 | mode&0o444>>2
	}
	return mode &^ 0o111
}

// flushStaged flushes all that was staged. What can't be flushed where something is mounted does not
// come.
func (a *applier) flushStaged() error {
	const what = "the staged files can't be flushed"
	if err := a.flush("", a.home); err != nil {
		return ioError(what, "", err)
	}
	for path, v := range a.volumes {
		switch err := a.flush(path, v.dir); {
		case err == nil:
		case path == "": // the workspace's own
			return ioError(what, "", err)
		default:
			a.failIn(v.dir, err)
		}
	}
	return nil
}

func (a *applier) flush(path string, staging *tree.Dir) error {
	if err := a.fault("flush " + path); err != nil {
		return err
	}
	err := staging.SyncFS()
	if errors.Is(err, errors.ErrUnsupported) {
		err = syncEach(staging)
	}
	return err
}

// failIn gives up all that was made in a staging folder.
func (a *applier) failIn(staging *tree.Dir, err error) {
	for i := range a.results {
		if a.staged(i) && a.results[i].Status == 0 && a.staging(i) == staging {
			a.results[i] = failure(err)
		}
	}
}

func syncEach(staging *tree.Dir) error {
	names, err := staging.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		f, err := staging.OpenFile(n)
		if errors.Is(err, tree.ErrNotFile) {
			continue
		}
		if err == nil {
			err = f.Sync()
			f.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
