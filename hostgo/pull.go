package hostgo

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// Pull brings home what changed in the sandbox and merges it into the
// workspace. Conflicts and problems are data in the report, not errors; a guard
// that refused is in the report's Guard.
func Pull(ctx context.Context, opts Options) (*Report, error) {
	s, err := open(ctx, merge.Pull, opts)
	if err != nil {
		return nil, err
	}
	err = s.close(s.pull(ctx))
	return s.report, err
}

func (s *session) pull(ctx context.Context) error {
	stage, cleanup, err := s.openStage()
	if err != nil {
		return err
	}
	done := false
	defer func() { cleanup(done) }()
	contents := s.state.openContents()
	p, err := s.planPull(ctx, stage, contents)
	if err != nil {
		return err
	}
	if s.opts.DryRun || p.Phase == plan.PhaseBlocked {
		s.report.Report = plan.Summarise(p, nil)
		return nil
	}
	s.enter(StageApply)
	s.request.Remote = nil // a tree that nothing asks for again, as is the workspace's once all is applied
	results, applyErr := apply(ctx, applyRequest{root: s.root, run: s.run, stateDir: s.state.dir, decisions: p.Decisions.List(),
		bodies: &bodies{stage: stage, root: s.root, local: &s.request.Local}})
	s.request.Local = core.Snapshot{}
	if results == nil && applyErr != nil {
		return applyErr
	}
	// Even after an error some decisions are done, and base takes those.
	s.report.Report = plan.Summarise(p, results)
	s.noteDisplaced()
	base, err := plan.Commit(s.request.Base, p, results)
	if err != nil {
		return err
	}
	if err := s.keepPulled(p, results, stage, contents, base); err != nil {
		return err
	}
	if err := s.keep(base, s.request.Base); err != nil {
		return err
	}
	done = applyErr == nil
	return applyErr
}

// planPull surveys the sandbox and asks the core until it knows what to do.
func (s *session) planPull(ctx context.Context, stage *stage, contents *contents) (*plan.Plan, error) {
	var err error
	s.request.Fetched = stage.Digests()
	if s.request.Remote, err = s.survey(ctx, stage); err != nil {
		return nil, err
	}
	p, err := plan.Next(s.request)
	if err == nil && p.Phase == plan.PhaseFetch {
		if err = s.fetch(ctx, p, stage); err != nil {
			return nil, err
		}
		p, err = plan.Next(s.request)
	}
	if err != nil || p.Phase != plan.PhaseContent {
		return p, err
	}
	s.request.Contents = s.gather(p.Needs, stage, contents)
	return plan.Next(s.request)
}

// gather answers the needs of text merges. Whatever can't be had, or is not the
// bytes that were asked for any more, is missing, and the merge a conflict.
func (s *session) gather(needs []merge.Need, stage *stage, contents *contents) []plan.Content {
	out := make([]plan.Content, 0, 3*len(needs))
	for _, n := range needs {
		out = append(out, answer(n.Base, contents.get(n.Base)))
		out = append(out, answer(n.Local, s.readLocal(n.Path, n.Local)))
		remote, err := stage.Bytes(n.Remote, merge.MaxTextMerge)
		if err != nil {
			remote = nil
		}
		out = append(out, answer(n.Remote, remote))
	}
	return out
}

func answer(d core.Digest, data []byte) plan.Content {
	return plan.Content{Digest: d, Data: data, Missing: data == nil}
}

// readLocal returns the content of a small workspace file if it still has the
// digest.
func (s *session) readLocal(path string, d core.Digest) []byte {
	f, err := openBelow(s.root, path)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, merge.MaxTextMerge+1))
	if err != nil || len(data) > merge.MaxTextMerge || core.Sum(string(data)) != d {
		return nil
	}
	if data == nil {
		data = []byte{}
	}
	return data
}

// openBelow opens a file of the workspace without following any link.
func openBelow(root, path string) (*tree.File, error) {
	top, err := tree.Open(root)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	return openIn(top, path)
}

// bodies finds a content in the stage, or in a workspace file that had it when
// it was scanned. Apply checks the digest of what it copies.
type bodies struct {
	stage *stage
	root  string
	local *core.Snapshot
	paths map[core.Digest]string
}

// Open implements what Apply asks for.
func (b *bodies) Open(d core.Digest) (io.ReadCloser, error) {
	if b.stage.Has(d) {
		return b.stage.Open(d)
	}
	if b.paths == nil {
		b.paths = map[core.Digest]string{}
		for e := range b.local.Entries.All() {
			if e.Kind == core.KindFile {
				b.paths[e.Digest] = e.Path
			}
		}
	}
	path, ok := b.paths[d]
	if !ok {
		return nil, &core.Error{Code: core.CodeCorrupt, Message: "it changed in the sandbox while the pull fetched it, so it did not come; pull again"}
	}
	return openBelow(b.root, path)
}

// keepPulled stores the contents that base now speaks of, for text merges to
// come.
func (s *session) keepPulled(p *plan.Plan, results []merge.Result, stage *stage, contents *contents, base *core.Base) error {
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		if i >= len(results) || results[i].Status == merge.Failed || !d.Advance || d.Base == nil || d.Base.Kind != core.KindFile {
			continue
		}
		data, err := stage.Bytes(d.Base.Digest, maxContent)
		if err != nil {
			if data = s.readLocal(d.Path, d.Base.Digest); data == nil {
				continue // too large, or not here: a later merge becomes a conflict
			}
		}
		if err := contents.add(d.Base.Digest, data); err != nil {
			return err
		}
	}
	return contents.close(base)
}

// openStage opens the folder for downloaded bodies. Those that a pull fetched
// before it was cut off are still there, and need not be fetched again; cleanup
// keeps them until a pull is done. A dry run has a folder of its own.
func (s *session) openStage() (stage *stage, cleanup func(done bool), err error) {
	if s.opts.DryRun {
		dir, err := os.MkdirTemp("", "syncplan-")
		if err != nil {
			e := ioError("no temporary folder can be made", "", err)
			if e.Code != core.CodeNoSpace {
				e.Hint = "set TMPDIR to a folder that exists and may be written"
			}
			return nil, nil, e
		}
		stage, err = newStage(dir)
		return stage, func(bool) { os.RemoveAll(dir) }, err
	}
	dir := filepath.Join(s.state.dir, "bodies")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, ioError("no folder for downloads can be made", dir, err)
	}
	stage, err = newStage(dir)
	return stage, func(done bool) {
		if done || len(stage.sizes) == 0 {
			os.RemoveAll(dir)
		}
	}, err
}

// noteDisplaced says in the report where displaced versions lie.
func (s *session) noteDisplaced() {
	rel := core.RuntimeDir + "/displaced/" + s.run
	if _, err := os.Lstat(filepath.Join(s.root, filepath.FromSlash(rel))); err == nil {
		s.report.Displaced = rel
	}
}
