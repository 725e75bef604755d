package main

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// output writes results to stdout: lines for people, or one JSON object a line,
// the first of type version and the last of type summary on every way out.
type output struct {
	a       *app
	json    bool
	quiet   bool
	verbose bool
	clear   func() // removes the progress line
	start   time.Time
	sum     summary
	// exit is the status of a sync that ended without an error.
	exit int
}

// summary is the last line of --json.
type summary struct {
	Type            string        `json:"type"`
	Status          string        `json:"status"`
	Exit            int           `json:"exit"`
	CommandExit     *int          `json:"command_exit,omitempty"`
	UploadedFiles   int64         `json:"uploaded_files"`
	UploadedBytes   int64         `json:"uploaded_bytes"`
	DownloadedFiles int64         `json:"downloaded_files"`
	DownloadedBytes int64         `json:"downloaded_bytes"`
	ClientCalls     int64         `json:"client_calls"`
	LocalWrites     int           `json:"local_writes"`
	LocalDeletes    int           `json:"local_deletes"`
	Conflicts       []conflictOut `json:"conflicts"`
	Problems        []problemOut  `json:"problems"`
	Flagged         []string      `json:"flagged"`
	Guard           *string       `json:"guard"`
	Error           *errorOut     `json:"error"`
	DurationMs      int64         `json:"duration_ms"`
}

type conflictOut struct {
	Path   string  `json:"path"`
	Kind   string  `json:"kind"`
	Policy *string `json:"policy"`
	Copy   *string `json:"copy"`
}

