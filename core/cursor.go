package core

import (
	"bytes"
	"encoding/binary"
)

// Cursor is what is left of a tree, or of a part of one. A copy moves by itself.
type Cursor struct {
	tree    Tree
	at, end int
	head    *Entry // nil until it is asked for
}

// Cursor returns one that stands at the first entry.
func (t Tree) Cursor() Cursor { return Cursor{tree: t, end: t.count} }

// Left returns the number of entries that are left.
func (c *Cursor) Left() int { return c.end - c.at }

// Skip passes over the next n entries; there must be as many.
func (c *Cursor) Skip(n int) {
	if n > 0 {
		c.at, c.head = c.at+n, nil
	}
}

// Passed returns a cursor over the entry that was passed last.
func (c *Cursor) Passed() Cursor { return Cursor{tree: c.tree, at: c.at - 1, end: c.at} }

// Join takes in what next is over, and reports false where that does not follow
// the end of c in the same tree.
func (c *Cursor) Join(next Cursor) bool {
	if c.end != next.at || len(c.tree.blocks) == 0 || len(next.tree.blocks) == 0 || &c.tree.blocks[0] != &next.tree.blocks[0] {
		return false
	}
	c.end = next.end
	return true
}

// Head returns the next entry, nil at the end.
func (c *Cursor) Head() *Entry {
	if c.head == nil && c.at < c.end {
		b, i := c.block()
		c.head = b.entry(i)
	}
	return c.head
}

// block returns where the next entry lies.
func (c *Cursor) block() (b *block, i int) {
	return c.tree.blocks[c.at/blockEntries], c.at % blockEntries
}

// path returns that of the entry n places on.
func (c *Cursor) path(n int) []byte {
	at := c.at + n
	return c.tree.blocks[at/blockEntries].path(at % blockEntries)
}

// At reports whether the next entry is that of path.
func (c *Cursor) At(path string) bool { return c.at < c.end && string(c.path(0)) == path }

// Before returns how many of the entries left are ordered before path.
func (c *Cursor) Before(path string) int {
	return c.leading(func(p []byte) bool { return comparePaths(p, path) < 0 })
}

// Below returns a cursor over those next entries that lie below a directory.
func (c *Cursor) Below(dir string) Cursor {
	n := c.leading(func(p []byte) bool {
		return dir == "" || len(p) > len(dir) && p[len(dir)] == '/' && string(p[:len(dir)]) == dir
	})
	return Cursor{tree: c.tree, at: c.at, end: c.at + n}
}

