package merge

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// collide finds names that this host's file system takes for one. The name that
// is already there keeps its path; among new ones the first in path order does.
// The other becomes a conflict copy, with its subtree.
func (w *walker) collide() {
	facts := w.in.Facts
	if !facts.FoldCase && !facts.Normalize {
		return
	}
	fold := facts.fold
	gone := map[string]bool{}
	decisions := w.out.Decisions.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Action == Delete {
			gone[d.Path] = true
		}
	}
	taken := map[string]string{}
	for e := range w.target.Entries.All() {
		if !gone[e.Path] {
			taken[fold(e.Path)] = e.Path
		}
	}
	from, to := "", ""
	for i := range decisions.Len() {
		d := decisions.At(i)
		if d.Action != Write && d.Action != Copy {
			continue
		}
		if from != "" && core.Under(d.Path, from) {
			d.Dest = to + strings.TrimPrefix(d.Path, from)
			continue
		}
		key := fold(d.Dest)
		if other, ok := taken[key]; !ok || other == d.Dest {
			taken[key] = d.Dest
			continue
		}
		dest := CopyName(d.Dest, TreeDigest(d.Want, nil), func(p string) bool { _, used := taken[fold(p)]; return used })
		taken[fold(dest)] = dest
		if isDir(d.Want) {
			from, to = d.Path, dest
		}
		d.Dest, d.Action = dest, Copy
		w.report(d.Path, ConflictCollision, dest)
	}
}
