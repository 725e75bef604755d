package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Render returns the report as lines for people: every path with a word for
// what happened to it, and for each conflict where both versions are and, once they are
// there, the commands that finish it. Control characters in names are escaped (promise
// S8). would says that the plan was not applied.
func Render(r *Report, would, verbose bool) string {
	var b strings.Builder
	where := "in the workspace"
	if r.Op == merge.Push {
		where = "in the sandbox"
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		line(&b, l.Word, display(l.Path, l.Dir))
	}
	for _, p := range r.Kept {
		line(&b, "left there", core.DisplayPath(p))
	}
	for rest, i := r.Problems, 0; i < len(r.Conflicts); i++ {
		var undone bool
		undone, rest = failed(r.Conflicts[i].Path, rest)
		renderConflict(&b, r, &r.Conflicts[i], would, undone)
	}
	for i := range r.Problems {
		p := &r.Problems[i]
		shown := p.Path
		if p.Code != core.ProblemInvalidName && p.Code != core.ProblemTooLong {
			shown = core.DisplayPath(shown)
		}
		text := shown + ": " + strings.ReplaceAll(string(p.Code), "_", " ")
		if p.Detail != "" {
			text += "; " + core.DisplayText(p.Detail)
		}
		line(&b, "problem", text)
	}
	for _, p := range r.Flagged {
		why := "tools run code from it"
		if core.Name(p) == ignoreName {
			why = "it says what the next push leaves out"
		}
		line(&b, "look at", core.DisplayPath(p)+": "+why+", and the sandbox changed it")
	}
	if r.BaseReset {
		b.WriteString("The sandbox is not the one of the last sync; the trees were compared afresh.\n")
	}
	for _, l := range r.Lacks {
		b.WriteString("The sandbox " + LacksText(l) + ".\n")
	}
	for _, w := range r.Waived {
		line(&b, "not promised", w+": "+WaivedText(w))
	}
	if verbose && r.ModeOnly > 0 {
		b.WriteString(count(r.ModeOnly, "entry differs", "entries differ") + " in permissions other than executable; left alone.\n")
	}
	b.WriteString(summary(r, where, would))
	return b.String()
}

func display(path string, dir bool) string {
	s := core.DisplayPath(path)
	if dir {
		s += "/"
	}
	return s
}

// line writes a word in a column of its own and what it is about.
func line(b *strings.Builder, word, text string) {
	const column = 16
	b.WriteString("  " + word)
	for n := len(word); n < column; n++ {
		b.WriteByte(' ')
	}
	b.WriteString(text)
	b.WriteByte('\n')
}

func summary(r *Report, where string, would bool) string {
	if r.Status == StatusRefused {
		s := "refused: " + r.Reason + "; nothing was written\n"
		if r.Hint != "" {
			s += "  " + r.Hint + "\n"
		}
		return s
	}
	verb := " written, "
	if would {
		verb = " to write, "
	}
	partial := r.Status == StatusPartial
	if r.Writes+r.Deletes == 0 && len(r.Conflicts) == 0 && !partial {
		return string(r.Op) + ": nothing to do " + where + "\n"
	}
	s := string(r.Op) + ": " + itoa(r.Writes) + verb + itoa(r.Deletes)
	if would {
		s += " to delete"
	} else {
		s += " deleted"
	}
	s += " " + where
	if n := len(r.Conflicts); n > 0 {
		s += ", " + count(n, "conflict", "conflicts")
	}
	if partial && !would {
		s += "\n  Not all could be done. Once what is told above is mended, run it again."
	}
	return s + "\n"
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return itoa(n) + " " + many
}

func renderConflict(b *strings.Builder, r *Report, c *merge.Conflict, would, undone bool) {
	what, then := conflictText(r.Op, c, would)
	if then != "" && r.Status != StatusRefused && (c.Copy != "" || !undone) {
		what += "; " + then
	}
	line(b, "conflict", core.DisplayPath(c.Path)+": "+what)
	if !would && r.Finishes(c) {
		take := "mv -- " + Word(c.Copy) + " " + Word(c.Path)
		if c.Kind == merge.ConflictMounted {
			take = "cp" + take[2:] + " && rm -- " + Word(c.Copy)
		}
		line(b, "", "take that one:  "+take)
		line(b, "", "keep this one:  rm -- "+Word(c.Copy))
	}
}

// failed reports whether what was decided about a path could not be done, which the sorted problems tell. It
// returns those that are left for the paths to come.
func failed(path string, problems []core.Problem) (bool, []core.Problem) {
	for ; len(problems) > 0; problems = problems[1:] {
		order := core.ComparePaths(problems[0].Path, path)
		if order > 0 || order == 0 && problems[0].Code == core.ProblemWriteFailed {
			return order == 0, problems
		}
	}
	return false, nil
}

// Finishes reports whether a listing of what was done gives the commands that finish a
// conflict.
func (r *Report) Finishes(c *merge.Conflict) bool {
	// Where its directory is gone, a link may stand, and the command would go through it.
	beside := core.Parent(c.Copy) == core.Parent(c.Path)
	return r.Op == merge.Pull && r.Status != StatusRefused && c.Copy != "" && beside && !c.NoFile && c.Kind != merge.ConflictCollision
}

// conflictText says what happened, and what was done, or would be: where both versions are.
func conflictText(op merge.Direction, c *merge.Conflict, would bool) (what, then string) {
	at, in, here := "is at ", "is in ", "is here"
	if would {
		at, in, here = "goes to ", "goes to ", "comes here"
	}
	at += core.DisplayPath(c.Copy)
	in += core.RuntimeDir + "/displaced"
	switch c.Kind {
	case merge.ConflictDeletedR:
		return "deleted in the sandbox but edited here", "kept"
	case merge.ConflictDeletedL:
		then = "the sandbox's version is restored"
		if op == merge.Push {
			then = "the sandbox's version stays there"
		}
		return "deleted here but edited in the sandbox", then
	case merge.ConflictBlocked:
		if op == merge.Push {
			return "it could not be read in the sandbox, so the change made here was not written", ""
		}
		return "it could not be read here, so the sandbox's change was not written", ""
	case merge.ConflictCollision:
		return "this file system takes its name for that of another", "written as " + core.DisplayPath(c.Copy)
	case merge.ConflictSlipped:
		if c.Copy == "" {
			return "somebody changed it while the plan was applied", "kept"
		}
		return "somebody changed it while the plan was applied", "the other version " + at
	case merge.ConflictSetAside:
		return "an earlier push replaced it in the sandbox", "the sandbox's version " + at
	case merge.ConflictContent:
		what = "both sides changed it"
	case merge.ConflictAdded:
		what = "both sides added it, differently"
	case merge.ConflictUnknown:
		what = "the sides differ and it is not known which is newer"
	case merge.ConflictKinds:
		what = "one side changed its kind, the other edited it"
	case merge.ConflictMounted:
		what = "the sandbox changed or deleted it, but it is mounted here, so it can't be replaced"
	}
	switch {
	case c.Copy != "":
		then = "local stays here, the sandbox's version " + at
	case c.Policy == merge.Remote:
		then = "the sandbox's version " + here + ", local " + in
	case op == merge.Push && c.Policy == merge.Local:
		then = "local takes its place in the sandbox, whose version the next pull brings home"
	case c.Policy == merge.Local:
		then = "local stays here, the sandbox's version " + in
	}
	return what, then
}
