package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

func outputTo(stdout, stderr io.Writer, asJSON bool) *output {
	a := &app{stdout: stdout, stderr: stderr}
	a.out = newOutput(a, asJSON)
	return a.out
}

// What steers a terminal is an escape of JSON's, which changes no value (promise S8).
func TestS8_JSONSteersNoTerminal(t *testing.T) {
	name := "a\x1b[31m\u202e\u2028\uffff\U000e0041\U0001f600é\"\\<"
	data, err := json.Marshal(name)
	require.NoError(t, err)
	shown := visible(string(data))
	require.Equal(t, core.DisplayText(shown), shown)
	require.Contains(t, shown, "\U0001f600é")
	var got string
	require.NoError(t, json.Unmarshal([]byte(shown), &got))
	require.Equal(t, name, got)
}

// A run's summary is that of its push and its pull: what both say is there once, and the
// status that asks most of a person stands.
func TestSummaryOfAPushAndAPull(t *testing.T) {
	guard, copied := "mass_delete", "a.1"
	push := &hostgo.Report{Report: &plan.Report{Op: merge.Push, Status: plan.StatusPartial, Writes: 7, Deletes: 8, Flagged: []string{"f"}, Lacks: []string{"D5"},
		Problems: []core.Problem{{Path: "p", Code: core.ProblemUnreadable, Detail: "d"}}}, UploadedFiles: 1, UploadedBytes: 2, DownloadedFiles: 3, DownloadedBytes: 4, ClientCalls: 5}
	pull := &hostgo.Report{Report: &plan.Report{Op: merge.Pull, Status: plan.StatusConflicts, Writes: 1, Deletes: 2, Flagged: []string{"f", "g"}, Lacks: []string{"D5", "R4"}, Guard: plan.GuardMassDelete,
		Conflicts: []merge.Conflict{{Path: "a", Kind: merge.ConflictContent, Copy: "a.1"}},
		Problems:  []core.Problem{{Path: "p", Code: core.ProblemUnreadable, Detail: "again"}, {Path: "q", Code: core.ProblemUnreadable}, {Path: "p", Code: core.ProblemGitKept}}},
		UploadedFiles: 10, UploadedBytes: 20, DownloadedFiles: 30, DownloadedBytes: 40, ClientCalls: 50}
	o := outputTo(io.Discard, io.Discard, true)
	o.report(push, false)
	o.report(nil, false)
	o.report(pull, false)
	o.report(&hostgo.Report{ClientCalls: 100}, false) // an error came before anything was decided
	o.sum.at = nil
	want := summary{Type: "summary", Status: "partial", UploadedFiles: 11, UploadedBytes: 22, DownloadedFiles: 33, DownloadedBytes: 44, ClientCalls: 155,
		LocalWrites: 1, LocalDeletes: 2, Conflicts: []conflictOut{{"a", string(merge.ConflictContent), nil, &copied}},
		Problems: []problemOut{{"p", string(core.ProblemUnreadable), "d"}, {"q", string(core.ProblemUnreadable), ""}, {"p", string(core.ProblemGitKept), ""}},
		Flagged:  []string{"f", "g"}, Lacks: []string{"D5", "R4"}, Guard: &guard}
	require.Empty(t, cmp.Diff(want, o.sum, cmp.AllowUnexported(summary{})))
	require.Equal(t, exitPartial, o.end(nil))
}

