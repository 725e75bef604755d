package core

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// validate checks what the planner relies on: order, names, and that each parent
// is listed and each column says what an entry of its kind may have. Where a run
// of entries stands in known too, which is valid, only its first is looked at:
// that it follows the entry before it makes the rest valid here as well.
func (t Tree) validate(unread bool, known Tree) error {
	if t.count > MaxEntries {
		return &Error{Code: CodeLimit, Field: "entries", Message: "more than " + itoa(MaxEntries) + " entries"}
	}
	if t.valid && !unread {
		return nil
	}
	v := checker{tree: t, unread: unread, known: known.Cursor()}
	for at := 0; at < t.count; at += blockEntries {
		if err := v.block(at); err != nil {
			return err
		}
	}
	return nil
}

// checker walks a tree. All directories above an entry that was passed are listed.
type checker struct {
	tree   Tree
	unread bool
	known  Cursor
}

// block checks the block that begins with entry number first.
func (v *checker) block(first int) error {
	b := v.tree.blocks[first/blockEntries]
	careful := !b.plain(v.unread)
	before, start, inDir := 0, 0, false // of the entry before: where its path begins and ends; whether it is a directory
	for i := 0; i < b.entries; {
		if end := b.start(i + 1); i == 0 || !b.follows(before, start, end, inDir) {
			if err := v.pathError(first + i); err != nil {
				return err
			}
		}
		n := 1
		switch {
		case careful:
			if err := validateEntry(first+i, b.entry(i), v.unread); err != nil {
				return err
			}
		case v.known.Left() > 0:
			n = v.run(first+i, b.entries-i)
		}
		i += n
		before, start, inDir = b.start(i-1), b.start(i), b.kind(i-1) == KindDir
	}
	return nil
}

// run returns how many entries from one on that follows the one before may be
// passed over, at most limit: itself, and what stands behind it in known as well.
func (v *checker) run(at, limit int) int {
	c := Cursor{tree: v.tree, at: at, end: at + limit}
	n := c.SameRun(&v.known, limit)
	if n == 0 {
		if gone := v.known.Before(string(c.path(0))); gone > 0 {
			v.known.Skip(gone)
			n = c.SameRun(&v.known, limit)
		}
	}
	v.known.Skip(n)
	return max(n, 1)
}

// pathError returns what is wrong with the path of an entry, nil for nothing.
func (v *checker) pathError(i int) error {
	c := Cursor{tree: v.tree, at: i, end: v.tree.count}
	path, before, inDir := string(c.path(0)), "", false
	if i > 0 {
		c.at--
		before, inDir = string(c.path(0)), c.Head().Kind == KindDir
	}
	if path == "" {
		return entryError(i, "path", "", CodeInvalidPath, pathFault(""))
	}
	if c := ComparePaths(before, path); c >= 0 {
		return entryError(i, "path", path, CodeInvalidSnapshot, orderFault(c))
	}
	if why := pathFault(path); why != "" {
		return entryError(i, "path", path, CodeInvalidPath, why)
	}
	if dir := Parent(path); dir != "" && !Under(before, dir) && !(inDir && before == dir) {
		return entryError(i, "path", path, CodeInvalidSnapshot, "the directory that holds it is not listed")
	}
	return nil
}

// follows holds for nearly all paths that may stand after the one before, and for
// none that may not. That begins at before and ends at start, where the path
// begins. What both begin with alike was examined there, and the directories in it
// are listed.
func (b *block) follows(before, start, end int, inDir bool) bool {
	p := b.paths
	n := sharedStart(p, before, start, min(start-before, end-start))
	at := start + n
	if at >= end || end-start > MaxPath || n > 0 && p[at-1] >= utf8.RuneSelf || p[end-1] == '.' {
		return false
	}
	switch {
	case n < start-before:
		if was := p[before+n]; was != '/' && was >= p[at] {
			return false
		}
	case p[at] == '/':
		if !inDir {
			return false
		}
		at++
	}
	return plainText(p[at:], end-at)
}

