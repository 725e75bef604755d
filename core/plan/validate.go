package plan

import (
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
