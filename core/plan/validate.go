package plan

import (
	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// validate checks what Seal, Commit and a host rely on in a plan that came
// from outside.
func (p *Plan) validate() error {
	for i := range p.Decisions {
		d := &p.Decisions[i]
		field := "decisions[" + itoa(i) + "]"
		wants := d.Action == merge.Write || d.Action == merge.Chmod || d.Action == merge.Copy || d.Action == merge.Aside
		switch {
		case i > 0 && core.ComparePaths(p.Decisions[i-1].Path, d.Path) > 0:
			return invalid(field+".path", "decisions are not in path order")
		case wants && d.Want == nil:
			return invalid(field+".want", "this action needs to say what it wants")
		case (d.Action == merge.Delete || d.Action == merge.Chmod || d.Displace) && d.Expect == nil:
			return invalid(field+".expect", "this action needs to say what it expects")
		}
	}
	for i, u := range p.Uploads {
		if u.Decision >= len(p.Decisions) || p.Decisions[u.Decision].Action != merge.Write {
			return invalid("uploads["+itoa(i)+"].decision", "not the index of a decision that writes")
		}
	}
	return nil
}
