package hostgo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
)

// session is one push, pull or preview of one workspace, from the lock to the
// stored base.
type session struct {
	opts    Options
	root    string // real path of the workspace
	state   *state
	client  Client
	counts  *counts
	run     string
	request *plan.Request
	report  *Report
	release func() error
	stage   string
	since   time.Time
	scan    chan scanResult // the scan of the workspace while it goes on; else nil
	proof   chan error      // of what the sandbox is taken to hold, while it goes on; else nil
	stop    context.CancelFunc
	mu      sync.Mutex // of Progress

	rules *core.Rules
	noted []core.Problem // of the workspace, beyond what a scan finds
	first bool           // a first push, whose files were not read yet
}

// open checks the options, takes the workspace's lock, finishes what a crashed
// run left, scans the workspace and loads base.
func open(ctx context.Context, op merge.Direction, opts Options) (*session, error) {
	s := &session{opts: opts, report: &Report{}}
	s.setDefaults()
	if err := s.resolve(); err != nil {
		return nil, err
	}
	s.client, s.counts = count(s.opts.Client)
	s.run = randomHex(8)
	if err := s.ask(op); err != nil {
		return nil, err
	}
	s.enter(StageLock)
	release, err := acquireLock(ctx, s.root, s.opts.Waiting)
	if err != nil {
		return nil, err
	}
	s.release = release
	if err := s.begin(ctx); err != nil {
		return nil, s.close(err)
	}
	return s, nil
}

// ask makes the request, so far as the options alone say what is in it.
func (s *session) ask(op merge.Direction) error {
	r := &plan.Request{Op: op, Run: s.run, Root: s.opts.Root, Adapter: s.opts.Adapter, Dialect: s.opts.Dialect,
		Marker: randomHex(16), Preview: s.opts.DryRun, Options: s.opts.Plan}
	s.request = r
	_, streams := s.client.(Streamer)
	switch {
	case s.opts.Dialect == plan.Classic: // bound to one file and its own calls
	case streams:
		r.Stream = true
	default:
		var err error
		if r.Part, err = partOf(s.client); err != nil {
			return err
		}
	}
	if op == merge.Push {
		if err := s.opts.checkAssets(); err != nil {
			return err
		}
	}
	for _, a := range s.opts.Assets {
		r.Assets = append(r.Assets, plan.Asset{Key: a.Key})
	}
	return r.Validate()
}

// resolve finds the real path of the workspace and refuses one that is unsafe.
func (s *session) resolve() error {
	real, err := realFolder("workspace", "", s.opts.Workspace)
	if err != nil {
		return err
	}
	s.root = real
	sandbox := ""
	if l, ok := s.opts.Client.(Local); ok {
		if sandbox, err = apart(real, l.LocalRoot()); err != nil {
			return err
		}
	}
	if s.opts.StateDir == "" {
		if s.opts.StateDir, err = DefaultStateDir(); err != nil {
			return err
		}
	}
	s.state, err = openState(s.opts.StateDir, real, sandbox, s.opts.Identity, s.opts.Adapter)
	return err
}

