package hostgo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// bodySource finds the content with a digest. What it hands out is checked against
// the digest as it is copied.
type bodySource interface {
	Open(d core.Digest) (io.ReadCloser, error)
}

// applyRequest is what one run changes in the workspace.
type applyRequest struct {
	root      string           // real path of the workspace
	run       string           // names the run's folders; see plan.Request
	stateDir  string           // where the journal lies
	decisions []merge.Decision // of a plan, in its order
	bodies    bodySource       // what the decisions write
	// noExchange takes the road of file systems that can't exchange two names.
	noExchange bool
	// fault is called at each point at which a run may be killed or fail, for
	// tests: an error is taken for one of the file system, a panic for a crash.
	fault func(point string) error
	// crosses is asked whether a rename leads to another file system, for tests.
	crosses func(from, to *tree.Dir) bool
}

// applier carries out one request. Staged entries are called n<i> after the
// index of their decision, versions moved out of the way o<i>.
type applier struct {
	ctx     context.Context
	req     *applyRequest
	root    *tree.Dir
	home    *tree.Dir          // staging of the workspace's own file system
	volumes map[string]*volume // those of others, by their paths
	way     []*level           // while staging goes on
	journal *journal
	results []merge.Result
	olds    []old
	carried []carried
	stuck   error     // a version in staging that could not be moved to where it belongs
	parent  *tree.Dir // of the last path
	at      string
	filled  *tree.Dir // a directory in staging that is filled before it comes to a path, see fill
	fills   string    // that path
	touched map[string]bool
}

// old is a version that was taken from its path and is dropped when the run
// ends, unless somebody still wrote to it.
type old struct {
	decision int
	name     string // in staging
	expect   *core.Entry
}

// apply makes the decided changes in the workspace. At every instant each path
// is old or new (promise D11); what it displaces is checked to be what the plan
// saw, and an edit that slipped in is kept (promises D12, D16). It returns one
// result a decision. A nil list with an error means that nothing was changed.
func apply(ctx context.Context, req applyRequest) ([]merge.Result, error) {
	a := &applier{ctx: ctx, req: &req, journal: &journal{Run: req.run}, results: make([]merge.Result, len(req.decisions)),
		volumes: map[string]*volume{}, touched: map[string]bool{}}
	if !a.changes() {
		for i := range a.results {
			a.results[i].Status = merge.Done
		}
		return a.results, nil
	}
	var err error
	if a.root, err = tree.Open(req.root); err != nil {
		return nil, ioError("the workspace can't be opened", req.root, err)
	}
	defer a.root.Close()
	defer a.close()
	if err := a.prepare(); err != nil {
		return nil, errors.Join(err, a.drop())
	}
	a.changeAll()
	if err := a.settle(); err != nil {
		// The journal stays, and the next run completes what is left.
		return a.results, err
	}
	return a.results, a.drop()
}

// changes reports whether anything is to be done on disk.
func (a *applier) changes() bool {
	for i := range a.req.decisions {
		if a.req.decisions[i].Action != merge.Keep {
			return true
		}
	}
	return false
}

// prepare stages all new entries, flushes them and writes the journal, before
// the first change.
func (a *applier) prepare() error {
	if err := writeJournal(a.req.stateDir, a.journal); err != nil {
		return err
	}
	rt, err := a.runtimeDir("staging")
	if err != nil {
		return err
	}
	defer rt.Close()
	if err := rt.Mkdir(a.req.run, 0o700); err != nil {
		return ioError("the staging folder can't be made", core.RuntimeDir, err)
	}
	if a.home, err = rt.OpenDir(a.req.run); err != nil {
		return ioError("the staging folder can't be opened", core.RuntimeDir, err)
	}
	if err := a.stageAll(); err != nil {
		return err
	}
	if err := a.fault("staged"); err != nil {
		return ioError("staging failed", "", err)
	}
	a.journal.record(a.req.decisions)
	if err := writeJournal(a.req.stateDir, a.journal); err != nil {
		return err
	}
	return a.fault("journal")
}

// runtimeDir opens .paperclip-runtime/<name> of the workspace, made if missing.
func (a *applier) runtimeDir(name string) (*tree.Dir, error) {
	return makeDirs(a.root, core.RuntimeDir+"/"+name)
}

