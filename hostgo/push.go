package hostgo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
)

// maxPushTries bounds how often a push plans again because the sandbox changed
// between the survey and the apply step, or a repository here while it was sent.
// The last try relies on nothing that the sandbox told earlier, which it may have
// told wrong.
const maxPushTries = 3

// Push sends the workspace into the sandbox. What changed only there stays and
// comes home with the next pull.
func Push(ctx context.Context, opts Options) (*Report, error) {
	s, err := open(ctx, merge.Push, opts)
	if err != nil {
		return nil, err
	}
	err = s.close(s.push(ctx))
	return s.report, err
}

func (s *session) push(ctx context.Context) error {
	for try := 1; ; try++ {
		err := s.pushOnce(ctx)
		repo, again := stale(err)
		switch {
		case !again || try >= maxPushTries && repo == "":
			return err
		case try >= maxPushTries: // the rest need not wait for it
			s.noted = append(s.noted, core.Problem{Path: repo, Code: core.ProblemChanging, Detail: "the repository was used each time it was sent"})
		}
		if err := s.rescan(ctx, repo != ""); err != nil {
			return err
		}
		if s.request.Resume, err = s.state.sending(); err != nil {
			return err
		}
		s.request.Forget = s.request.Forget || try+1 == maxPushTries
		s.request.Remote, s.request.Look, s.request.Checked, s.run = nil, true, false, randomHex(8)
		s.request.Run = s.run
	}
}

// stale reports whether a push may succeed if it is planned again. repo is the repository
// here that was used meanwhile, "" where it was the sandbox that changed.
func stale(err error) (repo string, again bool) {
	var e *core.Error
	if !errors.As(err, &e) || e.Code != core.CodeStalePlan {
		return "", false
	}
	return e.Path, true
}

func (s *session) pushOnce(ctx context.Context) error {
	p, err := s.planPush(ctx)
	if err != nil {
		return err
	}
	if s.opts.DryRun || p.Phase != plan.PhaseApply {
		s.report.Report = plan.Summarise(p, nil)
		return nil
	}
	s.request.Remote = nil // a tree that nothing asks for again
	contents := s.state.openContents()
	u := &upload{session: s, plan: p, contents: contents, sent: plan.NewSent(p)}
	if s.first {
		if u.read, err = newCacheWriter(s.state.cachePath(), s.root, time.Now().UnixNano()); err != nil {
			return err
		}
		defer u.read.drop()
	}
	err = u.steps(ctx)
	u.ending.Wait()
	if err != nil {
		return err
	}
	if s.first {
		if err := u.read.close(); err != nil {
			return err
		}
	}
	if u.sent != nil { // nothing went on its way
		u.end()
	}
	if u.stuck != "" {
		u.hold()
	}
	if u.failed != nil {
		return u.failed
	}
	err = s.commit(p, u.base, contents)
	// Last, since a line for each file takes as much memory as base.
	s.report.Report = plan.Summarise(p, u.results)
	s.report.Problems = core.SortProblems(append(s.report.Problems, u.problems...))
	return err
}

// commit stores what a push ends with.
func (s *session) commit(p *plan.Plan, base *core.Base, contents *contents) error {
	if err := contents.close(base); err != nil {
		return err
	}
	loaded := s.request.Base
	if p.DropBase {
		loaded = nil // it is not stored any more
	}
	if err := s.keep(base, loaded); err != nil {
		return err
	}
	return s.state.sent()
}

func (s *session) planPush(ctx context.Context) (*plan.Plan, error) {
	if err := s.scanned(); err != nil {
		return nil, err
	}
	if err := s.proven(ctx); err != nil {
		return nil, err
	}
	p, err := plan.Next(s.request)
	if err != nil || p.Phase != plan.PhaseSurvey {
		return p, err
	}
	if s.request.Remote, err = s.survey(ctx, nil); err != nil {
		return nil, err
	}
	return plan.Next(s.request)
}

// upload carries out the steps of one push plan.
type upload struct {
	session  *session
	plan     *plan.Plan
	contents *contents
	sent     *plan.Sent
	problems []core.Problem // of assets, and of files that were sent while they changed
	read     *cacheWriter   // of a first push, what was read while it was sent

	// What the push ends with if all steps succeed, made while the sandbox applies.
	ending  sync.WaitGroup
	results []merge.Result
	base    *core.Base
	failed  error

	stuck string // what the sandbox could not change, see [plan.Stuck]
}

// end works out what the push ends with.
func (u *upload) end() {
	u.results = u.sent.Results(u.plan)
	u.sent = nil // all is said, and for many files it is large
	u.base, u.failed = plan.Commit(u.session.request.Base, u.plan, u.results)
}

// hold works it out anew where the sandbox could not change everything.
func (u *upload) hold() {
	plan.Hold(u.plan, u.results, u.stuck)
	u.base, u.failed = plan.Commit(u.session.request.Base, u.plan, u.results)
}

