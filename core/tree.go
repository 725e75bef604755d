package core

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Tree is a list of entries in the columns of their binary form: 80 bytes or so
// an entry, which nothing has to look at to pass over. It never changes, so
// copies share it. The zero value is empty.
type Tree struct {
	blocks []*block // each but the last holds blockEntries
	count  int
	valid  bool // found so when it was decoded, digests included
}

// TreeOf returns the tree of entries, in their order, whatever they are.
func TreeOf(entries []Entry) Tree {
	var b TreeBuilder
	for i := range entries {
		b.Add(&entries[i])
	}
	return b.Tree()
}

// Len returns the number of entries.
func (t Tree) Len() int { return t.count }

// List returns all entries.
func (t Tree) List() []Entry { return t.Cursor().List() }

// All yields the entries in their order. Each is overwritten by the next.
func (t Tree) All() func(yield func(*Entry) bool) {
	return func(yield func(*Entry) bool) {
		r := t.Cursor().Reader()
		for i := range t.count {
			if !yield(r.At(i)) {
				return
			}
		}
	}
}

// Reader reads the entries of a [Cursor] by their number, cheaply where those
// that follow each other are near.
type Reader struct {
	part  Cursor
	block *block // the last that was read
	paths string // of it
	entry Entry
}

// Reader returns one of the entries that are left.
func (c Cursor) Reader() Reader { return Reader{part: c} }

// Move makes r read the entries that are left of another cursor, near which it may have been.
func (r *Reader) Move(c Cursor) { r.part = c }

// At returns entry number i, which the next call overwrites.
func (r *Reader) At(i int) *Entry {
	c := r.part
	c.at += i
	b, k := c.block()
	if b != r.block {
		r.block, r.paths = b, string(b.paths)
	}
	r.entry = Entry{Path: r.paths[b.start(k):b.start(k+1)]}
	b.fill(&r.entry, k)
	return &r.entry
}

// Links yields the links in their order.
func (t Tree) Links() func(yield func(*Entry) bool) {
	return func(yield func(*Entry) bool) {
		for _, b := range t.blocks {
			for k := range b.counts.links {
				if !yield(b.entry(b.linkEntry(k))) {
					return
				}
			}
		}
	}
}

// Dirs yields the paths of the directories of a name.
func (t Tree) Dirs(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for c := t.Cursor(); ; c.Skip(1) {
			passed, _ := c.Tally(c.Left(), name)
			c.Skip(passed)
			if c.Left() == 0 {
				return
			}
			if e := c.Head(); e.Kind == KindDir && !yield(e.Path) {
				return
			}
		}
	}
}

// Holding yields the paths that hold a byte.
func (t Tree) Holding(c byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, b := range t.blocks {
			if bytes.IndexByte(b.paths, c) < 0 {
				continue
			}
			for i := range b.entries {
				if p := b.path(i); bytes.IndexByte(p, c) >= 0 && !yield(string(p)) {
					return
				}
			}
		}
	}
}

// Find returns the entry of a path, nil where there is none.
func (t Tree) Find(path string) *Entry {
	c := t.Cursor()
	c.Skip(c.Before(path))
	if e := c.Head(); e != nil && e.Path == path {
		return e
	}
	return nil
}

// Equal reports whether both trees have the same entries, all permissions and
// sizes included.
func (t Tree) Equal(other Tree) bool {
	return slices.EqualFunc(t.blocks, other.blocks, (*block).equal)
}

// columns are the fields of entries, each in a row of its own.
type columns struct{ sizes, digests, ends, modes, kinds, links, paths, targets []byte }

// all returns the columns in the order in which they travel.
func (c *columns) all() [8]*[]byte {
	return [8]*[]byte{&c.sizes, &c.digests, &c.ends, &c.modes, &c.kinds, &c.links, &c.paths, &c.targets}
}

// block is up to blockEntries entries in binary form. Its columns are parts of
// data.
type block struct {
	counts
	data []byte
	columns
}

// counts say how long the columns of a block are.
type counts struct{ entries, links, pathBytes, targetBytes int }

// lengths are those of the columns in bytes, in their order.
func (c counts) lengths() [8]int {
	n := c.entries
	return [8]int{8 * n, 32 * n, 4 * n, 2 * n, n, 8 * c.links, c.pathBytes, c.targetBytes}
}

// size returns the length of a block in bytes.
func (c counts) size() int {
	size := blockHeader
	for _, n := range c.lengths() {
		size += pad8(n)
	}
	return size
}

// columnsOf finds the columns in the bytes of a block.
func columnsOf(data []byte, c counts) *block {
	b := &block{counts: c, data: data}
	at, lengths := blockHeader, c.lengths()
	for i, column := range b.all() {
		*column = data[at : at+lengths[i]]
		at += pad8(lengths[i])
	}
	return b
}

// pathsAt is where the paths begin in the bytes of a block.
func (c counts) pathsAt() int {
	return c.size() - pad8(c.targetBytes) - pad8(c.pathBytes)
}

// equal compares all but the checksum, which a tree that was not decoded lacks.
func (b *block) equal(other *block) bool {
	return b == other || bytes.Equal(b.data[checksumLen:], other.data[checksumLen:])
}

func (b *block) kind(i int) Kind { return Kind(b.kinds[i]) }

// start is where the path of entry i begins.
func (b *block) start(i int) int {
	if i == 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint32(b.ends[4*i-4:]))
}

func (b *block) path(i int) []byte { return b.paths[b.start(i):b.start(i+1)] }

// firstLink returns the place of the first entry from i on that has a target
// among all that have.
func (b *block) firstLink(i int) int {
	low, high := 0, b.counts.links
	for low < high {
		if mid := (low + high) / 2; b.linkEntry(mid) < i {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

func (b *block) linkEntry(k int) int { return int(binary.LittleEndian.Uint32(b.columns.links[8*k:])) }

func (b *block) target(k int) []byte {
	start := uint32(0)
	if k > 0 {
		start = binary.LittleEndian.Uint32(b.columns.links[8*k-4:])
	}
	return b.targets[start:binary.LittleEndian.Uint32(b.columns.links[8*k+4:])]
}

func (b *block) entry(i int) *Entry {
	e := &Entry{Path: string(b.path(i))}
	b.fill(e, i)
	return e
}

// fill sets all of entry i but its path.
func (b *block) fill(e *Entry, i int) {
	le := binary.LittleEndian
	// A size beyond int64 becomes negative, which no file may have.
	e.Size = int64(le.Uint64(b.sizes[8*i:]))
	e.Digest = Digest(b.digests[32*i : 32*i+32])
	e.Mode = le.Uint16(b.modes[2*i:])
	e.Kind = b.kind(i)
	if k := b.firstLink(i); k < b.counts.links && b.linkEntry(k) == i {
		e.Target = string(b.target(k))
	}
}
