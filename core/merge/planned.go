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
	// spellings are the paths of links and of what changes, by what this file system takes
	// them for; nil where it tells all names apart.
	spellings map[string]string
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

// spelled makes p find a link under any name that the file system takes for its own.
func (p *Planned) spelled(facts Facts) *Planned {
	if !facts.FoldCase && !facts.Normalize {
		return p
	}
	p.spellings = map[string]string{}
	for e := range p.target.Links() {
		p.spellings[facts.fold(e.Path)] = e.Path
	}
	for path, e := range p.wants {
		// What goes has no name where something else comes by another spelling of it.
		if _, other := p.spellings[facts.fold(path)]; e != nil || !other {
			p.spellings[facts.fold(path)] = path
		}
	}
	return p
}

// spelling returns a path as the tree writes it.
func (p *Planned) spelling(path string, facts Facts) string {
	if p.spellings == nil {
		return path
	}
	if as, ok := p.spellings[facts.fold(path)]; ok {
		return as
	}
	return path
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
