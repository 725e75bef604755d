package main

import (
	"errors"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// status says what a push and a pull would do now. It succeeds whatever they
// would end with.
func (a *app) status() error {
	f, err := a.parseSync()
	if err != nil {
		return err
	}
	ctx, cancel := a.context()
	defer cancel()
	box, err := openSandbox(ctx, f)
	if err != nil {
		return err
	}
	push, pull, err := hostgo.Preview(ctx, f.options(a, box))
	if err = errors.Join(err, box.release(a, f, true)); err != nil {
		return err
	}
	pull.ClientCalls = 0 // both were planned from one survey
	a.out.report(push, true)
	a.out.report(pull, true)
	a.out.exit, a.out.sum.Status = exitOK, string(plan.StatusOK)
	return nil
}
