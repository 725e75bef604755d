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
	if len(results) > p.Decisions.Len() {
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
	var old core.Tree
	if base != nil && !p.BaseReset && !p.DropBase {
		old = base.Entries
	}
	next.Entries = advance(old, p.like, p.Decisions, results)
	next.Repos = keepRepos(next.Repos, next.Entries)
	next.Seen = seenAfter(old, next, p, results)
	return next, next.Validate()
}

// advance merges the sorted decisions that have results into the sorted entries.
func advance(old, like core.Tree, decisions merge.Decisions, results []merge.Result) core.Tree {
	if len(results) == 0 {
		return old
	}
	return settle(rewrite(old, like, decisions, results, advanceOne), old)
}

// advancer returns the entry that a decision with a result makes of one, nil for none.
type advancer func(*core.Entry, *merge.Decision, *merge.Result) *core.Entry

// rewrite gives each path that has decisions with results the entry that one after
// the other makes of the one before, nil for none. What lies between is copied
// unseen. Where the outcome is as like is, it shares that.
func rewrite(old, like core.Tree, decisions merge.Decisions, results []merge.Result, one advancer) core.Tree {
	out := core.TreeBuilder{Like: like}
	var kept core.Entry
	rest, reader := old.Cursor(), decisions.Reader()
	for k := 0; k < len(results); {
		d := reader.At(k)
		path := d.Path
		out.Take(&rest, rest.Before(path))
		var e *core.Entry
		if rest.At(path) {
			e = rest.Head()
			rest.Skip(1)
		}
		for d.Path == path {
			if e = one(e, d, &results[k]); e != nil {
				kept = *e // of which reading the next decision may overwrite parts
				e = &kept
			}
			if k++; k == len(results) {
				break
			}
			d = reader.At(k)
		}
		if e != nil {
			e.Path = path
			out.Add(e)
		}
	}
	out.Take(&rest, rest.Left())
	return out.Tree()
}

func advanceOne(was *core.Entry, d *merge.Decision, r *merge.Result) *core.Entry {
	if r.Status == merge.Failed && d.Action == merge.Write && d.Expect == nil {
		return nil // what base has would count as deleted where it should have come
	}
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
func settle(entries, old core.Tree) core.Tree {
	if valid, err := entries.Validated(old); err == nil {
		return valid // as it is nearly always
	}
	out := make([]core.Entry, 0, entries.Len())
	leaf := "\x00"
	for e := range entries.All() {
		if core.Under(e.Path, leaf) {
			continue
		}
		out = addParents(out, core.Parent(e.Path), old)
		out = append(out, *e)
		if e.Kind != core.KindDir {
			leaf = e.Path
		}
	}
	return core.TreeOf(out)
}

func addParents(out []core.Entry, dir string, old core.Tree) []core.Entry {
	if dir == "" {
		return out
	}
	if n := len(out); n > 0 && (out[n-1].Path == dir || core.Under(out[n-1].Path, dir)) {
		return out
	}
	out = addParents(out, core.Parent(dir), old)
	if e := old.Find(dir); e != nil && e.Kind == core.KindDir {
		return append(out, *e)
	}
	return append(out, core.Entry{Path: dir, Kind: core.KindDir, Mode: 0o755})
}

// keepRepos drops the states of repositories that base does not hold any more.
func keepRepos(repos []core.Repo, entries core.Tree) []core.Repo {
	var out []core.Repo
	for _, r := range repos {
		if entries.Find(r.Path) != nil {
			out = append(out, r)
		}
	}
	return out
}

// arrived drops from the delivered versions those of which a part is missing,
// so that the next pull brings them again.
func arrived(p *Plan, results []merge.Result) []core.Aside {
	var lost []string
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Row == merge.RowSetAside && (i >= len(results) || results[i].Status == merge.Failed) {
			lost = append(lost, d.Path)
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
