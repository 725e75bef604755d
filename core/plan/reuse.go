package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// reuse finds contents that the sandbox has already under another name, so that
// a rename or a copy moves no bytes. What is going to be deleted there is
// preferred, because it can be linked instead of copied.
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
	for i := range r.Remote.Snapshot.Entries {
		e := &r.Remote.Snapshot.Entries[i]
		from, ok := wanted[e.Digest]
		if ok && e.Kind == core.KindFile && !strings.Contains(e.Path, "\n") && (from == "" || deleted[e.Path] && !deleted[from]) {
			wanted[e.Digest] = e.Path
		}
	}
	for i := range p.Uploads {
		if w := p.Decisions[p.Uploads[i].Decision].Want; w.Kind == core.KindFile && w.Size > 0 {
			p.Uploads[i].From = wanted[w.Digest]
		}
	}
}

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
		sources = append(sources, at(u.From))
		tool := "copy"
		if deleted[u.From] && !used[u.From] {
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
	if len(sources) == 0 {
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
