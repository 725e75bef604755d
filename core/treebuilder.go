package core

import (
	"bytes"
	"encoding/binary"
)

// TreeBuilder makes a tree of entries that come in its order. The zero value is
// ready.
type TreeBuilder struct {
	// Like is a tree whose blocks the new one shares where they come out the same.
	Like Tree

	tree Tree
	columns
}

// Add appends an entry.
func (t *TreeBuilder) Add(e *Entry) { t.AddIn("", e) }

// AddIn appends an entry of a directory, whose path is its name there.
func (t *TreeBuilder) AddIn(dir string, e *Entry) {
	le := binary.LittleEndian
	t.sizes = le.AppendUint64(t.sizes, uint64(e.Size))
	t.digests = append(t.digests, e.Digest[:]...)
	if dir != "" {
		t.paths = append(append(t.paths, dir...), '/')
	}
	t.paths = append(t.paths, e.Path...)
	t.ends = le.AppendUint32(t.ends, uint32(len(t.paths)))
	t.modes = le.AppendUint16(t.modes, e.Mode)
	t.kinds = append(t.kinds, byte(e.Kind))
	if e.Target != "" {
		t.targets = append(t.targets, e.Target...)
		t.link(len(t.kinds) - 1)
	}
	if len(t.kinds) == blockEntries {
		t.flush()
	}
}

// link notes that the target which ends the blob is that of entry i.
func (t *TreeBuilder) link(i int) {
	t.links = binary.LittleEndian.AppendUint32(t.links, uint32(i))
	t.links = binary.LittleEndian.AppendUint32(t.links, uint32(len(t.targets)))
}

// Take appends the next n entries of c, which moves on.
func (t *TreeBuilder) Take(c *Cursor, n int) {
	for n > 0 {
		b, i := c.block()
		run := min(n, b.entries-i, blockEntries-len(t.kinds))
		if run == blockEntries {
			t.tree.blocks = append(t.tree.blocks, b)
			t.tree.count += run
		} else {
			t.take(b, i, i+run)
		}
		c.Skip(run)
		n -= run
	}
}

// take appends entries i to j of a block; there is room for them.
func (t *TreeBuilder) take(b *block, i, j int) {
	le := binary.LittleEndian
	first, shift := len(t.kinds), len(t.paths)-b.start(i)
	t.sizes = append(t.sizes, b.sizes[8*i:8*j]...)
	t.digests = append(t.digests, b.digests[32*i:32*j]...)
	t.paths = append(t.paths, b.paths[b.start(i):b.start(j)]...)
	t.modes = append(t.modes, b.modes[2*i:2*j]...)
	t.kinds = append(t.kinds, b.kinds[i:j]...)
	for k := i; k < j; k++ {
		t.ends = le.AppendUint32(t.ends, uint32(b.start(k+1)+shift))
	}
	for k := b.firstLink(i); k < b.counts.links && b.linkEntry(k) < j; k++ {
		t.targets = append(t.targets, b.target(k)...)
		t.link(first + b.linkEntry(k) - i)
	}
	if len(t.kinds) == blockEntries {
		t.flush()
	}
}

// Tree returns the tree and begins another.
func (t *TreeBuilder) Tree() Tree {
	if len(t.kinds) > 0 {
		t.flush()
	}
	tree := t.tree
	t.tree = Tree{}
	return tree
}

// flush appends a block of what is collected. Its checksum is left to whoever
// writes it down.
func (t *TreeBuilder) flush() {
	c := counts{len(t.kinds), len(t.links) / 8, len(t.paths), len(t.targets)}
	b := t.alike(c)
	if b == nil {
		b = t.block(c)
	}
	for _, column := range t.all() {
		*column = (*column)[:0]
	}
	t.tree.blocks = append(t.tree.blocks, b)
	t.tree.count += c.entries
}

// alike returns the block of Like that is what is collected, nil if it is not.
func (t *TreeBuilder) alike(c counts) *block {
	n := len(t.tree.blocks)
	if n >= len(t.Like.blocks) || t.Like.blocks[n].counts != c {
		return nil
	}
	b := t.Like.blocks[n]
	for i, column := range b.all() {
		if !bytes.Equal(*column, *t.all()[i]) {
			return nil
		}
	}
	return b
}

// block makes a block of what is collected.
func (t *TreeBuilder) block(c counts) *block {
	data := make([]byte, c.size())
	for i, v := range [4]int{c.entries, c.links, c.pathBytes, c.targetBytes} {
		binary.LittleEndian.PutUint32(data[checksumLen+4*i:], uint32(v))
	}
	at := blockHeader
	for _, column := range t.all() {
		at += pad8(copy(data[at:], *column))
	}
	return columnsOf(data, c)
}
