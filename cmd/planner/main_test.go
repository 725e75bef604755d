//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/internal/wasmhost"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"planner": main})
}

// TestScripts runs testdata/script. Besides the usual commands they have
//
//	exits N PROGRAM [ARG...]    run it and require exit status N
//	summary KEY=JSON...         require that stdout is --json output with these values
//	tree DIR [NAME...]          require that DIR holds just these files
func TestScripts(t *testing.T) {
	wasm := filepath.Join(t.TempDir(), "planner.wasm")
	data, err := wasmhost.Build("../..")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(wasm, data, 0o644))
	if signal.Ignored(os.Interrupt) { // as behind an &: what is started here would ignore it, too
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
		t.Cleanup(func() { signal.Ignore(os.Interrupt) })
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			top, err := filepath.EvalSymlinks(env.WorkDir)
			if err != nil {
				return err
			}
			env.Setenv("TOP", top)
			env.Setenv("PLANNER_WASM", wasm)
			env.Setenv("XDG_STATE_HOME", filepath.Join(top, ".state"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "summary": summaryHas, "tree": tree},
	})
}

// TestSummaryListsEachConflictOnce joins what a push and a pull say of one path, but no two copies of it.
func TestSummaryListsEachConflictOnce(t *testing.T) {
	o := newOutput(&app{}, false)
	for _, copied := range []string{"", "a.1", "a.1", "a.2", ""} {
		o.sum.addConflict(conflictOut{"a", "set_aside", nil, orNull(copied)})
	}
	var copies []string
	for _, c := range o.sum.Conflicts {
		copies = append(copies, *c.Copy)
	}
	require.Equal(t, []string{"a.1", "a.2"}, copies)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
	if strings.Contains(ts.ReadFile("stderr"), "goroutine ") { // a panic ends with the status of wrong usage
		ts.Fatalf("it crashed")
	}
}

// summaryKeys are the fields of a summary, without command_exit, which only run
// has, waived, which only the classic dialect has, and lacks, which tells of fallbacks.
var summaryKeys = []string{"type", "status", "exit", "uploaded_files", "uploaded_bytes", "downloaded_files", "downloaded_bytes",
	"client_calls", "local_writes", "local_deletes", "conflicts", "problems", "flagged", "guard", "error", "duration_ms"}

func summaryHas(ts *testscript.TestScript, neg bool, args []string) {
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\n"), "\n")
	var first, last map[string]json.RawMessage
	for i, line := range lines {
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("line %d is no JSON object: %v", i+1, err)
		}
		if i == 0 {
			first = object
		}
		last = object
	}
	if string(first["type"]) != `"version"` || string(last["type"]) != `"summary"` {
		ts.Fatalf("the first line is not of type version, or the last not of type summary")
	}
	for _, k := range summaryKeys {
		if last[k] == nil {
			ts.Fatalf("the summary lacks %s", k)
		}
	}
	n := len(summaryKeys)
	for _, k := range []string{"command_exit", "waived", "lacks"} {
		if last[k] != nil {
			n++
		}
	}
	if len(last) != n {
		ts.Fatalf("the summary has %d fields", len(last))
	}
	for _, arg := range args {
		key, want, _ := strings.Cut(arg, "=")
		if got := string(last[key]); got != want {
			ts.Fatalf("%s is %s, want %s", key, got, want)
		}
	}
}

// leftForNextRun holds for the script and the listing that a sandbox keeps.
func leftForNextRun(rel string) bool {
	rest, ok := strings.CutPrefix(rel, ".paperclip-runtime/planner/")
	return ok && (strings.HasPrefix(rest, "seen-") || strings.HasPrefix(rest, "script-") || rest == "sums")
}

func tree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: tree DIR [NAME...]")
	}
	root := ts.MkAbs(args[0])
	var got bytes.Buffer
	ts.Check(filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, p) // p lies below root
		if err == nil && !d.IsDir() && !leftForNextRun(rel) {
			got.WriteString(rel + "\n")
		}
		return err
	}))
	want := strings.Join(append(args[1:], ""), "\n")
	if got.String() != want {
		ts.Fatalf("%s holds\n%swant\n%s", args[0], got.String(), want)
	}
}
