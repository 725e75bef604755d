package clienttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

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

// checkEnvironment wants a name of a variable to be nothing else, whatever it holds: it arrives, or is refused.
func checkEnvironment(e *env) error {
	x, ok := e.c.(hostgo.Commander)
	if !ok {
		return nil
	}
	for _, name := range []string{"", "A B", "A;touch planted;B", "$(touch planted)", "`touch planted`", "A\ntouch planted\nB", "-n", "A&touch planted&B", "1A", "É"} {
		_, err := x.Exec(e.ctx, hostgo.ExecRequest{Dir: e.root, Argv: []string{"true"}, Env: []string{name + "=x"}})
		if err != nil {
			err = typed(err, core.CodeInvalidRequest)
		}
		if err != nil {
			return fmt.Errorf("calling Exec with a variable %q: %w", name, err)
		}
	}
	if err := e.c.Run(e.ctx, "cd "+plan.Quote(e.root)+" && [ ! -e planted ]", 0); err != nil {
		return fmt.Errorf("the name of a variable was run as a command: %w", err)
	}
	return nil
}

// checkSignals wants what is sent to a command to reach its whole process group.
func checkSignals(e *env) error {
	x, ok := e.c.(hostgo.Commander)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(e.ctx, longest)
	defer cancel()
	signals := make(chan os.Signal, 1)
	out := &signalWriter{signals: signals}
	argv := []string{"sh", "-c", "trap 'wait; exit 5' TERM; (trap 'echo caught; exit' TERM; echo ready; while :; do sleep 0.05; done) & wait; wait"}
	exit, err := x.Exec(ctx, hostgo.ExecRequest{Argv: argv, Stdout: out, Stderr: io.Discard, Signals: signals})
	if err != nil || exit != 5 || out.out.String() != "ready\ncaught\n" {
		return fmt.Errorf("calling Exec of a command that gets a signal: exit %d, error %v, output %q", exit, err, out.out.String())
	}
	return nil
}

// signalWriter sends a signal, the only one, at the first write.
type signalWriter struct {
	out     strings.Builder
	signals chan os.Signal
}

func (w *signalWriter) Write(b []byte) (int, error) {
	if w.out.Len() == 0 {
		w.signals <- syscall.SIGTERM
		close(w.signals)
	}
	return w.out.Write(b)
}
