package main

import "github.com/paperclipai/syncplan/hostgo"

// pull brings home what changed in the sandbox.
func (a *app) pull() error {
	f, err := a.parseSync()
	if err != nil {
		return err
	}
	box, err := openSandbox(f)
	if err != nil {
		return err
	}
	ctx, cancel := a.context()
	defer cancel()
	r, err := hostgo.Pull(ctx, f.options(a, box))
	a.out.report(r, f.dryRun)
	return err
}
