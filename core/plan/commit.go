package plan

import (
	"slices"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Commit returns the base after a plan was applied. It advances base only where
// a result says that the decision was carried out, and takes for a file that was
// sent the digest of the bytes that were really sent (promises D8, D9).
//
// results has one element a decision; a shorter list means that the rest was
// not reached.
func Commit(base *core.Base, p *Plan, results []merge.Result) (*core.Base, error) {
	if len(results) > len(p.Decisions) {
		return nil, invalid("results", "there are more results than decisions")
	}
	next := &core.Base{Marker: p.Marker, Repos: p.Repos, Delivered: p.Delivered}
	switch {
	case p.DropBase && base != nil:
		next.Delivered = base.Delivered // they are in the sandbox still
	case p.Op == merge.Push:
		next.Delivered = nil // the push cleared them from the sandbox
	default:
		next.Delivered = arrived(p, results)
	}
	var old []core.Entry
	if base != nil && !p.BaseReset && !p.DropBase {
		old = base.Entries
	}
	next.Entries = advance(old, p.Decisions, results)
	next.Repos = keepRepos(next.Repos, next.Entries)
	next.Seen = seenAfter(old, next, p, results)
	return next, next.Validate()
}

// advance merges the sorted decisions into the sorted entries.
func advance(old []core.Entry, decisions []merge.Decision, results []merge.Result) []core.Entry {
	if len(results) == 0 {
		return old
	}
	out := make([]core.Entry, 0, len(old)+len(results))
	i := 0
	for k := 0; k < len(results); {
		path := decisions[k].Path
		for i < len(old) && core.ComparePaths(old[i].Path, path) < 0 {
			out = append(out, old[i])
			i++
		}
		var was *core.Entry
		if i < len(old) && old[i].Path == path {
			was = &old[i]
			i++
		}
		for ; k < len(results) && decisions[k].Path == path; k++ {
			was = advanceOne(was, &decisions[k], &results[k])
		}
		if was != nil {
			e := *was
			e.Path = path
			out = append(out, e)
		}
	}
	return settle(append(out, old[i:]...), old)
}

func advanceOne(was *core.Entry, d *merge.Decision, r *merge.Result) *core.Entry {
	if !d.Advance || r.Status != merge.Done && r.Status != merge.Slipped {
		return was
	}
	if d.Base == nil || r.Digest.IsZero() || d.Base.Kind != core.KindFile {
		return d.Base
	}
	sent := *d.Base
	sent.Digest, sent.Size = r.Digest, r.Size
	return &sent
}

// settle restores what validity asks for: nothing lies below anything but a
// directory, and every parent is listed. A parent that base forgot while
// something below it could not be settled comes back from the old base.
func settle(entries, old []core.Entry) []core.Entry {
	check := core.Snapshot{Entries: entries}
	if check.Validate() == nil {
		return entries // as it is nearly always
	}
	out := make([]core.Entry, 0, len(entries))
	leaf := "\x00"
	for i := range entries {
		e := &entries[i]
		if core.Under(e.Path, leaf) {
			continue
		}
		out = addParents(out, core.Parent(e.Path), old)
		out = append(out, *e)
		if e.Kind != core.KindDir {
			leaf = e.Path
		}
	}
	return out
}

func addParents(out []core.Entry, dir string, old []core.Entry) []core.Entry {
	if dir == "" {
		return out
	}
	if n := len(out); n > 0 && (out[n-1].Path == dir || core.Under(out[n-1].Path, dir)) {
		return out
	}
	out = addParents(out, core.Parent(dir), old)
	e := core.Entry{Path: dir, Kind: core.KindDir, Mode: 0o755}
	if i, ok := core.Find(old, dir); ok && old[i].Kind == core.KindDir {
		e = old[i]
	}
	return append(out, e)
}

// keepRepos drops the states of repositories that base does not hold any more.
func keepRepos(repos []core.Repo, entries []core.Entry) []core.Repo {
	var out []core.Repo
	for _, r := range repos {
		if _, ok := core.Find(entries, r.Path); ok {
			out = append(out, r)
		}
	}
	return out
}

// arrived drops from the delivered versions those of which a part is missing,
// so that the next pull brings them again.
func arrived(p *Plan, results []merge.Result) []core.Aside {
	var lost []string
	for i := range p.Decisions {
		if p.Decisions[i].Row == merge.RowSetAside && (i >= len(results) || results[i].Status == merge.Failed) {
			lost = append(lost, p.Decisions[i].Path)
		}
	}
	var out []core.Aside
	for _, a := range p.Delivered {
		if !slices.ContainsFunc(lost, func(path string) bool { return path == a.Path || core.Under(path, a.Path) }) {
			out = append(out, a)
		}
	}
	return out
}
