package clienttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
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

func checkExec(e *env) error {
	x, ok := e.c.(hostgo.Commander)
	if !ok {
		return nil // an optional promise
	}
	var out bytes.Buffer
	argv := append([]string{"sh", "-c", `cat; for a do printf '%s\001' "$a"; done; pwd; printf %s "$V"; exit 7`, "sh"}, oddNames...)
	exit, err := x.Exec(e.ctx, hostgo.ExecRequest{Dir: e.root, Argv: argv, Env: []string{"V=val"}, Stdin: strings.NewReader("in\n"), Stdout: &out})
	if err != nil || exit != 7 {
		return fmt.Errorf("calling Exec: exit %d, error %v; want 7 and none", exit, err)
	}
	want := "in\n" + strings.Join(oddNames, "\x01") + "\x01" + e.root + "\nval"
	if out.String() != want {
		return fmt.Errorf("calling Exec: the command saw %q, want %q", out.String(), want)
	}
	if err := errors.Join(checkLeftBehind(e, x), checkExecCancel(e, x)); err != nil {
		return err
	}
	for _, status := range []int{126, 127} {
		var stderr bytes.Buffer
		argv := []string{"sh", "-c", fmt.Sprint("echo >&2; echo why >&2; exit ", status)}
		if exit, err := x.Exec(e.ctx, hostgo.ExecRequest{Argv: argv, Stderr: &stderr}); err != nil || exit != status || stderr.String() != "\nwhy\n" {
			return fmt.Errorf("calling Exec of a command that exits %d: exit %d, error %v, stderr %q", status, exit, err, stderr.String())
		}
	}
	if exit, err := x.Exec(e.ctx, hostgo.ExecRequest{Argv: []string{"/no/such/program"}}); err == nil {
		return fmt.Errorf("calling Exec of a program that does not exist: exit %d and no error", exit)
	}
	return nil
}

// checkLeftBehind runs a command that leaves another one behind, which holds its output
// open.
func checkLeftBehind(e *env, x hostgo.Commander) error {
	for _, want := range []int{0, 5} {
		ctx, cancel := context.WithTimeout(e.ctx, longest)
		defer cancel()
		var out bytes.Buffer
		exit, err := x.Exec(ctx, hostgo.ExecRequest{Argv: []string{"sh", "-c", fmt.Sprint("sleep 120 & echo $!; exit ", want)}, Stdout: &out, Stderr: io.Discard})
		id, atoi := strconv.Atoi(strings.TrimSpace(out.String()))
		if err != nil || exit != want || atoi != nil {
			return fmt.Errorf("calling Exec of a command that leaves another behind: exit %d, error %v, output %q", exit, err, out.String())
		}
		if err := e.c.Run(e.ctx, fmt.Sprint("kill ", id), 0); err != nil {
			return err
		}
	}
	return nil
}

// checkExecCancel wants a command and its children killed with the context.
func checkExecCancel(e *env, x hostgo.Commander) error {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	ready := &cancelWriter{cancel}
	argv := []string{"sh", "-c", "n=0; while sleep 0.1 && [ $((n += 1)) -lt 600 ]; do echo x >>grows; done & echo ready; wait"}
	exit, err := x.Exec(ctx, hostgo.ExecRequest{Argv: argv, Dir: e.root, Stdout: ready, Stderr: io.Discard})
	if err == nil {
		return fmt.Errorf("calling Exec returned exit %d and no error after it was cancelled", exit)
	}
	if err := typed(err, core.CodeCancelled); err != nil {
		return err
	}
	for range 10 {
		// What ends the child may be on its way yet.
		if err = e.c.Run(e.ctx, "cd "+plan.Quote(e.root)+" && touch grows && cat grows >before && sleep 2 && test $(wc -c <before) -eq $(wc -c <grows)", 0); err == nil {
			return nil
		}
	}
	return fmt.Errorf("a child outlived the cancelled command: %w", err)
}

// cancelWriter cancels at the first write.
type cancelWriter struct{ cancel func() }

func (w *cancelWriter) Write(b []byte) (int, error) {
	w.cancel()
	return len(b), nil
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
