package hostgo

import (
	"slices"

	"github.com/paperclipai/syncplan/core"
)

// inRepo reports whether a directory is a .git directory or lies in one.
func inRepo(path string) bool {
	if core.Name(path) == ".git" {
		return true
	}
	repo, _ := core.RepoPath(path)
	return repo != ""
}

// readingRank is the order in which the names of a repository are read; all others have 0. A
// commit that is made meanwhile must not show as a branch without its objects, nor one that is
// packed as a branch that is gone. So what names is read before what is named: HEAD, then refs,
// then packed-refs and the index, and objects at last.
var readingRank = map[string]int{"HEAD": -2, "refs": -1, "objects": 1}

// repoDir scans a directory of a repository, one of its sorted names after the other.
func (s *scanner) repoDir(at *place, names []string, r *reader) *folder {
	ranked := slices.Clone(names)
	slices.SortStableFunc(ranked, func(a, b string) int { return readingRank[a] - readingRank[b] })
	parts := make(map[string]*folder, len(names))
	for _, name := range ranked {
		parts[name] = &folder{path: at.path}
		s.name(at, parts[name], name, r)
	}
	f := &folder{path: at.path}
	for _, name := range names {
		f.join(parts[name])
	}
	return f
}

// join appends what is in g, a part of the same directory.
func (f *folder) join(g *folder) {
	for i, sub := range g.below {
		if f.below == nil {
			f.below = map[int]*folder{}
		}
		f.below[len(f.entries)+i] = sub
	}
	if f.dev == 0 {
		f.dev = g.dev
	}
	if g.dev != f.dev {
		clear(g.stamps) // of another device: not for a cache
	}
	f.entries, f.stamps = append(f.entries, g.entries...), append(f.stamps, g.stamps...)
}