type problemOut struct {
	Path   string `json:"path"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

type errorOut struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Hint    *string `json:"hint"`
}

type pathOut struct {
	Type string `json:"type"`
	Op   string `json:"op"`
	Path string `json:"path"`
	Word string `json:"word"`
}

func newOutput(a *app, asJSON bool) *output {
	o := &output{a: a, json: asJSON, clear: func() {}, start: time.Now()}
	o.sum = summary{Type: "summary", Status: string(plan.StatusOK), Conflicts: []conflictOut{}, Problems: []problemOut{}, Flagged: []string{}}
	if asJSON {
		o.line(versionOut())
	}
	return o
}

// line writes one JSON object.
func (o *output) line(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		o.note("the result can't be encoded: " + err.Error())
		return
	}
	o.write(o.a.stdout, string(data)+"\n")
}

// write ignores a reader that went away: there is nobody left to tell.
func (o *output) write(w io.Writer, s string) { _, _ = io.WriteString(w, s) }

// note tells a person something on stderr.
func (o *output) note(s string) {
	o.clear()
	o.write(o.a.stderr, "planner: "+s+"\n")
}

// report shows what one push or pull did, or would do, and adds it to the
// summary.
func (o *output) report(r *hostgo.Report, would bool) {
	o.clear()
	if r == nil || r.Report == nil {
		return
	}
	if o.json {
		for i := range r.Lines {
			o.line(pathOut{"path", string(r.Op), r.Lines[i].Path, r.Lines[i].Word})
		}
		for _, p := range r.Kept {
			o.line(pathOut{"path", string(r.Op), p, "left there"})
		}
	} else {
		o.show(r, would)
	}
	o.add(r)
	if o.verbose {
		for _, s := range r.Stages {
			o.note(string(r.Op) + ": " + s.Stage + " took " + s.Duration.Round(time.Millisecond).String())
		}
	}
}

func (o *output) show(r *hostgo.Report, would bool) {
	shown := *r.Report
	if o.quiet {
		shown.Lines, shown.Kept = nil, nil
		if shown.Status == plan.StatusOK && len(shown.Problems) == 0 && len(shown.Flagged) == 0 {
			return
		}
	}
	o.write(o.a.stdout, plan.Render(&shown, would, o.verbose))
	if r.Displaced != "" {
		o.write(o.a.stdout, "What was replaced here is kept in "+r.Displaced+"\n")
	}
}

// add merges a report into the summary. Of a run the push comes first; what the
// pull says again is not repeated.
func (o *output) add(r *hostgo.Report) {
	s := &o.sum
	s.UploadedFiles += r.UploadedFiles
	s.UploadedBytes += r.UploadedBytes
	s.DownloadedFiles += r.DownloadedFiles
	s.DownloadedBytes += r.DownloadedBytes
	s.ClientCalls += r.ClientCalls
	if r.Op == merge.Pull {
		s.LocalWrites += r.Writes
		s.LocalDeletes += r.Deletes
	}
	for i := range r.Conflicts {
		c := &r.Conflicts[i]
		s.addConflict(conflictOut{c.Path, string(c.Kind), orNull(string(c.Policy)), orNull(c.Copy)})
	}
	for _, p := range r.Problems {
		s.addProblem(problemOut{p.Path, string(p.Code), p.Detail})
	}
	s.Flagged = append(s.Flagged, r.Flagged...)
	if r.Guard != "" {
		s.Guard = orNull(string(r.Guard))
	}
	o.worst(r.Status)
}

// worst keeps the status that asks most of the person.
func (o *output) worst(status plan.Status) {
	rank := map[plan.Status]int{plan.StatusOK: exitOK, plan.StatusConflicts: exitConflicts, plan.StatusPartial: exitPartial, plan.StatusRefused: exitRefused}
	if n := rank[status]; n > o.exit {
		o.exit, o.sum.Status = n, string(status)
	}
}

func (s *summary) addConflict(c conflictOut) {
	for i := range s.Conflicts {
		if s.Conflicts[i].Path == c.Path && s.Conflicts[i].Kind == c.Kind {
			return
		}
	}
	s.Conflicts = append(s.Conflicts, c)
}

func (s *summary) addProblem(p problemOut) {
	for i := range s.Problems {
		if s.Problems[i].Path == p.Path && s.Problems[i].Code == p.Code {
			return
		}
	}
	s.Problems = append(s.Problems, p)
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// end writes the error, if any, and the summary, and returns the exit status.
func (o *output) end(err error) int {
	o.clear()
	exit := o.exit
	if err != nil {
		exit = exitOf(err)
		o.sum.Status = string(plan.StatusError)
		if exit == exitRefused {
			o.sum.Status = string(plan.StatusRefused)
		}
		o.showError(err)
	} else if o.sum.CommandExit != nil && exit == exitOK {
		exit = *o.sum.CommandExit
	}
	if o.json {
		o.sum.Exit, o.sum.DurationMs = exit, time.Since(o.start).Milliseconds()
		o.line(&o.sum)
	}
	return exit
}

func (o *output) showError(err error) {
	out := &errorOut{Code: string(core.CodeIO), Message: err.Error()}
	var known *core.Error
	if errors.As(err, &known) {
		out.Code, out.Message, out.Hint = string(known.Code), known.Error(), orNull(known.Hint)
	}
	o.sum.Error = out
	text := "planner: " + out.Message + "\n"
	if out.Hint != nil {
		text += "  hint: " + *out.Hint + "\n"
	}
	o.write(o.a.stderr, text)
}

type versionLine struct {
	Type       string `json:"type"`
	Version    string `json:"version"`
	ABI        string `json:"abi"`
	PlanFormat int    `json:"plan_format"`
	BaseFormat int    `json:"base_format"`
}

func versionOut() versionLine {
	return versionLine{"version", core.ModuleVersion, strconv.Itoa(core.ABIMajor) + "." + strconv.Itoa(core.ABIMinor), core.PlanFormat, core.BaseFormat}
}

// version prints the four versions.
func (a *app) version() error {
	if len(a.args) > 0 && a.args[0] != "--json" {
		return usage("\"version\" takes no arguments", "")
	}
	if a.out.json {
		return nil
	}
	v := versionOut()
	a.out.write(a.stdout, strings.Join([]string{"planner " + v.Version, "abi " + v.ABI,
		"plan format " + strconv.Itoa(v.PlanFormat), "base format " + strconv.Itoa(v.BaseFormat)}, "\n")+"\n")
	return nil
}
