// Package clienttest checks that a sandbox client keeps the promises of
// [hostgo.Client], in the manner of testing/fstest. A client's own test calls
// [TestClient] in one line.
package clienttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo"
)

// TestClient runs every check on a fresh client, each in a subtest. newClient
// returns a client and an empty directory in its sandbox, absolute, and cleans
// up with t.Cleanup.
func TestClient(t *testing.T, newClient func(t testing.TB) (c hostgo.Client, root string)) {
	t.Helper()
	for _, k := range checks {
		t.Run(k.name, func(t *testing.T) {
			c, root := newClient(t)
			if err := k.run(&env{t.Context(), c, root}); err != nil {
				t.Error(err)
			}
		})
	}
}

// Check runs every check on one client, in the directory root of its sandbox,
// and returns what it found. It may take half a minute.
func Check(ctx context.Context, c hostgo.Client, root string) []error {
	var errs []error
	for i, k := range checks {
		e := &env{ctx, c, fmt.Sprintf("%s/check%d", root, i)}
		err := c.MakeDir(ctx, e.root)
		if err == nil {
			err = k.run(e)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k.name, err))
		}
	}
	return errs
}

type env struct {
	ctx  context.Context
	c    hostgo.Client
	root string
}

type check struct {
	name string
	run  func(*env) error
}

var checks = []check{
	{"bodies", checkBodies}, {"names", checkNames}, {"overwrite", checkOverwrite}, {"missing", checkMissing},
	{"special", checkSpecial}, {"make_dir", checkMakeDir}, {"list", checkList}, {"remove", checkRemove}, {"run", checkRun}, {"quoting", checkQuoting},
	{"stderr", checkStderr}, {"timeout", checkTimeout}, {"cancel", checkCancel}, {"done_context", checkDone},
	{"streams", checkStreams}, {"concurrency", checkConcurrency}, {"exec", checkExec}, {"exec_environment", checkEnvironment}, {"exec_signals", checkSignals}, {"identity", checkIdentity},
}

func (e *env) at(name string) string { return e.root + "/" + name }

func (e *env) write(name string, data []byte) error {
	if err := e.c.WriteFile(e.ctx, e.at(name), data); err != nil {
		return fmt.Errorf("calling WriteFile %q: %w", name, err)
	}
	return nil
}

func (e *env) holds(name string, want []byte) error {
	got, err := e.c.ReadFile(e.ctx, e.at(name))
	if err != nil {
		return fmt.Errorf("calling ReadFile %q: %w", name, err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("calling ReadFile %q: got %d bytes, want %d; they differ at byte %d", name, len(got), len(want), firstDifference(got, want))
	}
	return nil
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// pattern makes a body of every byte value, NUL and newline among them.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return data
}

// typed checks that an error is one of this project, of the code and length
// that it must have.
func typed(err error, code core.Code) error {
	var known *core.Error
	switch {
	case !errors.As(err, &known):
		return fmt.Errorf("the error is no *core.Error: %w", err)
	case known.Code != code:
		return fmt.Errorf("the error has code %s, want %s: %w", known.Code, code, err)
	case len(err.Error()) > core.MaxMessage:
		return fmt.Errorf("the error's text is %d bytes long, more than %d", len(err.Error()), core.MaxMessage)
	}
	return nil
}

func second[T any](_ T, err error) error { return err }