// makeDirs opens a directory below d, making what is missing, for the owner
// alone.
func makeDirs(d *tree.Dir, path string) (*tree.Dir, error) {
	parent, err := d.Walk("")
	if err != nil {
		return nil, ioError("a folder can't be opened", path, err)
	}
	for _, name := range segments(path) {
		if err := parent.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			parent.Close()
			return nil, ioError("a folder can't be made", path, err)
		}
		next, err := parent.OpenDir(name)
		parent.Close()
		if err != nil {
			return nil, ioError("a folder can't be opened", path, err)
		}
		parent = next
	}
	return parent, nil
}

func (a *applier) fault(point string) error {
	if a.req.fault == nil {
		return nil
	}
	return a.req.fault(point)
}

// changeAll makes the changes: deletes deepest first, writes in path order, then
// the rest. It goes on after a failure, which concerns one path.
func (a *applier) changeAll() {
	list := a.req.decisions
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Action == merge.Delete {
			a.change(i, a.delete)
		}
	}
	for i := 0; i < len(list); i++ {
		if list[i].Action == merge.Write {
			below := a.fill(i)
			a.change(i, a.write)
			i += a.settleBelow(i, below)
		}
	}
	for i := range list {
		switch list[i].Action {
		case merge.Chmod:
			a.change(i, a.chmod)
		case merge.Copy:
			a.change(i, a.copy)
		case merge.Aside:
			a.change(i, a.aside)
		case merge.Keep:
			a.results[i].Status = merge.Done
		}
	}
}

// change carries out one decision that was staged, unless the run was stopped.
func (a *applier) change(i int, run func(int) (merge.Result, error)) {
	if a.results[i].Status != 0 {
		return // could not be staged
	}
	if a.ctx.Err() != nil {
		a.results[i] = merge.Failure(core.ProblemWriteFailed, "not reached: the run was stopped")
		return
	}
	res, err := run(i)
	if err == nil {
		err = a.fault("after " + strconv.Itoa(i))
	}
	if err != nil {
		res = failure(err)
	}
	if kept := a.results[i].Noted().Copy; kept != "" { // a version that could not be put back
		note := res.Noted()
		note.Copy = kept
		res.Note = &note
	}
	a.results[i] = res
}

func failure(err error) merge.Result {
	r := merge.Failure(core.ProblemWriteFailed, reason(err))
	if errors.Is(err, errNotEmpty) {
		r.Note.Code = core.ProblemNotEmpty
	}
	if errors.Is(err, tree.ErrNotDir) {
		r.Note.Detail = "the directory that holds it is a link or a file"
	}
	if errors.Is(err, syscall.EBUSY) {
		r.Note.Detail = "another file system is mounted there, so it can be neither removed nor replaced"
	}
	if errors.Is(err, syscall.EXDEV) {
		r.Note.Detail = "the system moves nothing there from elsewhere, as into an encrypted directory; exclude it, or sync it as a workspace of its own"
	}
	return r
}

// enter opens the directory that holds a path, component by component.
func (a *applier) enter(path string) (*tree.Dir, string, error) {
	dir := core.Parent(path)
	if a.parent == nil || a.at != dir {
		a.leave()
		from, way := a.root, dir
		if rest, ok := strings.CutPrefix(dir+"/", a.fills+"/"); ok && a.filled != nil {
			from, way = a.filled, strings.TrimSuffix(rest, "/")
		}
		d, err := from.Walk(way)
		if err != nil {
			return nil, "", err
		}
		a.parent, a.at = d, dir
	}
	a.touched[dir] = true
	return a.parent, core.Name(path), nil
}

func (a *applier) leave() {
	if a.parent != nil {
		a.parent.Close()
		a.parent = nil
	}
}

// close lets go of what the run holds open below the workspace.
func (a *applier) close() {
	a.leave()
	a.goBack()
	for path, v := range a.volumes {
		v.close()
		delete(a.volumes, path)
	}
	if a.home != nil {
		a.home.Close()
		a.home = nil
	}
}

func segments(path string) []string {
	var out []string
	for path != "" {
		out = append([]string{core.Name(path)}, out...)
		path = core.Parent(path)
	}
	return out
}

func stagedName(i int) string { return "n" + strconv.Itoa(i) }
func movedName(i int) string  { return "o" + strconv.Itoa(i) }

// carriedName is that of a copy in the making.
func carriedName(name string) string { return "c" + name }
