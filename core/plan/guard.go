package plan

import (
	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Guard is the code of a refusal. A refusal writes nothing and says what would
// unlock it.
type Guard string

// The guards (promise D4, policy fail).
const (
	GuardReplaced   Guard = "sandbox_replaced" // the marker is missing or another one
	GuardEmptied    Guard = "sandbox_emptied"  // no file is left in the sandbox
	GuardMassDelete Guard = "mass_delete"      // more deletions than the bound
	GuardConflicts  Guard = "conflicts"        // policy fail, and there are conflicts
)

// Guards returns the closed list in a fixed order.
func Guards() []Guard { return []Guard{GuardReplaced, GuardEmptied, GuardMassDelete, GuardConflicts} }

// known holds for guards that may be allowed; conflicts is unlocked by another
// policy instead.
func (g Guard) known() bool {
	return g == GuardReplaced || g == GuardEmptied || g == GuardMassDelete
}

// The default bound on deletions: both must be passed.
const (
	defaultMaxShare = 50 // per cent of the files that could be deleted
	defaultMinFiles = 20
)

func (o *Options) allows(g Guard) bool {
	for _, a := range o.Allow {
		if a == g {
			return true
		}
	}
	return false
}

// tooMany applies the bound to a number of deletions.
func (o *Options) tooMany(deletes, deletable int) bool {
	share := func(percent int64) bool { return int64(deletes)*100 > percent*int64(deletable) }
	switch m := o.MaxDelete; {
	case m == nil:
		return deletes >= defaultMinFiles && share(defaultMaxShare)
	case m.ByShare:
		return share(m.Percent)
	default:
		return int64(deletes) > m.Files
	}
}

// tooMany applies the bound to an outcome. Where nothing proves which sandbox it
// came from, over half of the files is too many whatever the bound says.
func (r *Request) tooMany(out *merge.Outcome) bool {
	return r.Remote.MarkerHidden && 2*out.Deletes > out.Deletable || r.Options.tooMany(out.Deletes, out.Deletable)
}

// refusal is why a plan is blocked.
type refusal struct {
	guard  Guard
	reason string
	hint   string
}

// judge returns the first guard that forbids the outcome, or nil. Whoever allows
// an emptied sandbox has allowed the deletions that follow from it, and a push then has no base.
func (r *Request) judge(out *merge.Outcome) *refusal {
	o := &r.Options
	switch {
	case r.Op == merge.Push && r.Base != nil && emptied(r):
		return &refusal{GuardEmptied, "the sandbox's workspace holds no file although the last sync left some there",
			"use --allow sandbox_emptied to send everything again, or pull first to take the deletions"}
	case r.Op == merge.Pull && out.SourceEmpty && !o.allows(GuardEmptied):
		return &refusal{GuardEmptied, "the sandbox's workspace holds no file; a pull would delete every file that the last sync left there",
			"push to fill it again, or use --allow sandbox_emptied to take the deletions"}
	case r.Op == merge.Pull && !out.SourceEmpty && r.tooMany(out) && !o.allows(GuardMassDelete):
		return &refusal{GuardMassDelete, "the pull would delete " + itoa(out.Deletes) + " of " + itoa(out.Deletable) + " files",
			"look at the sandbox; then use --allow mass_delete, or raise --max-delete"}
	case failing(out.Conflicts):
		return conflicting()
	}
	return nil
}

func conflicting() *refusal {
	return &refusal{GuardConflicts, "there are conflicts and the policy is fail",
		"choose another policy with --conflict, or --resolve GLOB=POLICY for some paths"}
}

func failing(conflicts []merge.Conflict) bool {
	for i := range conflicts {
		if conflicts[i].Policy == merge.Fail {
			return true
		}
	}
	return false
}

// emptied reports whether the sandbox lost every file that base has outside
// .git.
func emptied(r *Request) bool {
	return hasFile(r.Base.Entries) && !hasFile(r.Remote.Snapshot.Entries)
}

// hasFile reports whether there is a file that is neither .git nor below it.
func hasFile(entries core.Tree) bool {
	for c := entries.Cursor(); c.Left() > 0; {
		passed, files := c.Tally(c.Left(), ".git")
		if files > 0 {
			return true
		}
		c.Skip(passed)
		if git := c.Head(); git != nil {
			c.Skip(1)
			below := c.Below(git.Path)
			c.Skip(below.Left())
		}
	}
	return false
}
