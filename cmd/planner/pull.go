package main

import (
	"context"

	"github.com/paperclipai/syncplan/hostgo"
)

// pull brings home what changed in the sandbox.
func (a *app) pull() error {
	return a.inSandbox(func(ctx context.Context, opts hostgo.Options) error {
		r, err := hostgo.Pull(ctx, opts)
		a.out.report(r, opts.DryRun)
		return err
	})
}
