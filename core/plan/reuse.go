package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// reuse finds contents that the sandbox has already, under another name or from
// an upload that was cut off, so that no byte is sent twice. What is not needed
// where it lies is preferred, because it can be linked instead of copied. What
// stands in the workspace there counts only if a listing can prove it.
func (p *Plan) reuse(r *Request) {
	if r.Remote.Snapshot.Entries.Len()+len(r.Remote.Arrived) == 0 {
		return
	}
	wanted := map[core.Digest]string{}
	uploads := p.UploadReader()
	for i := range uploads.Len() {
		if w := uploads.At(i).Decision.Want; w.Kind == core.KindFile && w.Size > 0 {
			wanted[w.Digest] = ""
		}
	}
	if len(wanted) == 0 {
		return
	}
	deleted := p.deleted()
	for e := range r.Remote.Snapshot.Entries.All() {
		from, ok := wanted[e.Digest]
		if ok && p.Compare != "" && e.Kind == core.KindFile && !strings.Contains(e.Path, "\n") && (from == "" || deleted[e.Path] && !deleted[from]) {
			wanted[e.Digest] = e.Path
		}
	}
	for _, a := range r.Remote.Arrived {
		if _, ok := wanted[a.Digest]; ok {
			wanted[a.Digest] = a.Path
		}
	}
	for i := range uploads.Len() {
		if w := uploads.At(i).Decision.Want; w.Kind == core.KindFile && w.Size > 0 && wanted[w.Digest] != "" {
			p.Uploads.reuse(i, wanted[w.Digest])
		}
	}
}

// inRuntime holds for a content of an upload that was cut off, which nobody but
// this adapter's runs touches.
func inRuntime(path string) bool { return core.Under(path, core.RuntimeDir) }

func (p *Plan) deleted() map[string]bool {
	out := map[string]bool{}
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Action == merge.Delete {
			out[d.Path] = true
		}
	}
	return out
}

// copyAll makes the members that were not sent, before anything is removed.
// Their sources are proven to be what was listed, like all that a plan builds
// on; where no listing can, since the clock has not moved on since it was made, the
// copies are read. One that goes away is linked, which moves no bytes; any other is
// copied, so that no later edit shows under two names.
func (s *applyScript) copyAll(p *Plan) {
	deleted := p.deleted()
	used := map[string]bool{}
	type group struct{ tool, dir string }
	var order []group
	var dirs, sources, on, off []string
	var proof strings.Builder
	groups := map[group][]string{}
	made := map[string]bool{}
	uploads := p.UploadReader()
	for i := range uploads.Len() {
		u := uploads.At(i)
		if u.From == "" {
			continue
		}
		name := u.Name()
		dir := core.Parent(name)
		if !made[dir] {
			made[dir], dirs = true, append(dirs, dir)
		}
		if !inRuntime(u.From) {
			sources = append(sources, at(u.From))
			proof.WriteString("holds " + u.Decision.Want.Digest.String() + " " + Quote(at(name)) + "\n")
		}
		tool := "copy"
		if (deleted[u.From] || inRuntime(u.From)) && !used[u.From] {
			tool, used[u.From] = "move", true
		}
		if u.Decision.Want.Executable() {
			on = append(on, name)
		} else {
			off = append(off, name)
		}
		g := group{tool, dir}
		if core.Name(u.From) != core.Name(name) {
			s.changes.WriteString(tool + " " + Quote(at(u.From)) + ` "$I"/` + Quote(name) + "\n")
			continue
		}
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], at(u.From))
	}
	if len(dirs) == 0 {
		return
	}
	commands(&s.before, "from", sources, "")
	copies := s.changes.String()
	s.changes.Reset()
	s.changes.WriteString(`copy() { cp -p -- "$@"; }
move() { ln -- "$@" 2>/dev/null || cp -p -- "$@"; }
(cd "$I"
`)
	commands(&s.changes, "mkdir -p --", dirs, "")
	s.changes.WriteString(")\n" + copies)
	for _, g := range order {
		commands(&s.changes, g.tool, groups[g], ` "$I"/`+Quote(g.dir)+"/")
	}
	s.changes.WriteString("(cd \"$I\"\n")
	commands(&s.changes, "chmod +x --", on, "")
	commands(&s.changes, "chmod a-x --", off, "")
	s.changes.WriteString(")\n")
	if proof.Len() > 0 {
		s.changes.WriteString("if [ -z \"$LISTED\" ]; then\ncd \"$I\"\n" + proof.String() + "cd \"$W\"\nfi\n")
	}
}