func (u *upload) steps(ctx context.Context) error {
	s := u.session
	for _, step := range u.plan.Steps {
		var err error
		switch step.Do {
		case plan.StepMakeDir:
			err = s.client.MakeDir(ctx, step.Path)
		case plan.StepUpload:
			err = u.send(ctx, step.Asset, func(r io.Reader) error { return s.writeParts(ctx, step.Path, r) })
		case plan.StepSend:
			err = u.ended(ctx, step, u.send(ctx, step.Asset, func(r io.Reader) error { return s.runStream(ctx, step.Command, r, nil) }))
		case plan.StepRun:
			s.enter(StageRemote)
			if u.plan.DropBase {
				if err = s.state.dropBase(); err != nil {
					return err
				}
			}
			err = u.ended(ctx, step, s.client.Run(ctx, step.Command, s.opts.Timeout))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// send makes the archive of the workspace, or of one asset, while take reads it.
func (u *upload) send(ctx context.Context, asset string, take func(io.Reader) error) error {
	s := u.session
	s.enter(StageSend)
	if err := u.noteSending(asset); err != nil {
		return err
	}
	pipe, start := newTimedPipe(), time.Now()
	made := make(chan error, 1)
	go func() {
		// A pipe hands over each write by itself, and an archive has many small ones.
		buffered := bufio.NewWriterSize(pipe, 64<<10)
		err := u.write(ctx, buffered, asset)
		if err == nil {
			err = buffered.Flush()
		}
		pipe.w.CloseWithError(err)
		s.report.work(WorkPack, time.Since(start)-pipe.writes.total())
		if err == nil && asset == "" {
			u.ending.Go(u.end)
		}
		made <- err
	}()
	err := take(pipe)
	pipe.r.CloseWithError(io.ErrClosedPipe)
	sent := time.Now()
	if at := pipe.end.Load(); at > 0 {
		sent = time.Unix(0, at)
		s.enterAt(StageRemote, sent)
	}
	s.report.work(WorkTransfer, sent.Sub(start)-pipe.reads.total())
	if e := <-made; e != nil && !errors.Is(e, io.ErrClosedPipe) {
		return e
	}
	if err == nil && pipe.end.Load() == 0 {
		// What unpacks an archive reads all of it: a client that says it ended well before that
		// knows nothing of its end.
		return &core.Error{Code: core.CodeClient, Message: "a command in the sandbox ended before it had all of its input"}
	}
	return err
}

// members yields what travels, with the index of its upload.
func (u *upload) members(yield func(int, member) bool) {
	uploads := u.plan.UploadReader()
	for i := range uploads.Len() {
		up := uploads.At(i)
		if up.From != "" {
			continue
		}
		e := *up.Decision.Want
		e.Path = up.Decision.Path
		if e.Kind == core.KindDir {
			e.Mode |= 0o700
		}
		if !yield(up.Number, member{Name: up.Name(), Entry: e}) {
			return
		}
	}
}

// write makes the archive of the workspace, or of one asset.
func (u *upload) write(ctx context.Context, w io.Writer, asset string) error {
	if asset != "" {
		problems, err := writeAsset(ctx, w, u.session, asset)
		u.problems = append(u.problems, problems...)
		return err
	}
	s := u.session
	m := &meter{session: s}
	a := newArchiveWriter(meteredWriter{w, m})
	a.Overwrite = s.opts.Dialect == plan.Classic
	err := a.AddAll(ctx, s.root, u.members, u.contents.add, func(i int, member *member, got sentMember) {
		u.note(i, member, got)
		m.over()
	})
	s.report.work(WorkHash, a.hashing.total())
	if err != nil {
		return err
	}
	if err := u.keepReused(); err != nil {
		return err
	}
	if err := u.contents.flush(); err != nil {
		return err
	}
	last, err := plan.Seal(s.request, u.plan, u.sent)
	if err != nil {
		return err
	}
	for _, m := range last {
		if err := a.AddBytes(m.Name, 0o600, m.Data); err != nil {
			return err
		}
	}
	return a.Close()
}

// note takes down what was sent of an upload.
func (u *upload) note(i int, m *member, got sentMember) {
	s, e := u.session, &m.Entry
	u.sent.Add(i, got.Digest, got.Size)
	if got.Problem != "" || got.Name != "" {
		u.sent.Note(plan.SentNote{Upload: i, Name: got.Name, Problem: got.Problem, Detail: got.Detail})
	}
	if got.Problem != "" && got.Digest.IsZero() {
		return
	}
	if got.Problem != "" { // sent all the same, so base speaks of what was sent
		u.problems = append(u.problems, core.Problem{Path: e.Path, Code: got.Problem, Detail: got.Detail})
	}
	if e.Kind != core.KindFile {
		return
	}
	s.report.UploadedFiles++
	if s.first && got.Problem == "" && got.settled && !keptInRepo(e.Path) {
		u.read.add(core.Parent(e.Path), core.Name(e.Path), got.info.Dev, stampOf(got.info), got.Digest)
	}
}

// keepReused stores the contents that did not travel because the sandbox had
// them, for text merges to come.
func (u *upload) keepReused() error {
	uploads := u.plan.UploadReader()
	for i := range uploads.Len() {
		up := uploads.At(i)
		d := up.Decision
		if up.From == "" || d.Want.Size > maxContent {
			continue
		}
		if kept, err := u.contents.has(d.Want.Digest); err != nil || kept {
			if err != nil {
				return err
			}
			continue
		}
		if data := u.session.readLocal(d.Path, d.Want.Digest); data != nil {
			if err := u.contents.add(d.Want.Digest, data); err != nil {
				return err
			}
		}
	}
	return nil
}

// ended tells what the end of a step's command means. What the workspace there did not let be changed
// is no error.
func (u *upload) ended(ctx context.Context, step plan.Step, err error) error {
	why := u.session.why(ctx, err)
	if step.Asset == "" && plan.Stuck(why) {
		u.stuck = why
		return nil
	}
	return explain(why, err)
}

// explain turns a failed command into what it means.
func explain(why string, err error) error {
	switch why {
	case "stale", "script":
		return &core.Error{Code: core.CodeStalePlan, Message: "the sandbox changed while the push was planned; nothing was changed there",
			Hint: "run it again"}
	case "busy":
		return &core.Error{Code: core.CodeBusy, Message: "another push is being applied in this sandbox",
			Hint: "wait for it to end and run it again"}
	}
	return err
}
