package main

import (
	"errors"

	"github.com/paperclipai/syncplan/hostgo"
)

// push sends the workspace into the sandbox.
func (a *app) push() error {
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
	r, err := hostgo.Push(ctx, f.options(a, box))
	a.out.report(r, f.dryRun)
	return errors.Join(err, box.release(a, f, true))
}
