package main

import (
	"context"

	"github.com/paperclipai/syncplan/hostgo"
)

// push sends the workspace into the sandbox.
func (a *app) push() error {
	return a.inSandbox(func(ctx context.Context, opts hostgo.Options) error {
		r, err := hostgo.Push(ctx, opts)
		a.out.report(r, opts.DryRun)
		return err
	})
}
