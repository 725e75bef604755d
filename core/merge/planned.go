package merge

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// Planned is a tree as it will be: the target under the decisions.
type Planned struct {
	target core.Tree
	wants  map[string]*core.Entry // by Dest; nil: nothing stands there
	taken  map[string]int         // Dest → index of the decision that puts it there
}

// PlannedOf returns what decisions make of the target.
func PlannedOf(target core.Tree, list Decisions) *Planned {
	p := &Planned{target: target, wants: map[string]*core.Entry{}, taken: map[string]int{}}
	decisions := list.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		switch {
		case d.Action == Delete:
			p.wants[d.Path] = nil
			p.taken[d.Path] = i
		case puts(d):
			p.wants[d.Dest] = d.Want
			p.taken[d.Dest] = i
		}
	}
	return p
}

func puts(d *Decision) bool {
	return d.Want != nil && (d.Action == Write || d.Action == Copy)
}

// At returns what will stand at path, nil for nothing.
func (p *Planned) At(path string) *core.Entry {
	if e, ok := p.wants[path]; ok {
		return e
	}
	return p.target.Find(path)
}

// Near returns path where its directory will stand, else the same name in the
// nearest directory above that does, so that what belongs at path finds a place.
func (p *Planned) Near(path string) string {
	dir := ""
	for dir != core.Parent(path) {
		rest := strings.TrimPrefix(path[len(dir):], "/")
		next := core.Join(dir, rest[:strings.IndexByte(rest, '/')])
		if !isDir(p.At(next)) {
			break
		}
		dir = next
	}
	return core.Join(dir, core.Name(path))
}
