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
// copies are read.
func (s *applyScript) copyAll(p *Plan) {
	c := copies{deleted: p.deleted(), moved: map[string]bool{}, made: map[string]bool{}}
	uploads := p.UploadReader()
	for i := range uploads.Len() {
		if u := uploads.At(i); u.From != "" {
			c.add(u)
		}
	}
	if len(c.dirs) == 0 {
		return
	}
	commands(&s.before, "from", c.sources, "")
	c.write(&s.changes)
}

// copies gathers how members are made of what the sandbox has. All that keep the
// name of their source and go into one directory share a command.
type copies struct {
	deleted map[string]bool // paths that the plan deletes
	moved   map[string]bool // sources that were moved
	made    map[string]bool // the directories of dirs
	dirs    []string        // to be made, in the archive's folder
	sources []string        // in the workspace
	proof   strings.Builder // checks of the members made of them
	renamed strings.Builder // commands for members with another name than their source
	into    groups          // the other ones, by tool and directory
	on, off []string        // members that shall be executable, and those that shall not
}

func (c *copies) add(u *Upload) {
	name := u.Name()
	dir := core.Parent(name)
	if !c.made[dir] {
		c.made[dir], c.dirs = true, append(c.dirs, dir)
	}
	if !inRuntime(u.From) {
		c.sources = append(c.sources, at(u.From))
		c.proof.WriteString("holds " + u.Decision.Want.Digest.String() + " " + Quote(at(name)) + "\n")
	}
	if u.Decision.Want.Executable() {
		c.on = append(c.on, name)
	} else {
		c.off = append(c.off, name)
	}
	tool := c.tool(u.From)
	if core.Name(u.From) != core.Name(name) {
		c.renamed.WriteString(tool + " " + Quote(at(u.From)) + ` "$I"/` + Quote(name) + "\n")
		return
	}
	c.into.add(tool+` "$I"/`+Quote(dir)+"/", at(u.From))
}

// tool returns how a member is made of its source. One that goes away is linked,
// which moves no bytes; any other is copied, so that no later edit shows under two names.
func (c *copies) tool(from string) string {
	if c.moved[from] || !c.deleted[from] && !inRuntime(from) {
		return "copy"
	}
	c.moved[from] = true
	return "move"
}

func (c *copies) write(b *strings.Builder) {
	b.WriteString(`copy() { cp -p -- "$@"; }
move() { ln -- "$@" 2>/dev/null || cp -p -- "$@"; }
(cd "$I"
`)
	commands(b, "mkdir -p --", c.dirs, "")
	b.WriteString(")\n" + c.renamed.String())
	for _, key := range c.into.order {
		tool, dir, _ := strings.Cut(key, " ") // as add joins them
		commands(b, tool, c.into.words[key], " "+dir)
	}
	b.WriteString("(cd \"$I\"\n")
	commands(b, "chmod +x --", c.on, "")
	commands(b, "chmod a-x --", c.off, "")
	b.WriteString(")\n")
	if c.proof.Len() > 0 {
		b.WriteString("if [ -z \"$LISTED\" ]; then\ncd \"$I\"\n" + c.proof.String() + "cd \"$W\"\nfi\n")
	}
}
