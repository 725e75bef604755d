package main

import (
	"context"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// status says what a push and a pull would do now. It succeeds whatever they
// would end with.
func (a *app) status() error {
	return a.inSandbox(func(ctx context.Context, opts hostgo.Options) error {
		push, pull, err := hostgo.Preview(ctx, opts)
		if err != nil {
			return err
		}
		pull.ClientCalls = 0 // both were planned from one survey
		a.out.report(push, true)
		a.out.report(pull, true)
		a.out.exit, a.out.sum.Status = exitOK, string(plan.StatusOK)
		return nil
	})
}
