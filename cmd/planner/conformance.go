package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/internal/golden"
)

type conformanceFlags struct {
	program string
	update  bool
}

func (f *conformanceFlags) define(set *flag.FlagSet) {
	set.StringVar(&f.program, "cmd", "", "")
	set.BoolVar(&f.update, "update", false, "")
}

// conformance runs the golden vectors against this binary's core, or against
// any program that answers one call on its stdin with one response on stdout.
func (a *app) conformance() error {
	set := flag.NewFlagSet("conformance", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	var f conformanceFlags
	f.define(set)
	rest, err := parseMixed(set, a.args, "conformance")
	if err != nil {
		return err
	}
	if len(rest) > 1 || f.update && f.program != "" {
		return usage("name one folder at most, and -update without --cmd", "write it as: planner conformance [--cmd CMD] [DIR]")
	}
	folder := "testdata/golden"
	if len(rest) == 1 {
		folder = rest[0]
	}
	ctx, cancel := a.context()
	defer cancel()
	if f.update {
		return updateVectors(ctx, folder)
	}
	vectors, err := golden.Load(os.DirFS(folder))
	if err != nil {
		return &core.Error{Code: core.CodeInvalidRequest, Path: folder, Message: "the vectors can't be read", Err: err}
	}
	if len(vectors) == 0 {
		return &core.Error{Code: core.CodeInvalidRequest, Path: folder, Message: "there are no vectors", Hint: "name the folder: planner conformance testdata/golden"}
	}
	impl := func(call []byte) ([]byte, error) { return plan.Call(call), nil }
	if f.program != "" {
		impl = func(call []byte) ([]byte, error) { return ask(ctx, f.program, call) }
	}
	failures := golden.Run(vectors, impl)
	for _, f := range failures {
		a.out.write(a.stdout, fmt.Sprintf("FAIL %s: %s\n  harm: %s\n", f.Name, f.Why, f.Harm))
	}
	a.out.write(a.stdout, fmt.Sprintf("%d of %d vectors hold\n", len(vectors)-len(failures), len(vectors)))
	if len(failures) > 0 {
		a.out.exit = exitError
	}
	return nil
}

// ask gives one call to a program. Its exit status does not count: an error is
// a response too.
func ask(ctx context.Context, program string, call []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", program)
	cmd.Stdin = bytes.NewReader(call)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(out) > 0 {
		err = nil
	}
	return out, err
}

// updateVectors writes down what this binary answers. On a dirty tree it would
// mix with hand-written changes that nobody has looked at yet.
func updateVectors(ctx context.Context, folder string) error {
	cmd := exec.CommandContext(ctx, "git", "status", "--porcelain", "--", ".")
	cmd.Dir = folder
	out, err := cmd.Output()
	if err != nil {
		return &core.Error{Code: core.CodeUnsupported, Path: folder, Message: "git can't say whether the vectors are committed", Err: err}
	}
	if dirty := strings.TrimSpace(string(out)); dirty != "" {
		return &core.Error{Code: core.CodeInvalidRequest, Path: folder, Message: "the folder has changes that are not committed", Hint: "commit the hand-written vectors first"}
	}
	if err := golden.Update(folder, func(call []byte) ([]byte, error) { return plan.Call(call), nil }); err != nil {
		return &core.Error{Code: core.CodeInvalidRequest, Path: folder, Message: "the vectors can't be updated", Err: err}
	}
	return nil
}