func (s *session) begin(ctx context.Context) error {
	recovered, err := recoverWorkspace(ctx, s.root, s.state.dir)
	if err != nil {
		return err
	}
	if s.opts.Gitignore {
		if s.request.Options.Ignores, err = GitignoreFiles(ctx, s.root); err != nil {
			return err
		}
	}
	rules, err := s.request.Options.Rules()
	if err != nil {
		return err
	}
	s.request.Options.Facts = fileSystemFacts(s.root)
	if s.request.Op == merge.Push && !s.opts.DryRun {
		if s.request.Resume, err = s.state.sending(); err != nil {
			return err
		}
	}
	if s.first, err = s.firstPush(); err != nil {
		return err
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.rules, s.noted = rules, recovered.Problems
	scan, base := make(chan scanResult, 1), make(chan core.Tree, 1)
	s.scan = scan
	go func() {
		if s.looksMeanwhile() {
			time.Sleep(headStart)
		}
		scan <- s.scanWorkspace(ctx, func() core.Tree { return <-base })
	}()
	s.enter(StageBase)
	s.request.Base, err = s.state.loadBase()
	if s.request.Base != nil {
		base <- s.request.Base.Entries
	}
	close(base)
	if err != nil || s.request.Op != merge.Push {
		return err
	}
	return s.prove(ctx)
}

// prove has a near sandbox look whether it is as it was seen, if the plan has a step
// for that, while the workspace is scanned.
func (s *session) prove(ctx context.Context) error {
	if CapabilitiesOf(s.client).Far {
		return nil
	}
	q := *s.request
	q.Early = true
	p, err := plan.Next(&q)
	if err != nil || len(p.Steps) == 0 {
		return err
	}
	proof := make(chan error, 1)
	s.proof = proof
	go func() { proof <- s.client.Run(ctx, p.Steps[0].Command, s.opts.Timeout) }()
	return nil
}

// proven waits for the proof. That the sandbox changed is no error: it has to be
// looked at.
func (s *session) proven(ctx context.Context) error {
	if s.proof == nil {
		return nil
	}
	s.enter(StageRemote)
	err := <-s.proof
	err = explain(s.why(ctx, err), err)
	s.proof = nil
	s.request.Checked, s.request.Look = err == nil, errors.Is(err, core.CodeStalePlan)
	if s.request.Look {
		return nil
	}
	return err
}

type scanResult struct {
	*Scanned
	err error
}

// scanWorkspace reads the workspace while the sandbox is looked at. It changes
// nothing of the session: the request is in use meanwhile. base returns the tree
// that most of the workspace is like.
func (s *session) scanWorkspace(ctx context.Context, base func() core.Tree) scanResult {
	scanned, err := Scan(ctx, s.root, ScanOptions{Rules: s.rules, Workers: s.scanWorkers(), noDigests: s.first, like: base,
		cache: s.state.loadCache(s.root), nextCache: s.state.cachePath(),
		Progress: func(files int, bytes int64) { s.show(StageScan, files, bytes) }})
	return scanResult{scanned, err}
}

// headStart is how long a near sandbox takes to start its tools. A scan that goes on
// while they start gets the same processor as one of them, which then waits, since the
// system does not look for a better place while they run.
const headStart = 4 * time.Millisecond

// looksMeanwhile reports whether a near sandbox is looked at while the workspace is
// scanned.
func (s *session) looksMeanwhile() bool { return !s.first && !CapabilitiesOf(s.client).Far }

// scanWorkers leaves a processor to a near sandbox that is looked at meanwhile: that
// takes longer.
func (s *session) scanWorkers() int {
	if !s.looksMeanwhile() {
		return 0
	}
	return max(1, min(runtime.GOMAXPROCS(0)-1, 8))
}

// take puts a scan into the request.
func (s *session) take(r scanResult) error {
	if r.err != nil {
		return r.err
	}
	s.report.work(WorkHash, r.Hashing)
	s.request.Local, s.request.LocalRepos = r.Snapshot, r.Repos
	s.request.Local.Problems = core.SortProblems(append(s.request.Local.Problems, s.noted...))
	return nil
}

// firstPush reports whether a push has nothing to compare with, so that it need
// not read files before it sends them. One in classic compares with nothing.
func (s *session) firstPush() (bool, error) {
	if s.request.Op != merge.Push || s.opts.DryRun {
		return false, nil
	}
	if s.opts.Dialect == plan.Classic {
		return true, nil
	}
	if len(s.request.Resume) > 0 {
		return false, nil // what arrived is known by its digest
	}
	return s.state.hasNoBase()
}

// rescan reads the workspace again where it changed, or was read without digests.
func (s *session) rescan(ctx context.Context, changed bool) error {
	if !s.first && !changed {
		return nil
	}
	s.first = false
	s.enter(StageScan)
	return s.take(s.scanWorkspace(ctx, nil)) // it had no base
}

// scanned waits for the scan of the workspace.
func (s *session) scanned() error {
	if s.scan == nil {
		return nil
	}
	s.enter(StageScan)
	r := <-s.scan
	s.scan = nil
	return s.take(r)
}

// keep stores the base that a sync ends with, unless it is the one that was
// loaded. The request is not needed any more: with it a large tree would be in
// memory four times while it is written.
func (s *session) keep(base, loaded *core.Base) error {
	if loaded != nil && base.Same(loaded) {
		return nil
	}
	s.request = nil
	return s.state.saveBase(base)
}

// close releases the lock and completes the report. It returns err, or the
// error of releasing.
func (s *session) close(err error) error {
	if s.stop != nil {
		s.stop()
	}
	if s.scan != nil {
		<-s.scan // of a sync that failed already
	}
	if s.proof != nil {
		<-s.proof
	}
	s.enter("")
	if s.counts != nil {
		s.report.ClientCalls = s.counts.calls.Load()
		s.report.UploadedBytes, s.report.DownloadedBytes = s.counts.sent.Load(), s.counts.received.Load()
	}
	if s.release != nil {
		if e := s.release(); err == nil {
			err = e
		}
	}
	return err
}

// randomHex returns 2n hexadecimal digits.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}
