package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// check adds the checks of all that the plan touches.
func (s *applyScript) check(p *Plan, bad map[int]bool) {
	kinds := map[string][]string{}
	fresh, above := "\x00", map[string]bool{"": true}
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		if d.Action == merge.Keep || bad[i] || core.Under(d.Path, fresh) {
			continue
		}
		// What lies below a new directory moves with it; its absence is implied, also where
		// a link stands that leads to another one.
		if d.Action == merge.Write && d.Want.Kind == core.KindDir {
			fresh = d.Path
		}
		// Where a link stands above, every check and every change would go through it.
		for dir := core.Parent(d.Path); !above[dir]; dir = core.Parent(dir) {
			above[dir], kinds["dir"] = true, append(kinds["dir"], at(dir))
		}
		s.expect(d.Path, d.Expect, kinds)
	}
	s.writeChecks(kinds)
}

// expect adds the checks of what stands at a path now.
func (s *applyScript) expect(path string, e *core.Entry, kinds map[string][]string) {
	switch {
	case e == nil:
		kinds["none"] = append(kinds["none"], at(path))
		return
	case e.Kind == core.KindDir:
		kinds["dir"] = append(kinds["dir"], at(path))
	case e.Kind == core.KindLink:
		kinds["link"] = append(kinds["link"], at(path))
	default:
		kinds["file"] = append(kinds["file"], at(path))
		s.sum(&s.sums, path, e.Digest)
	}
	// A name with a newline has no line.
	switch {
	case !strings.Contains(path, "\n"):
		kinds["at"] = append(kinds["at"], at(path))
	case e.Kind == core.KindFile:
		kinds["holds"] = append(kinds["holds"], "holds "+e.Digest.String()+" "+Quote(at(path))+"\n")
	}
}

// sum adds a line of a checksum list, unless the name holds a byte that the tools
// escape in different ways.
func (s *applyScript) sum(b *strings.Builder, path string, d core.Digest) bool {
	if strings.ContainsAny(path, "\\\n\r") {
		return false
	}
	b.WriteString(d.String() + "  " + at(path) + "\n")
	return true
}

func (s *applyScript) writeChecks(kinds map[string][]string) {
	for _, fn := range [4]string{"none", "dir", "link", "file"} {
		commands(&s.checks, fn, kinds[fn], "")
	}
	s.checks.WriteString(strings.Join(kinds["holds"], ""))
	commands(&s.before, "at", kinds["at"], "")
}
