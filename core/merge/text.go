package merge

import (
	"bytes"
	"slices"
)

// MaxTextMerge is the largest content in bytes that callers give to
// [MergeText]. Larger files are decided as a whole.
const MaxTextMerge = 1 << 20

// IsText reports whether b may be merged line by line: no NUL byte in its
// first 8000 bytes, which is git's rule.
func IsText(b []byte) bool { return bytes.IndexByte(b[:min(len(b), 8000)], 0) < 0 }

// Labels are the names written behind conflict markers. Each is one line;
// where Base is empty a conflict does not show the lines of base.
type Labels struct{ Local, Base, Remote string }

// MergeText merges the changes that local and remote made to base and returns
// the number of conflicts; 0 means that merged is clean.
//
// The rules are git's. Changes that overlap or touch are a conflict, unless
// both sides made the same one; one unchanged line between them is enough to
// keep them apart. A missing final newline is part of its line. Conflicts are
// marked as git marks them, but the markers are longer than any that the
// contents hold, so that a tool can't take a line of the content for one.
func MergeText(base, local, remote []byte, labels Labels) (merged []byte, conflicts int) {
	symbols := map[string]int32{}
	m := merger{base: newText(base, symbols), local: newText(local, symbols), remote: newText(remote, symbols)}
	regions := regionsOf(diffLines(m.base.ids, m.local.ids, len(symbols)),
		diffLines(m.base.ids, m.remote.ids, len(symbols)))
	for _, g := range regions {
		if m.conflict(g) {
			conflicts++
		}
	}
	if conflicts > 0 {
		m.marks = newMarks(labels, base, local, remote)
		if m.marks.size > maxMark {
			// Such a marker for each conflict could outgrow any bound.
			regions, conflicts = []region{m.whole()}, 1
		}
	}
	m.out = make([]byte, 0, max(len(base), len(local), len(remote))+256)
	at := 0
	for _, g := range regions {
		m.take(m.base, lines{at, g.base.from})
		m.write(g)
		at = g.base.to
	}
	m.take(m.base, lines{at, len(m.base.ids)})
	return m.out, conflicts
}

// text is a content cut into lines. Line i is data[start[i]:start[i+1]], with
// its line feed.
type text struct {
	data  []byte
	start []int
	ids   []int32 // equal lines of the three contents have equal numbers
}

func newText(data []byte, symbols map[string]int32) *text {
	n := bytes.Count(data, []byte{'\n'}) + 1
	t := &text{data: data, start: make([]int, 1, n+1), ids: make([]int32, 0, n)}
	for at := 0; at < len(data); {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		id, ok := symbols[string(data[at:end])]
		if !ok {
			id = int32(len(symbols))
			symbols[string(data[at:end])] = id
		}
		t.start, t.ids = append(t.start, end), append(t.ids, id)
		at = end
	}
	return t
}

// lines is the range of lines from, up to and without to.
type lines struct{ from, to int }

// region is a stretch of base that at least one side changed, and what stands
// there on both sides.
type region struct {
	base, local, remote lines
	byLocal, byRemote   bool // who changed it
}

// regionsOf groups the hunks of both sides: hunks that overlap or touch share
// a region.
func regionsOf(local, remote []hunk) []region {
	var out []region
	var l, r side
	for l.hunks, r.hunks = local, remote; len(l.hunks) > 0 || len(r.hunks) > 0; {
		from := min(l.next(), r.next())
		to := from
		nl, nr := 0, 0
		for l.reach(nl, to) || r.reach(nr, to) {
			if l.reach(nl, to) {
				to, nl = max(to, l.hunks[nl].a1), nl+1
			} else {
				to, nr = max(to, r.hunks[nr].a1), nr+1
			}
		}
		g := region{base: lines{from, to}, byLocal: nl > 0, byRemote: nr > 0}
		g.local, g.remote = l.pop(nl, g.base), r.pop(nr, g.base)
		out = append(out, g)
	}
	return out
}

// side walks the hunks of one side. Shift is how many lines further down the
// side stands than base behind the last hunk taken.
type side struct {
	hunks []hunk
	shift int
}

func (s *side) next() int {
	if len(s.hunks) == 0 {
		return int(^uint(0) >> 1)
	}
	return s.hunks[0].a0
}

// reach reports whether hunk i begins at or before line to of base.
func (s *side) reach(i, to int) bool { return i < len(s.hunks) && s.hunks[i].a0 <= to }

// pop takes n hunks and returns the lines of the side that stand for base.
func (s *side) pop(n int, base lines) lines {
	from := base.from + s.shift
	if n > 0 {
		s.shift = s.hunks[n-1].b1 - s.hunks[n-1].a1
		s.hunks = s.hunks[n:]
	}
	return lines{from, base.to + s.shift}
}

// merger writes the result.
type merger struct {
	base, local, remote *text
	marks               marks
	out                 []byte
}

// whole is one region of everything.
func (m *merger) whole() region {
	return region{lines{0, len(m.base.ids)}, lines{0, len(m.local.ids)}, lines{0, len(m.remote.ids)}, true, true}
}

// conflict holds where both sides changed a region, differently.
func (m *merger) conflict(g region) bool {
	return g.byLocal && g.byRemote &&
		!slices.Equal(m.local.ids[g.local.from:g.local.to], m.remote.ids[g.remote.from:g.remote.to])
}

// write appends one region. Lines that both sides of a conflict begin or end
// with stay outside its markers.
func (m *merger) write(g region) {
	switch {
	case !g.byLocal:
		m.take(m.remote, g.remote)
		return
	case !m.conflict(g):
		m.take(m.local, g.local)
		return
	}
	l, r := g.local, g.remote
	head := commonPrefix(m.local.ids[l.from:l.to], m.remote.ids[r.from:r.to])
	m.take(m.local, lines{l.from, l.from + head})
	l.from, r.from = l.from+head, r.from+head
	tail := commonSuffix(m.local.ids[l.from:l.to], m.remote.ids[r.from:r.to])
	l.to, r.to = l.to-tail, r.to-tail
	m.mark('<', m.marks.labels.Local)
	m.take(m.local, l)
	if m.marks.labels.Base != "" {
		m.mark('|', m.marks.labels.Base)
		m.take(m.base, g.base)
	}
	m.mark('=', "")
	m.take(m.remote, r)
	m.mark('>', m.marks.labels.Remote)
	m.take(m.local, lines{l.to, l.to + tail})
}

func (m *merger) take(t *text, r lines) {
	m.out = append(m.out, t.data[t.start[r.from]:t.start[r.to]]...)
}

// mark appends a marker on a line of its own, even behind a last line without
// line feed.
func (m *merger) mark(c byte, label string) {
	if n := len(m.out); n > 0 && m.out[n-1] != '\n' {
		m.out = append(m.out, m.marks.eol...)
	}
	for range m.marks.size {
		m.out = append(m.out, c)
	}
	if label != "" {
		m.out = append(append(m.out, ' '), label...)
	}
	m.out = append(m.out, m.marks.eol...)
}