// sharedStart returns how many of n bytes from a and from b on, which is further on,
// are the same.
func sharedStart(p []byte, a, b, n int) int {
	i := 0
	for ; i < n && b+i+8 <= len(p); i += 8 {
		if x := binary.LittleEndian.Uint64(p[a+i:]) ^ binary.LittleEndian.Uint64(p[b+i:]); x != 0 {
			return min(i+bits.TrailingZeros64(x)/8, n)
		}
	}
	for i < n && p[a+i] == p[b+i] {
		i++
	}
	return min(i, n)
}

// plainText holds where the first n bytes of p may end a path: at least one, and
// no NUL, slash or character beyond ASCII. It looks at 8 bytes at once.
func plainText(p []byte, n int) bool {
	const ones = 0x0101010101010101
	const high, low, slashes, letters = 0x80 * ones, 0x7f * ones, '/' * ones, 'a' * ones
	if n == 0 {
		return false
	}
	for len(p) >= 8 && n > 0 {
		w := binary.LittleEndian.Uint64(p)
		if n < 8 {
			w = w&(1<<(8*n)-1) | letters<<(8*n)
		}
		// In a byte below 0x80, adding 0x7f sets the high bit unless it is 0.
		if w&high != 0 || (w+low)&((w^slashes)+low)&high != high {
			return false
		}
		p, n = p[8:], n-8
	}
	for i := 0; i < n; i++ {
		if c := p[i]; c-1 >= utf8.RuneSelf-1 || c == '/' {
			return false
		}
	}
	return true
}

// commonPrefix returns the length of what a and b begin with alike. It reads 8
// bytes at once, where bytes.Equal in WebAssembly reads one.
func commonPrefix(a, b []byte) int {
	le := binary.LittleEndian
	n := min(len(a), len(b))
	i := 0
	for ; i+32 <= n; i += 32 {
		x, y := (*[32]byte)(a[i:]), (*[32]byte)(b[i:])
		if (le.Uint64(x[:8])^le.Uint64(y[:8]))|(le.Uint64(x[8:16])^le.Uint64(y[8:16]))|
			(le.Uint64(x[16:24])^le.Uint64(y[16:24]))|(le.Uint64(x[24:])^le.Uint64(y[24:])) != 0 {
			break
		}
	}
	for ; i+8 <= n; i += 8 {
		if x := le.Uint64(a[i:]) ^ le.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// plain holds for the columns of valid blocks, and for none where an entry has
// what its kind may not have.
func (b *block) plain(unread bool) bool {
	le := binary.LittleEndian
	all := uint64(0)
	for m := b.modes; len(m) >= 2; m = m[2:] {
		all |= uint64(le.Uint16(m))
	}
	if all > MaxMode {
		return false
	}
	links := 0
	for i, kind := range b.kinds {
		size, d := le.Uint64(b.sizes[8*i:]), (*[32]byte)(b.digests[32*i:])
		content := le.Uint64(d[:8]) | le.Uint64(d[8:16]) | le.Uint64(d[16:24]) | le.Uint64(d[24:])
		switch Kind(kind) {
		case KindFile:
			if size > MaxSize || content == 0 && !unread {
				return false
			}
			continue
		case KindDir:
		case KindLink:
			links++
		default:
			return false
		}
		if size|content != 0 {
			return false
		}
	}
	// As many targets as links, and each is a link's: then each link has one.
	if links != b.counts.links {
		return false
	}
	for k := range links {
		if b.kind(b.linkEntry(k)) != KindLink || targetFault(b.target(k)) != "" {
			return false
		}
	}
	return true
}

func targetFault(target []byte) string {
	switch {
	case len(target) == 0 || len(target) > MaxTarget:
		return "a link needs a target of 1 to 4095 bytes"
	case bytes.IndexByte(target, 0) >= 0:
		return "a link's target holds a NUL byte"
	case !utf8.Valid(target):
		return "a link's target is not valid UTF-8"
	}
	return ""
}
