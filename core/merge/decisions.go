package merge

import (
	"sort"

	"github.com/paperclipai/syncplan/core"
)

// Decisions is a list of decisions, sorted by path. Where a push makes what the
// sandbox lacks, as a first one does nearly everywhere, it keeps a part of the
// source's tree instead of a decision for each entry. The zero value is empty.
type Decisions struct {
	parts []part
	count int
}

// part is a row of decisions: a list, or the entries of a part of a tree, each of
// which is written where nothing stands.
type part struct {
	first int // number of its first decision
	list  []Decision
	made  core.Cursor
	row   Row // of those
}

func (s *part) count() int { return len(s.list) + s.made.Left() }

// last is the number of its last decision.
func (s *part) last() int { return s.first + s.count() - 1 }

// DecisionsOf returns decisions that a list holds, in their order.
func DecisionsOf(list []Decision) Decisions {
	if len(list) == 0 {
		return Decisions{}
	}
	return Decisions{parts: []part{{list: list}}, count: len(list)}
}

// Len returns the number of decisions.
func (l Decisions) Len() int { return l.count }

// List returns all decisions: a list that l holds, or a new one.
func (l Decisions) List() []Decision {
	switch {
	case l.count == 0:
		return nil
	case len(l.parts) == 1 && l.parts[0].list != nil:
		return l.parts[0].list
	}
	out := make([]Decision, 0, l.count)
	var entries core.Reader
	for i := range l.parts {
		s := &l.parts[i]
		out = append(out, s.list...)
		entries.Move(s.made)
		for k := range s.made.Left() {
			e := *entries.At(k)
			out = append(out, create(&e, s.row))
		}
	}
	return out
}

// create is the decision to write an entry where nothing stands.
func create(e *core.Entry, row Row) Decision {
	return Decision{Path: e.Path, Dest: e.Path, Want: e, Base: e, Row: row, Action: Write, Advance: true}
}

// Add appends a decision.
func (l *Decisions) Add(d Decision) {
	n := len(l.parts)
	if n == 0 || len(l.parts[n-1].list) == 0 {
		l.parts, n = append(l.parts, part{first: l.count}), n+1
	}
	last := &l.parts[n-1]
	last.list, l.count = append(last.list, d), l.count+1
}

// create appends the decision to write the one entry of a cursor where nothing
// stands.
func (l *Decisions) create(e core.Cursor, row Row) {
	n := len(l.parts)
	l.count++
	if n > 0 && l.parts[n-1].row == row && l.parts[n-1].made.Join(e) {
		return
	}
	l.parts = append(l.parts, part{first: l.count - 1, made: e, row: row})
}

// join appends other decisions.
func (l *Decisions) join(other Decisions) {
	for _, s := range other.parts {
		s.first = l.count
		l.parts, l.count = append(l.parts, s), l.count+s.count()
	}
}

// listed returns decision number i, which was added, to be changed.
func (l *Decisions) listed(i int) *Decision {
	s := &l.parts[l.part(i)]
	return &s.list[i-s.first]
}

// part returns the number of the part that holds decision number i.
func (l *Decisions) part(i int) int {
	return sort.Search(len(l.parts), func(part int) bool { return l.parts[part].first > i }) - 1
}

// Sort brings the decisions into path order; those of one path stay in theirs.
func (l *Decisions) Sort() {
	if l.sorted() {
		return
	}
	list := l.List()
	core.Sort(list, func(a, b Decision) int { return core.ComparePaths(a.Path, b.Path) })
	*l = DecisionsOf(list)
}

// sorted reports whether the decisions are in path order. The entries of a tree are,
// so of a row of them the first and the last tell.
func (l *Decisions) sorted() bool {
	before, decisions := "", l.Reader()
	for i := 0; i < decisions.Len(); {
		d := decisions.At(i)
		if core.ComparePaths(before, d.Path) > 0 {
			return false
		}
		before = d.Path
		if s := &l.parts[decisions.at]; s.made.Left() > 0 && i < s.last() {
			i = s.last()
		} else {
			i++
		}
	}
	return true
}

// DecisionReader reads decisions by their number, cheaply where those that follow
// each other are near.
type DecisionReader struct {
	of      Decisions
	at      int // the part that was read last
	entries core.Reader
	made    Decision
}

// Reader returns a reader.
func (l Decisions) Reader() *DecisionReader {
	r := &DecisionReader{of: l}
	if len(l.parts) > 0 {
		r.entries = l.parts[0].made.Reader()
	}
	return r
}

// Len returns the number of decisions.
func (r *DecisionReader) Len() int { return r.of.count }

// At returns decision number i, from 0 to Len-1. The next call overwrites it, with
// the entries that it points to.
func (r *DecisionReader) At(i int) *Decision {
	s := &r.of.parts[r.at]
	if i < s.first || i >= s.first+s.count() {
		s = r.find(i)
	}
	if len(s.list) > 0 {
		return &s.list[i-s.first]
	}
	r.made = create(r.entries.At(i-s.first), s.row)
	return &r.made
}

// find goes to the part of a decision.
func (r *DecisionReader) find(i int) *part {
	r.at = r.of.part(i)
	r.entries.Move(r.of.parts[r.at].made)
	return &r.of.parts[r.at]
}
