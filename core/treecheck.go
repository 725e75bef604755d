package core

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Validated returns the tree, known to be valid from now on, with digests; else the
// first error, as [Snapshot.Validate] does. What stands in the tree like as well
// is not checked again, where that is known to be valid.
func (t Tree) Validated(like Tree) (Tree, error) {
	err := t.validate(false, like)
	t.valid = err == nil
	return t, err
}

// validate checks what the planner relies on: order, names, and that each parent
// is listed and each column says what an entry of its kind may have. Where a run
// of entries stands in known too, if that is valid, only its first is looked at:
// that it follows the entry before it makes the rest valid here as well.
func (t Tree) validate(unread bool, known Tree) error {
	if t.count > MaxEntries {
		return &Error{Code: CodeLimit, Field: "entries", Message: "more than " + itoa(MaxEntries) + " entries"}
	}
	if t.valid && !unread {
		return nil
	}
	v := newChecker(t, unread, known)
	for n := range t.blocks {
		if err := v.block(n); err != nil {
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

func newChecker(t Tree, unread bool, known Tree) *checker {
	v := &checker{tree: t, unread: unread}
	if known.valid {
		v.known = known.Cursor()
	}
	return v
}

// block checks block number n, after those before it.
func (v *checker) block(n int) error {
	b, first := v.tree.blocks[n], n*blockEntries
	careful := !b.plain(v.unread)
	for i := 0; i < b.entries; {
		oneByOne := careful || v.known.Left() > 0
		next := i
		if i > 0 {
			limit := b.entries
			if oneByOne {
				limit = i + 1
			}
			next = b.following(i, limit)
		}
		if next == i {
			if err := v.pathError(first + i); err != nil {
				return err
			}
			next = i + 1
		}
		switch {
		case careful:
			if err := validateEntry(first+i, b.entry(i), v.unread); err != nil {
				return err
			}
		case oneByOne:
			next = i + v.run(first+i, b.entries-i)
		}
		i = next
	}
	return nil
}

// run returns how many entries may be passed over, at most limit: the one at a place,
// which was found to follow the one before, and those after it that stand behind it in
// known as well.
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

// word is how many bytes are looked at together. Each path is read with as many
// behind it, which belong to what follows in the block.
const word = 8

// following returns the first entry from i on, at most limit, that does not
// plainly follow the one before it in this block. It never passes an entry that may
// not stand there. It may stop at one that may, at an unusual name or at the end of
// the block, which is then looked at with care. What a path has in common with the
// one before was examined there, and the directories in it are listed.
func (b *block) following(i, limit int) int {
	le := binary.LittleEndian
	text := b.data[b.pathsAt():]
	start := b.start(i)
	if start+word > len(text) {
		return i
	}
	before := text[b.start(i-1) : start+word : start+word]
	for ; i < limit; i++ {
		end := b.start(i+1) + word
		if end > len(text) || end-start > MaxPath+word {
			return i
		}
		path := text[start:end:end]
		n := min(commonPrefix(before, path), len(before)-word)
		if n >= len(path)-word || path[len(path)-word-1] == '.' {
			return i
		}
		rest := path[n:]
		switch c := rest[0]; {
		case n < len(before)-word:
			// Where path[:n] ends inside a character, what stood there is no ASCII, and c is not above it.
			if was := before[n]; was != '/' && was >= c {
				return i
			}
		case c == '/':
			if rest = rest[1:]; len(rest) == word || b.kind(i-1) != KindDir {
				return i
			}
		}
		for ; len(rest) > 2*word; rest = rest[word:] {
			if !plainWord(le.Uint64(rest)) {
				return i
			}
		}
		// What lies behind the path is shifted out of the last word.
		behind := uint(2*word-len(rest)) * 8 % 64
		if !plainWord(le.Uint64(rest)<<behind | letters&(1<<behind-1)) {
			return i
		}
		before, start = path, end-word
	}
	return i
}

const (
	ones    = 0x0101010101010101 // one in each byte of a word
	letters = 'a' * ones
)

// plainWord holds for 8 bytes without NUL, slash or anything beyond ASCII. Adding
// 0x7f to a byte sets its high bit if it was 1 to 0x80, so the first sum lacks it for NUL
// and the second for a slash. Of the bytes beyond ASCII 0x80 lacks it in the second sum, the
// others in the first, and only those carry into the next byte.
func plainWord(w uint64) bool {
	const high, low, slashes = 0x80 * ones, 0x7f * ones, '/' * ones
	return (w+low)&((w^slashes)+low)&high == high
}

// commonPrefix returns the length of what a and b begin with alike. It reads 8
// bytes at once, where bytes.Equal in WebAssembly reads one.
func commonPrefix(a, b []byte) int {
	le := binary.LittleEndian
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	i := 0
	for ; i+64 <= n; i += 64 {
		x, y := (*[64]byte)(a[i:]), (*[64]byte)(b[i:])
		if (le.Uint64(x[:8])^le.Uint64(y[:8]))|(le.Uint64(x[8:16])^le.Uint64(y[8:16]))|
			(le.Uint64(x[16:24])^le.Uint64(y[16:24]))|(le.Uint64(x[24:32])^le.Uint64(y[24:32]))|
			(le.Uint64(x[32:40])^le.Uint64(y[32:40]))|(le.Uint64(x[40:48])^le.Uint64(y[40:48]))|
			(le.Uint64(x[48:56])^le.Uint64(y[48:56]))|(le.Uint64(x[56:])^le.Uint64(y[56:])) != 0 {
			break
		}
	}
	for ; i+8 <= n; i += 8 {
		if x := le.Uint64(a[i:i+8]) ^ le.Uint64(b[i:i+8]); x != 0 {
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
	const tooManyBits = MaxMode<<48 | MaxMode<<32 | MaxMode<<16 | MaxMode
	if orWords(b.sizes) > MaxSize || orWords(b.modes)&^tooManyBits != 0 {
		return false
	}
	le := binary.LittleEndian
	links := 0
	for i, kind := range b.kinds {
		d := b.digests[32*i : 32*i+32]
		if Kind(kind) == KindFile {
			// The first word of a digest is hardly ever zero.
			if le.Uint64(d) == 0 && !unread && orWords(d) == 0 {
				return false
			}
			continue
		}
		if le.Uint64(b.sizes[8*i:])|orWords(d) != 0 {
			return false
		}
		switch Kind(kind) {
		case KindDir:
		case KindLink:
			links++
		default:
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

// orWords returns the bits that are set in any of the words of b, the last of
// which may be cut off.
func orWords(b []byte) uint64 {
	le := binary.LittleEndian
	all := uint64(0)
	for ; len(b) >= 32; b = b[32:] {
		w := (*[32]byte)(b)
		all |= le.Uint64(w[:8]) | le.Uint64(w[8:16]) | le.Uint64(w[16:24]) | le.Uint64(w[24:])
	}
	for ; len(b) >= 8; b = b[8:] {
		all |= le.Uint64(b)
	}
	for i, c := range b {
		all |= uint64(c) << (8 * i)
	}
	return all
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