// Whoever reads the exit status, or the last line of --json, decides by it.
func TestTheEnd(t *testing.T) {
	seven := 7
	coded := func(code core.Code) error { return &core.Error{Code: code, Message: "why", Hint: "what to do"} }
	for _, row := range []struct {
		name    string
		synced  plan.Status
		command *int
		err     error
		exit    int
		status  string
		code    string // of the error; "" is none
	}{
		{"nothing to do", "", nil, nil, 0, "ok", ""},
		{"conflicts", plan.StatusConflicts, nil, nil, 3, "conflicts", ""},
		{"partial", plan.StatusPartial, nil, nil, 4, "partial", ""},
		{"refused", plan.StatusRefused, nil, nil, 5, "refused", ""},
		{"the command's", plan.StatusOK, &seven, nil, 7, "ok", ""},
		{"conflicts after a command", plan.StatusConflicts, &seven, nil, 3, "conflicts", ""},
		{"an error after a command", plan.StatusOK, &seven, coded(core.CodeClient), 1, "error", "client_failed"},
		{"usage", "", nil, coded(core.CodeUsage), 2, "error", "usage"},
		{"cancelled", "", nil, coded(core.CodeCancelled), 130, "error", "cancelled"},
		{"cancelled among others", "", nil, errors.Join(errors.New("x"), coded(core.CodeCancelled)), 130, "error", "cancelled"},
		{"stale", "", nil, coded(core.CodeStalePlan), 5, "refused", "stale_plan"},
		{"any other", "", nil, errors.New("why"), 1, "error", "io_failed"},
	} {
		var stdout, stderr bytes.Buffer
		o := outputTo(&stdout, &stderr, true)
		o.worst(row.synced)
		o.sum.CommandExit = row.command
		require.Equal(t, row.exit, o.end(row.err), row.name)
		lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
		require.Len(t, lines, 2, row.name)
		var last summary
		require.NoError(t, json.Unmarshal([]byte(lines[1]), &last))
		require.Equal(t, []any{"summary", row.status, row.exit}, []any{last.Type, last.Status, last.Exit}, row.name)
		if row.code == "" {
			require.Nil(t, last.Error, row.name)
			require.Empty(t, stderr.String(), row.name)
			continue
		}
		require.Equal(t, row.code, last.Error.Code, row.name)
		require.Contains(t, stderr.String(), "why", row.name)
		require.Equal(t, last.Error.Hint != nil, strings.Contains(stderr.String(), "\n  hint: what to do\n"), row.name)
	}
}

// Under -q a person sees what asks for something, and nothing else.
func TestQuiet(t *testing.T) {
	lines := []plan.Line{{Path: "usual.txt", Word: "new"}}
	for _, row := range []struct {
		report plan.Report
		want   string // what is said; "" is nothing at all
	}{
		{plan.Report{Status: plan.StatusOK, Lines: lines, Kept: []string{"usual.txt"}}, ""},
		{plan.Report{Status: plan.StatusConflicts, Lines: lines, Conflicts: []merge.Conflict{{Path: "a", Kind: merge.ConflictContent, Copy: "a.1"}}}, "The commands are for the folder there\n"},
		{plan.Report{Status: plan.StatusPartial, Lines: lines}, "pull"},
		{plan.Report{Status: plan.StatusRefused, Lines: lines, Guard: plan.GuardMassDelete, Reason: "too many"}, "too many"},
		{plan.Report{Status: plan.StatusOK, Lines: lines, Problems: []core.Problem{{Path: "p", Code: core.ProblemUnreadable}}}, "p"},
		{plan.Report{Status: plan.StatusOK, Lines: lines, Flagged: []string{".envrc"}}, ".envrc"},
	} {
		row.report.Op = merge.Pull
		var stdout bytes.Buffer
		o := outputTo(&stdout, io.Discard, false)
		o.quiet, o.folder = true, "there"
		o.report(&hostgo.Report{Report: &row.report}, false)
		require.NotContains(t, stdout.String(), "usual.txt")
		require.Contains(t, stdout.String(), row.want)
		require.Equal(t, row.want == "", stdout.Len() == 0)
		require.Equal(t, len(row.report.Conflicts) > 0, strings.Contains(stdout.String(), "there"), stdout.String())
	}
}

// Somebody who stopped a run reads what became of it, not how a program says that.
func TestAStopIsNoFailure(t *testing.T) {
	var stderr bytes.Buffer
	o := outputTo(io.Discard, &stderr, false)
	o.end(&core.Error{Code: core.CodeCancelled, Message: "the push was stopped", Err: context.Canceled})
	require.Equal(t, "planner: the push was stopped\n  hint: nothing was lost; run it again to complete it\n", stderr.String())
}

// brokenPipe takes nothing.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// A result that nobody got is no success; a diagnosis that nobody got changes nothing.
func TestWhereNothingCanBeWritten(t *testing.T) {
	var stderr bytes.Buffer
	require.Equal(t, exitError, outputTo(brokenPipe{}, &stderr, true).end(nil))
	require.Contains(t, stderr.String(), "the result can't be written to stdout: broken pipe")
	o := outputTo(io.Discard, brokenPipe{}, false)
	o.note("a diagnosis")
	require.Equal(t, exitOK, o.end(nil))
}
