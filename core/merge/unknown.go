package merge

import (
	"slices"

	"github.com/paperclipai/syncplan/core"
)

// gaps answers what a snapshot does not know. Its lists are short: a search
// for each ancestor costs less than keeping cursors.
type gaps struct {
	problems   []string // valid paths whose state, and all below, is unknown
	incomplete []string
	occupied   []string
}

func gapsOf(s *core.Snapshot) gaps {
	g := gaps{incomplete: s.Incomplete, occupied: s.Occupied}
	for i := range s.Problems {
		// No valid path equals an invalid name, so it hides none.
		if c := s.Problems[i].Code; c != core.ProblemInvalidName && c != core.ProblemTooLong {
			g.problems = append(g.problems, s.Problems[i].Path)
		}
	}
	g.problems = slices.Compact(g.problems)
	return g
}

// hides reports whether the absence of path from the entries means unknown.
func (g *gaps) hides(path string) bool {
	if len(g.problems) == 0 && len(g.incomplete) == 0 {
		return false
	}
	if holds(g.problems, path) {
		return true
	}
	for dir := path; dir != ""; {
		dir = core.Parent(dir)
		if holds(g.incomplete, dir) || holds(g.problems, dir) {
			return true
		}
	}
	return false
}

// pins reports whether dir holds, at any depth, something that the snapshot
// does not list, so that removing or replacing dir would destroy it.
func (g *gaps) pins(dir string) bool {
	return atOrBelow(g.problems, dir) || atOrBelow(g.incomplete, dir) || atOrBelow(g.occupied, dir)
}

func holds(paths []string, p string) bool {
	_, found := slices.BinarySearchFunc(paths, p, core.ComparePaths)
	return found
}

// atOrBelow relies on the order: what lies below dir follows dir at once.
func atOrBelow(paths []string, dir string) bool {
	i, found := slices.BinarySearchFunc(paths, dir, core.ComparePaths)
	return found || i < len(paths) && core.Under(paths[i], dir)
}
