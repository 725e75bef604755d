package clienttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

func checkRun(e *env) error {
	if err := e.c.Run(e.ctx, "printf ok >"+plan.Quote(e.at("out")), 0); err != nil {
		return fmt.Errorf("calling Run: %w", err)
	}
	if err := e.holds("out", []byte("ok")); err != nil {
		return err
	}
	for _, status := range []int{1, 9, 75} {
		err := e.c.Run(e.ctx, fmt.Sprintf("exit %d", status), 0)
		if err == nil {
			return fmt.Errorf("calling Run returned no error for exit status %d", status)
		}
		var exit *hostgo.ExitError
		if !errors.As(err, &exit) || exit.Status != status {
			return fmt.Errorf("calling Run does not report exit status %d: %w", status, err)
		}
	}
	return nil
}

func checkQuoting(e *env) error {
	want := strings.Join(oddNames, "\x01")
	// A long command, though shorter than one argument may be.
	word := plan.Quote(want + strings.Repeat("x", 100_000))
	if err := e.c.Run(e.ctx, "printf %s "+word+" >"+plan.Quote(e.at("out")), 0); err != nil {
		return err
	}
	return e.holds("out", []byte(want+strings.Repeat("x", 100_000)))
}

func checkStderr(e *env) error {
	err := e.c.Run(e.ctx, "i=0; while [ $i -lt 3000 ]; do echo 'noise noise noise' >&2; i=$((i+1)); done; echo the-end >&2; exit 3", 0)
	if err == nil {
		return errors.New("calling Run returned no error")
	}
	if e := typed(err, core.CodeClient); e != nil {
		return e
	}
	if !strings.Contains(err.Error(), "the-end") {
		return fmt.Errorf("the end of stderr is not in the error: %w", err)
	}
	return nil
}

// longest is what a call that has to end at once may take on the busiest machine.
const longest = time.Minute

// checkTimeout has a child of a child hold everything open. It answers for a minute, as long
// as it lives.
func checkTimeout(e *env) error {
	answer := "i=0; while cd " + plan.Quote(e.root) + " && [ $i -lt 60 ]; do [ ! -e ping ] || mv ping pong; sleep 1; i=$((i+1)); done"
	start := time.Now()
	err := e.c.Run(e.ctx, "("+answer+") & sleep 120", time.Second)
	if err == nil {
		return errors.New("calling Run returned no error after its timeout")
	}
	if spent := time.Since(start); spent > longest {
		return fmt.Errorf("calling Run returned %s after a timeout of one second", spent)
	}
	if err := typed(err, core.CodeTimeout); err != nil {
		return err
	}
	for range 15 { // a busy machine may need more than one for the end of the child
		if err := errors.Join(e.write("ping", nil), e.c.Run(e.ctx, "sleep 3", 0)); err != nil {
			return err
		}
		if _, err := e.c.ReadFile(e.ctx, e.at("ping")); err == nil {
			return nil // nobody took it
		}
	}
	return errors.New("a child outlived the timeout")
}

func checkCancel(e *env) error {
	ctx, cancel := context.WithCancel(e.ctx)
	time.AfterFunc(200*time.Millisecond, cancel)
	start := time.Now()
	err := e.c.Run(ctx, "sleep 120", 0)
	if err == nil {
		return errors.New("calling Run returned no error after it was cancelled")
	}
	if spent := time.Since(start); spent > longest {
		return fmt.Errorf("calling Run returned %s after it was cancelled", spent)
	}
	return typed(err, core.CodeCancelled)
}

func checkDone(e *env) error {
	if err := e.write("kept", nil); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	for _, call := range []struct {
		name string
		err  error
	}{
		{"MakeDir", e.c.MakeDir(ctx, e.at("d"))},
		{"WriteFile", e.c.WriteFile(ctx, e.at("f"), []byte("x"))},
		{"ReadFile", second(e.c.ReadFile(ctx, e.at("kept")))},
		{"ListFiles", second(e.c.ListFiles(ctx, e.root))},
		{"Remove", e.c.Remove(ctx, e.at("kept"))},
		{"Run", e.c.Run(ctx, "touch "+plan.Quote(e.at("g")), 0)},
	} {
		if call.err == nil {
			return fmt.Errorf("calling %s with a context that is done returned no error", call.name)
		}
		if err := typed(call.err, core.CodeCancelled); err != nil {
			return err
		}
	}
	if _, err := e.c.ListFiles(e.ctx, e.at("d")); err == nil {
		return errors.New("calling MakeDir with a context that is done made a folder")
	}
	names, err := e.c.ListFiles(e.ctx, e.root)
	if err == nil && strings.Join(names, " ") != "kept" {
		err = fmt.Errorf("calls with a context that is done left %q", names)
	}
	return err
}

func checkConcurrency(e *env) error {
	if hostgo.CapabilitiesOf(e.c).NoConcurrency {
		return nil
	}
	errs := make([]error, 8)
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() {
			name, data := fmt.Sprint("c", i), pattern(10000+i)
			errs[i] = errors.Join(e.write(name, data), e.holds(name, data), e.c.Run(e.ctx, "true", 0))
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func checkIdentity(e *env) error {
	i, ok := e.c.(hostgo.Identified)
	if !ok {
		return nil // an optional promise
	}
	first, second := i.Identity(), i.Identity()
	if first == "" || first != second {
		return fmt.Errorf("the identity is %q, then %q", first, second)
	}
	return nil
}
