package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// validate checks what Seal, Commit and a host rely on in a plan that came
// from outside.
func (p *Plan) validate() error {
	before := ""
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		field := "decisions[" + itoa(i) + "]"
		wants := d.Action == merge.Write || d.Action == merge.Chmod || d.Action == merge.Copy || d.Action == merge.Aside
		switch {
		case core.ComparePaths(before, d.Path) > 0:
			return invalid(field+".path", "decisions are not in path order")
		case wants && d.Want == nil:
			return invalid(field+".want", "this action needs to say what it wants")
		case (d.Action == merge.Delete || d.Action == merge.Chmod || d.Displace) && d.Expect == nil:
			return invalid(field+".expect", "this action needs to say what it expects")
		case d.Displace && d.Action != merge.Write:
			return invalid(field+".displace", "only what a write replaces can be displaced")
		}
		before = d.Path
	}
	for i := range p.Uploads.Len() {
		if at := p.Uploads.index(i); at >= p.Decisions.Len() || decisions.At(at).Action != merge.Write {
			return invalid("uploads["+itoa(i)+"].decision", "not the index of a decision that writes")
		}
	}
	return nil
}

// validate checks the versions set aside. Those that are told from outside could
// else be written beside the copy that they are meant for, or outside the root.
func (r *Remote) validate() error {
	if r == nil {
		return nil
	}
	for i := range r.Aside {
		v, field := &r.Aside[i], "remote.aside["+itoa(i)+"]"
		switch {
		case i > 0 && core.CompareAsides(r.Aside[i-1].name(), v.name()) >= 0:
			return invalid(field, "versions set aside are not sorted by path and digest")
		case len(v.Entries) > 0 && !v.isTree():
			return invalid(field, "a version set aside is an entry at its path and what lies below")
		}
	}
	return nil
}

// isTree says whether the entries, of which there is one, are valid and lie at the path or below.
func (v *AsideVersion) isTree() bool {
	for i := range v.Entries {
		below, ok := strings.CutPrefix(v.Entries[i].Path, v.Path)
		if !ok || (below == "") != (i == 0) || below != "" && below[0] != '/' {
			return false
		}
	}
	check := core.Snapshot{Entries: core.TreeOf(withParents(v.Entries))}
	return check.Validate() == nil
}
