package plan

import (
	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// push adds the archive and the steps to a plan whose decisions are made.
func (p *Plan) push(r *Request, base *core.Base, rules *core.Rules) {
	p.Found, p.Compare = r.Remote.Marker, r.Remote.ID
	p.listKept(r, base)
	p.Uploads = uploads(p.Decisions)
	p.reuse(r)
	rt := RuntimeDir(r.Root, r.Adapter)
	archive := rt + "/up-" + r.Run + ".tar"
	switch {
	case p.changes() || base == nil:
		if !r.Stream && !r.proven() { // what was seen there lies in that folder
			p.Steps = append(p.Steps, Step{Do: StepMakeDir, Path: rt})
		}
		p.Steps = append(p.Steps, transfer(r, Step{Path: archive, Command: applyCommand(r, rt)})...)
		if p.Seen != nil {
			p.Seen.ID = r.Run
		}
	case p.Assumed:
		p.Steps = append(p.Steps, Step{Do: StepRun, Command: checkCommand(r, rules)})
	}
	for i := range r.Assets {
		key := r.Assets[i].Key
		p.Steps = append(p.Steps, transfer(r, Step{Path: rt + "/up-" + key + "-" + r.Run + ".tar", Command: assetCommand(r, rt, key), Asset: key})...)
	}
}

// transfer returns the steps that bring an archive to the command that unpacks
// it: one, or two with a file between them.
func transfer(r *Request, s Step) []Step {
	if r.Stream {
		return []Step{{Do: StepSend, Command: s.Command, Asset: s.Asset}}
	}
	return []Step{{Do: StepUpload, Path: s.Path, Asset: s.Asset}, {Do: StepRun, Command: s.Command, Asset: s.Asset}}
}

// changes reports whether the sandbox has anything to do.
func (p *Plan) changes() bool {
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Action != merge.Keep {
			return true
		}
	}
	return len(p.Delivered) > 0
}

// listKept names what a first push leaves standing in a sandbox that already
// held something.
func (p *Plan) listKept(r *Request, base *core.Base) {
	if base != nil {
		return
	}
	for e := range r.Remote.Snapshot.Entries.All() {
		if e.Kind != core.KindDir && r.Local.Entries.Find(e.Path) == nil {
			p.Kept = append(p.Kept, e.Path)
		}
	}
}
