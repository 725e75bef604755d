package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

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
	folder  string // the workspace, unless it is the working directory
	clear   func() // removes the progress line
	start   time.Time
	sum     summary
	// exit is the status of a sync that ended without an error.
	exit int
	lost error // why stdout did not take the result
}

func newOutput(a *app, asJSON bool) *output {
	o := &output{a: a, json: asJSON, clear: func() {}, start: time.Now()}
	o.sum = summary{Type: "summary", Status: string(plan.StatusOK), Conflicts: []conflictOut{}, Problems: []problemOut{},
		Flagged: []string{}, at: map[string]int{}}
	if asJSON {
		o.line(versionOut())
	}
	return o
}

// line writes one JSON object.
func (o *output) line(v any) {
	data, _ := json.Marshal(v) // it never fails with what is written here
	o.write(o.a.stdout, visible(string(data))+"\n")
}

// visible writes in JSON what could steer a terminal as JSON's own escapes, which change
// no value: somebody may look at it (promise S8).
func visible(text string) string {
	if core.DisplayText(text) == text {
		return text // as it is nearly always
	}
	var b strings.Builder
	for _, c := range text {
		switch {
		case core.DisplayText(string(c)) == string(c):
			b.WriteRune(c)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}

// write keeps the first error of stdout, so that half a result does not look
// like a whole one. If stderr fails there is nobody left to tell.
func (o *output) write(w io.Writer, s string) {
	if _, err := io.WriteString(w, s); err != nil && w == o.a.stdout && o.lost == nil {
		o.lost = &core.Error{Code: core.CodeIO, Message: "the result can't be written to stdout", Err: err}
	}
}

// note tells a person something on stderr.
func (o *output) note(s string) {
	o.clear()
	o.write(o.a.stderr, "planner: "+s+"\n")
}

// keptSandbox says where a throwaway sandbox is that holds work that did not
// come home, and the command lines that bring it.
func (o *output) keptSandbox(url, again string, fetch []string) {
	if o.json {
		o.line(struct {
			Type  string   `json:"type"`
			URL   string   `json:"url"`
			Pull  string   `json:"pull"`
			Fetch []string `json:"fetch"`
		}{"kept_sandbox", url, again, fetch})
	}
	text := "not everything came home, so the sandbox is kept: " + core.DisplayText(url) + "\n  try again with: " + core.DisplayText(again)
	for _, line := range fetch {
		text += "\n  fetch its commits with: " + core.DisplayText(line)
	}
	o.note(text)
}

// report shows what one push or pull did, or would do, and adds it to the
// summary.
func (o *output) report(r *hostgo.Report, would bool) {
	o.clear()
	if r == nil {
		return
	}
	o.addTraffic(r)
	if r.Report == nil {
		return // an error came before anything was decided or done
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
		o.times(r)
	}
}

// times says where the time went: the stages in turn that took any, and what
// went on beside them.
func (o *output) times(r *hostgo.Report) {
	for _, s := range r.Stages {
		if d := s.Duration.Round(time.Millisecond); d > 0 {
			o.note(string(r.Op) + ": " + s.Stage + " took " + d.String())
		}
	}
	if len(r.Work) == 0 {
		return
	}
	parts := make([]string, len(r.Work))
	for i, w := range r.Work {
		parts[i] = w.Stage + " " + w.Duration.Round(time.Millisecond).String()
	}
	o.note(string(r.Op) + ": of that, in part at the same time: " + strings.Join(parts, ", "))
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
	if !would && o.folder != "" && slices.ContainsFunc(r.Conflicts, func(c merge.Conflict) bool { return r.Finishes(&c) }) {
		o.write(o.a.stdout, "The commands are for the folder "+core.DisplayText(o.folder)+"\n")
	}
	if r.Displaced != "" {
		o.write(o.a.stdout, "What had to make way is kept in "+core.DisplayText(path.Join(filepath.ToSlash(o.folder), r.Displaced))+"\n")
	}
}

// end writes the error, if any, and the summary, and returns the exit status.
func (o *output) end(err error) int {
	o.clear()
	exit := o.exit
	if err == nil {
		err = o.lost
	}
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
	if errors.Is(err, core.CodeCancelled) && out.Hint == nil {
		out.Message = strings.TrimSuffix(out.Message, ": "+context.Canceled.Error())
		out.Hint = orNull("nothing was lost; run it again to complete it")
	}
	o.sum.Error = out
	text := "planner: " + core.DisplayText(out.Message) + "\n"
	if out.Hint != nil {
		text += "  hint: " + core.DisplayText(*out.Hint) + "\n"
	}
	o.write(o.a.stderr, text)
}
