package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/tetratelabs/wazero"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/internal/golden"
	"github.com/paperclipai/syncplan/internal/wasmhost"
)

type conformanceFlags struct {
	program string
	wasm    string
	update  bool
}

func (f *conformanceFlags) define(set *flag.FlagSet) {
	set.StringVar(&f.program, "cmd", "", "")
	set.StringVar(&f.wasm, "wasm", "", "")
	set.BoolVar(&f.update, "update", false, "")
}

// conformance runs the golden vectors against this binary's core, against the
// WebAssembly module, or against any program that answers one call on its stdin
// with one response on stdout.
func (a *app) conformance() error {
	set := flag.NewFlagSet("conformance", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	var f conformanceFlags
	f.define(set)
	rest, err := parseMixed(set, a.args, "conformance")
	if err != nil {
		return err
	}
	if len(rest) > 1 || f.update && f.program+f.wasm != "" || f.program != "" && f.wasm != "" {
		return usage("name one folder at most, and only one of --update, --cmd and --wasm", "write it as: planner conformance [--cmd CMD | --wasm FILE] [DIR]")
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
		return &core.Error{Code: core.CodeInvalidRequest, Path: folder, Message: "the vectors can't be read", Err: err,
			Hint: "name the folder that holds them: planner conformance testdata/golden"}
	}
	if len(vectors) == 0 {
		return &core.Error{Code: core.CodeInvalidRequest, Path: folder, Message: "there are no vectors",
			Hint: "name the folder: planner conformance testdata/golden"}
	}
	answer, done, err := f.implementation(ctx)
	if err != nil {
		return err
	}
	defer done()
	failures := golden.Run(vectors, answer)
	for _, f := range failures {
		a.out.write(a.stdout, fmt.Sprintf("FAIL %s: %s\n  harm: %s\n", f.Name, f.Why, f.Harm))
	}
	a.out.write(a.stdout, fmt.Sprintf("%d of %d vectors hold\n", len(vectors)-len(failures), len(vectors)))
	if len(failures) > 0 {
		a.out.exit = exitError
	}
	return nil
}

// implementation returns what answers a call: this binary, a program, or a module, which
// is let go with done.
func (f *conformanceFlags) implementation(ctx context.Context) (answer func([]byte) ([]byte, error), done func(), err error) {
	done = func() {}
	switch {
	case f.program != "":
		answer = func(call []byte) ([]byte, error) { return ask(ctx, f.program, call) }
	case f.wasm != "":
		var module *wasmhost.Instance
		module, done, err = loadModule(ctx, f.wasm)
		answer = func(call []byte) ([]byte, error) { return module.Call(ctx, call) }
	default:
		answer = callCore
	}
	return answer, done, err
}

func callCore(call []byte) ([]byte, error) { return plan.Call(call), nil }

// loadModule reads and starts a WebAssembly module.
func loadModule(ctx context.Context, file string) (i *wasmhost.Instance, close func(), err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, &core.Error{Code: core.CodeIO, Path: file, Message: "the module can't be read", Err: err}
	}
	fault := func(err error) error {
		return &core.Error{Code: core.CodeUnsupported, Path: file, Message: "the file is no planner of this version", Err: err,
			Hint: "build it with: make wasm"}
	}
	module, err := wasmhost.Compile(ctx, data)
	if err != nil {
		return nil, nil, fault(err)
	}
	close = func() { _ = module.Close(ctx) } // it holds memory alone
	if i, err = module.Start(ctx, wazero.NewModuleConfig().WithRandSource(rand.Reader)); err != nil {
		close()
		return nil, nil, fault(err)
	}
	return i, close, nil
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
		return &core.Error{Code: core.CodeInvalidRequest, Path: folder, Message: "the folder has changes that are not committed",
			Hint: "commit the hand-written vectors first"}
	}
	if err := golden.Update(folder, callCore); err != nil {
		return &core.Error{Code: core.CodeInvalidRequest, Path: folder, Message: "the vectors can't be updated", Err: err}
	}
	return nil
}
