package hostgo

import (
	"errors"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// settle ends a run: it looks at every displaced version once more, because a
// program may have held it open (promise D12), and flushes the directories that
// changed.
func (a *applier) settle() error {
	defer a.leave()
	for _, o := range a.olds {
		if same, err := holds(a.staging(o.decision), o.name, o.expect); err != nil || !same {
			a.keepEdited(o.decision, o.name)
		}
	}
	a.settleCarried()
	if a.stuck != nil {
		return a.stuck
	}
	if err := a.fault("settled"); err != nil {
		return ioError("the run can't be completed", "", err)
	}
	if len(a.touched) > maxSingleSyncs {
		err := a.syncAll()
		if err == nil || !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	for path := range a.touched {
		dir, err := a.root.Walk(path)
		if err != nil {
			continue // it was removed since
		}
		err = dir.Sync()
		dir.Close()
		if err != nil {
			return ioError("a directory can't be flushed", path, err)
		}
	}
	return nil
}

// keepEdited keeps a displaced version to which somebody still wrote.
func (a *applier) keepEdited(i int, name string) {
	if res, err := a.displace(i, name); err == nil {
		a.results[i] = merge.Moved(merge.Slipped, res.Noted().Copy)
	}
}

// syncAll flushes each file system that changed.
func (a *applier) syncAll() error {
	for _, staging := range a.stagings() {
		if err := staging.SyncFS(); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the run's staging and its journal, and the folders around it
// where they are empty.
func (a *applier) drop() error {
	if err := a.dropVolumes(); err != nil {
		return err
	}
	a.close()
	if err := dropStaging(a.root, a.req.run); err != nil {
		return ioError("the staging folder can't be removed", core.RuntimeDir, err)
	}
	return removeJournal(a.req.stateDir)
}