// leading returns how many of the entries left come before the first for which
// holds is false, and hence for all after it. Few are looked at where few hold.
func (c *Cursor) leading(holds func(path []byte) bool) int {
	low, high := 0, 1
	for high <= c.Left() && holds(c.path(high-1)) {
		low, high = high, 2*high
	}
	high = min(high-1, c.Left())
	for low < high {
		if mid := (low + high) / 2; holds(c.path(mid)) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// List returns the entries that are left.
func (c Cursor) List() []Entry {
	if c.Left() == 0 {
		return nil
	}
	out := make([]Entry, c.Left())
	var paths string // of the block
	for k := range out {
		b, i := c.block()
		if k == 0 || i == 0 {
			paths = string(b.paths)
		}
		out[k].Path = paths[b.start(i):b.start(i+1)]
		b.fill(&out[k], i)
		c.at++
	}
	return out
}

// Tally counts the files among the next n entries. It stops before an entry of the
// given name, unless that is "", and returns how many entries it passed.
func (c *Cursor) Tally(n int, name string) (passed, files int) {
	for at := c.at; at < c.at+n; {
		b, i := c.tree.blocks[at/blockEntries], at%blockEntries
		for end := min(b.entries, i+c.at+n-at); i < end; i, at = i+1, at+1 {
			if name != "" && b.named(i, name) {
				return at - c.at, files
			}
			if b.kind(i) == KindFile {
				files++
			}
		}
	}
	return n, files
}

// named reports whether the last segment of a path is name.
func (b *block) named(i int, name string) bool {
	p := b.path(i)
	at := len(p) - len(name)
	return at >= 0 && string(p[at:]) == name && (at == 0 || p[at-1] == '/')
}

// ModesDiffer counts those of the next n entries whose permissions differ from
// the other's.
func (c *Cursor) ModesDiffer(other *Cursor, n int) int {
	count := 0
	for k := 0; k < n; {
		x, y := *c, *other
		x.at, y.at = c.at+k, other.at+k
		a, i := x.block()
		b, j := y.block()
		run := min(n-k, a.entries-i, b.entries-j)
		if am, bm := a.modes[2*i:2*(i+run)], b.modes[2*j:2*(j+run)]; a != b && !bytes.Equal(am, bm) {
			for m := 0; m < 2*run; m += 2 {
				if am[m] != bm[m] || am[m+1] != bm[m+1] {
					count++
				}
			}
		}
		k += run
	}
	return count
}

// SameRun returns how many entries from the next on, at most limit, are the same
// in both: path, kind, content and executable bit.
func (c *Cursor) SameRun(other *Cursor, limit int) int {
	limit = min(limit, c.Left(), other.Left())
	n := 0
	for n < limit {
		x, y := *c, *other
		x.at, y.at = c.at+n, other.at+n
		a, i := x.block()
		b, j := y.block()
		run := min(limit-n, a.entries-i, b.entries-j)
		same := a.sameRun(i, b, j, run)
		n += same
		if same < run {
			break
		}
	}
	return n
}

// sameRun compares pieces that grow while they are the same, so that little is
// looked at in vain where much differs.
func (b *block) sameRun(i int, other *block, j, limit int) int {
	if b == other && i == j {
		return limit
	}
	n := 0
	for step := 8; n < limit; step *= 4 {
		piece := min(step, limit-n)
		same := b.samePiece(i+n, other, j+n, piece)
		n += same
		if same < piece {
			break
		}
	}
	return n
}

// samePiece returns how many of n entries are the same, column by column.
func (b *block) samePiece(i int, other *block, j, n int) int {
	n = commonPrefix(b.digests[32*i:32*(i+n)], other.digests[32*j:32*(j+n)]) / 32
	n = commonPrefix(b.kinds[i:i+n], other.kinds[j:j+n])
	n = b.samePaths(i, other, j, n)
	n = sameBits(b.modes[2*i:2*(i+n)], other.modes[2*j:2*(j+n)])
	return b.sameTargets(i, other, j, n)
}

func (b *block) samePaths(i int, other *block, j, n int) int {
	p, q := b.start(i), other.start(j)
	n = sameEnds(b.ends[4*i:4*(i+n)], other.ends[4*j:4*(j+n)], uint32(q-p))
	same := p + commonPrefix(b.paths[p:b.start(i+n)], other.paths[q:other.start(j+n)])
	low := 0 // entries that end within what is the same
	for low < n {
		if mid := (low + n + 1) / 2; b.start(i+mid) <= same {
			low = mid
		} else {
			n = mid - 1
		}
	}
	return n
}

// sameEnds compares ends of paths in two blobs, in one of which all stand later.
func sameEnds(a, b []byte, later uint32) int {
	if later == 0 {
		return commonPrefix(a, b) / 4
	}
	n := 0
	for ; len(a) >= 4 && len(b) >= 4; a, b = a[4:], b[4:] {
		if binary.LittleEndian.Uint32(a)+later != binary.LittleEndian.Uint32(b) {
			break
		}
		n++
	}
	return n
}

// sameBits compares the executable bits of modes.
func sameBits(a, b []byte) int {
	k := commonPrefix(a, b) &^ 1
	for k < len(a) && (a[k]^b[k])&0o100 == 0 {
		k += 2
	}
	return k / 2
}

func (b *block) sameTargets(i int, other *block, j, n int) int {
	if b.counts.links+other.counts.links == 0 {
		return n
	}
	k, m := b.firstLink(i), other.firstLink(j)
	for ; k < b.counts.links && b.linkEntry(k) < i+n; k, m = k+1, m+1 {
		if m == other.counts.links || b.linkEntry(k)-i != other.linkEntry(m)-j || !bytes.Equal(b.target(k), other.target(m)) {
			break
		}
	}
	// The first link of either that has no equal ends the run.
	if k < b.counts.links {
		n = min(n, b.linkEntry(k)-i)
	}
	if m < other.counts.links {
		n = min(n, other.linkEntry(m)-j)
	}
	return n
}
