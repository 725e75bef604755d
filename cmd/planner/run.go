package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// run pushes, runs a command in the sandbox's workspace, and pulls whatever the
// command's exit status is.
func (a *app) run() error {
	f, err := a.parseSync()
	if err != nil {
		return err
	}
	if len(f.command) == 0 {
		return usage("no command is named", runForm)
	}
	var box *sandbox
	if f.sandbox == "" {
		box, err = openThrowaway()
	} else {
		ctx, cancel := a.context()
		box, err = openSandbox(ctx, f)
		cancel()
	}
	if err != nil {
		return err
	}
	// Whoever reads the result may go away. A program that dies of that would leave the
	// command's work in the sandbox.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	home := true // until the command starts, nothing can be lost
	err = box.explain(a.runIn(f, box, &home))
	if e := box.release(a, f, home); err == nil {
		err = e
	}
	return err
}

func (a *app) runIn(f *syncFlags, box *sandbox, home *bool) error {
	commander, ok := box.client.(hostgo.Commander)
	if !ok {
		return usage("this kind of sandbox can't report a command's exit status", "use push and pull around the command")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	keys := newInterrupts(a, cancel)
	defer keys.stop()
	opts := f.options(a, box)
	r, err := hostgo.Push(ctx, opts)
	a.out.report(r, f.dryRun)
	if err != nil || f.dryRun || r.Status == plan.StatusRefused {
		return err
	}
	*home = false
	req := hostgo.ExecRequest{Dir: box.root, Argv: f.command, Stdin: a.stdin, Stdout: a.stdout, Stderr: a.stderr, Signals: keys.begin()}
	if a.out.json {
		req.Stdout = a.stderr
	}
	exit, execErr := commander.Exec(ctx, req)
	keys.end()
	if execErr == nil {
		a.out.sum.CommandExit = &exit
	}
	if ctx.Err() != nil && execErr != nil {
		return execErr
	}
	// A command that could not start changed nothing, but the sandbox may hold
	// earlier work.
	r, err = hostgo.Pull(ctx, opts)
	a.out.report(r, false)
	if err != nil {
		return errors.Join(execErr, err) // where a connection was lost, the first one says what to do
	}
	*home = r.Home()
	return execErr
}

// interrupts gives the first signal to a running command, and ends the run with
// any other.
type interrupts struct {
	mu      sync.Mutex
	command chan os.Signal // of the running command; nil if none runs
	given   bool
	done    chan struct{}
}

func newInterrupts(a *app, cancel context.CancelFunc) *interrupts {
	k := &interrupts{done: make(chan struct{})}
	go func() {
		for {
			select {
			case s := <-a.signals:
				if !k.give(s) {
					signal.Stop(a.signals) // as in app.context
					cancel()
				}
			case <-k.done:
				return
			}
		}
	}()
	return k
}

func (k *interrupts) give(s os.Signal) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.command == nil || k.given {
		return false
	}
	k.given = true
	k.command <- s
	return true
}

func (k *interrupts) begin() <-chan os.Signal {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.command = make(chan os.Signal, 1)
	return k.command
}

func (k *interrupts) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.command = nil
}

func (k *interrupts) stop() { close(k.done) }
