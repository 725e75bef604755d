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
	wanted := map[core.Digest]string{}
	for _, u := range p.Uploads {
		if w := p.Decisions[u.Decision].Want; w.Kind == core.KindFile && w.Size > 0 {
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
	for i := range p.Uploads {
		if w := p.Decisions[p.Uploads[i].Decision].Want; w.Kind == core.KindFile && w.Size > 0 {
			p.Uploads[i].From = wanted[w.Digest]
		}
	}
}

// inRuntime holds for a content of an upload that was cut off, which nobody but
// this adapter's runs touches.
func inRuntime(path string) bool { return core.Under(path, core.RuntimeDir) }

func (p *Plan) deleted() map[string]bool {
	out := map[string]bool{}
	for i := range p.Decisions {
		if d := &p.Decisions[i]; d.Action == merge.Delete {
			out[d.Path] = true
		}
	}
	return out
}

// copyAll makes the members that were not sent, before anything is removed.
// Their sources are proven to be what was listed, like all that a plan builds
// on. One that goes away is linked, which moves no bytes; any other is copied,
// so that no later edit shows under two names.
func (s *applyScript) copyAll(p *Plan) {
	deleted := p.deleted()
	used := map[string]bool{}
	type group struct{ tool, dir string }
	var order []group
	var dirs, sources, on, off []string
	groups := map[group][]string{}
	made := map[string]bool{}
	for i := range p.Uploads {
		u := &p.Uploads[i]
		if u.From == "" {
			continue
		}
		dir := core.Parent(u.Name)
		if !made[dir] {
			made[dir], dirs = true, append(dirs, dir)
		}
		if !inRuntime(u.From) {
			sources = append(sources, at(u.From))
		}
		tool := "copy"
		if (deleted[u.From] || inRuntime(u.From)) && !used[u.From] {
			tool, used[u.From] = "move", true
		}
		if d := &p.Decisions[u.Decision]; d.Want.Executable() {
			on = append(on, u.Name)
		} else {
			off = append(off, u.Name)
		}
		g := group{tool, dir}
		if core.Name(u.From) != core.Name(u.Name) {
			s.changes.WriteString(tool + " " + Quote(at(u.From)) + ` "$I"/` + Quote(u.Name) + "\n")
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
}
