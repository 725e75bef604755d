package plan

import (
	"slices"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Status is how a sync ended.
type Status string

// The statuses, and the exit status of the command line for each.
const (
	StatusOK        Status = "ok"        // 0: done, or nothing to do
	StatusConflicts Status = "conflicts" // 3: done, conflicts were recorded
	StatusPartial   Status = "partial"   // 4: something that should have changed could not; running again is safe
	StatusRefused   Status = "refused"   // 5: a guard or the policy fail; nothing was written
	StatusError     Status = "error"     // 1
)

// Line is one path of a report with the word for what happened to it.
type Line struct {
	Path string // as it is; whoever shows it escapes control characters
	Word string // of a closed list, "new" or "deleted" for example
	Dir  bool   // the path is a directory
}

// Report is what one push or pull did, or would do, for people and programs. What
// has no comment here means what it means in [Plan]; after an apply Conflicts and
// Problems also hold what happened on the way.
type Report struct {
	Op        merge.Direction
	Status    Status
	Lines     []Line // what changed, in the order of the decisions; none where a guard refused
	Conflicts []merge.Conflict
	Problems  []core.Problem
	Flagged   []string
	Kept      []string
	ModeOnly  int
	Writes    int // entries written in the tree the changes flow into
	Deletes   int // entries deleted there
	Guard     Guard
	Reason    string
	Hint      string
	BaseReset bool
	Waived    []string
	Lacks     []string
}

// Summarise makes the report of an applied plan. A nil list of results means
// that the plan was not applied, and the report says what it would do.
func Summarise(p *Plan, results []merge.Result) *Report {
	r := &Report{Op: p.Op, Status: StatusOK, Flagged: p.Flagged, Kept: p.Kept, ModeOnly: p.ModeOnly,
		Guard: p.Guard, Reason: p.Reason, Hint: p.Hint, BaseReset: p.BaseReset, Waived: p.Waived, Lacks: p.Lacks,
		Problems: slices.Clone(p.Problems), Lines: make([]Line, 0, p.lines())}
	partial, planned := false, slices.Clone(p.Conflicts)
	rest, decisions := planned, p.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		res := merge.Result{Status: merge.Done}
		switch {
		case results == nil:
		case i < len(results):
			res = results[i]
		default:
			res = merge.Failure(core.ProblemWriteFailed, "not reached")
		}
		note, dest := res.Noted(), d.Dest
		switch {
		case res.Status == merge.Failed:
			dest = ""
		case d.Action == merge.Copy && note.Copy != "":
			dest = note.Copy
		}
		if dest != d.Dest {
			rest = copied(rest, d, dest)
		}
		switch res.Status {
		case merge.Failed:
			// A first push finds while it sends what any other one's scan does.
			partial = partial || p.Op != merge.Push || note.Code != core.ProblemUnreadable
			r.Problems = append(r.Problems, core.Problem{Path: d.Path, Code: orWriteFailed(note.Code), Detail: note.Detail})
			continue
		case merge.Slipped:
			r.Conflicts = append(r.Conflicts, merge.Conflict{Path: d.Path, Kind: merge.ConflictSlipped, Copy: note.Copy})
			continue
		}
		r.addLine(d, dest)
	}
	r.Problems = core.SortProblems(r.Problems)
	r.Conflicts = append(planned, r.Conflicts...)
	core.Sort(r.Conflicts, func(a, b merge.Conflict) int { return core.ComparePaths(a.Path, b.Path) })
	for i := range r.Conflicts {
		partial = partial || r.Conflicts[i].Kind == merge.ConflictBlocked
	}
	switch {
	case p.Phase == PhaseBlocked:
		r.Status, r.Lines, r.Writes, r.Deletes = StatusRefused, nil, 0, 0
		for i := range r.Conflicts {
			r.Conflicts[i].Copy = ""
		}
	case partial:
		r.Status = StatusPartial
	case len(r.Conflicts) > 0:
		r.Status = StatusConflicts
	}
	return r
}

// Home reports whether a pull left nothing in the sandbox that somebody may miss
// once it is removed: commits, and what was refused or could not be read. A FIFO
// or a permission holds no work.
func (r *Report) Home() bool {
	if r.Status != StatusOK && r.Status != StatusConflicts {
		return false
	}
	for i := range r.Problems {
		switch r.Problems[i].Code {
		case core.ProblemSpecial, core.ProblemGitFile, core.ProblemMode, core.ProblemStaleStaging:
		default:
			return false
		}
	}
	return true
}

// lines bounds how many lines a report of the plan has.
func (p *Plan) lines() (n int) {
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Action != merge.Keep {
			n++
		}
	}
	return n
}

func orWriteFailed(c core.ProblemCode) core.ProblemCode {
	if c == "" {
		return core.ProblemWriteFailed
	}
	return c
}

// copied names the copy that was made in the place of the one that was planned, whose name somebody took
// meanwhile: a person who removes what a conflict names must not remove that. at is "" where none could be made.
// It returns the conflicts that are left for the decisions to come, since both are sorted by path.
func copied(rest []merge.Conflict, d *merge.Decision, at string) []merge.Conflict {
	for len(rest) > 0 && core.ComparePaths(rest[0].Path, d.Path) < 0 {
		rest = rest[1:]
	}
	for i := 0; i < len(rest) && rest[i].Path == d.Path; i++ {
		if rest[i].Copy == d.Dest {
			rest[i].Copy = at
		}
	}
	return rest
}

func (r *Report) addLine(d *merge.Decision, dest string) {
	word := ""
	switch d.Action {
	case merge.Keep:
		return
	case merge.Delete:
		r.Deletes++
		word = "deleted"
	case merge.Chmod:
		word = "not executable"
		if d.Want.Executable() {
			word = "executable"
		}
	case merge.Copy:
		word = "conflict copy"
	case merge.Aside:
		word = "kept aside"
	default:
		word = writeWord(d)
	}
	if d.Action != merge.Delete {
		r.Writes++
	}
	r.Lines = append(r.Lines, Line{Path: dest, Word: word, Dir: d.Want != nil && d.Want.Kind == core.KindDir ||
		d.Want == nil && d.Expect != nil && d.Expect.Kind == core.KindDir})
}

func writeWord(d *merge.Decision) string {
	switch {
	case d.Merged != nil:
		return "merged"
	case d.Displace:
		return "replaced"
	case d.Row == merge.RowTargetDeleted:
		return "restored"
	case d.Expect == nil:
		return "new"
	case d.Expect.Kind != d.Want.Kind:
		return "now a " + kindWord(d.Want.Kind)
	}
	return "changed"
}

func kindWord(k core.Kind) string {
	switch k {
	case core.KindDir:
		return "directory"
	case core.KindLink:
		return "link"
	}
	return "file"
}
