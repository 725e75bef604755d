package hostgo

import (
	"context"

	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
)

// Preview says what a push and a pull would do now. It changes no file in
// either tree, but finishes what an interrupted run left.
func Preview(ctx context.Context, opts Options) (push, pull *Report, err error) {
	opts.DryRun = true
	if err := opts.checkAssets(); err != nil {
		return nil, nil, err
	}
	s, err := open(ctx, merge.Pull, opts)
	if err != nil {
		return nil, nil, err
	}
	push, err = s.preview(ctx)
	err = s.close(err)
	if push != nil {
		push.ClientCalls = s.report.ClientCalls
	}
	return push, s.report, err
}

// preview plans both ways from one survey.
func (s *session) preview(ctx context.Context) (*Report, error) {
	stage, cleanup, err := s.openStage()
	if err != nil {
		return nil, err
	}
	defer cleanup(false)
	contents := s.state.openContents()
	p, err := s.planPull(ctx, stage, contents)
	if err != nil {
		return nil, err
	}
	s.report.Report = plan.Summarise(p, nil)
	r := *s.request
	r.Op = merge.Push
	if p, err = plan.Next(&r); err != nil {
		return nil, err
	}
	return &Report{Report: plan.Summarise(p, nil)}, nil
}
