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
	v := checker{tree: t, unread: unread}
	if known.valid {
		v.known = known.Cursor()
	}
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
	before []byte // the path of the entry before; nil for the first
	inDir  bool   // that one is a directory
}

// block checks the block that begins with entry number first.
func (v *checker) block(first int) error {
	b := v.tree.blocks[first/blockEntries]
	careful := !b.plain(v.unread)
	before, inDir, start := v.before, v.inDir, 0
	for i := 0; i < b.entries; {
		end := b.start(i + 1)
		path := b.paths[start:end]
		if !follows(before, inDir, path) {
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
			if n = v.run(first+i, b.entries-i); n > 1 {
				path, end = b.path(i+n-1), b.start(i+n)
			}
		}
		i += n
		before, inDir, start = path, b.kind(i-1) == KindDir, end
	}
	v.before, v.inDir = before, inDir
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
// none that may not. What both begin with alike was examined there, and the
// directories in it are listed.
func follows(before []byte, inDir bool, path []byte) bool {
	n := commonPrefix(before, path)
	if n == len(path) || len(path) > MaxPath || path[len(path)-1] == '.' || n > 0 && path[n-1] >= utf8.RuneSelf {
		return false
	}
	rest := path[n:]
	switch {
	case n < len(before):
		if was := before[n]; was != '/' && was >= rest[0] {
			return false
		}
	case rest[0] == '/':
		if rest = rest[1:]; !inDir || len(rest) == 0 {
			return false
		}
	}
	if n := len(rest); n < 8 && len(path) >= 8 {
		// The last 8 bytes of the path, without those before the rest.
		w := binary.LittleEndian.Uint64(path[len(path)-8:])
		return plainWord(w>>(64-8*n) | letters<<(8*n))
	}
	return plainText(rest)
}

const (
	ones    = 0x0101010101010101 // one in each byte of a word
	letters = 'a' * ones
)

// plainWord holds for 8 bytes without NUL, slash or anything beyond ASCII: to one
// below 0x80, adding 0x7f sets the high bit unless it is 0.
func plainWord(w uint64) bool {
	const high, low, slashes = 0x80 * ones, 0x7f * ones, '/' * ones
	return w&high == 0 && (w+low)&((w^slashes)+low)&high == high
}

// plainText is plainWord of any number of bytes.
func plainText(s []byte) bool {
	for ; len(s) >= 8; s = s[8:] {
		if !plainWord(binary.LittleEndian.Uint64(s)) {
			return false
		}
	}
	for _, c := range s {
		if c-1 >= utf8.RuneSelf-1 || c == '/' {
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
	a, b = a[:n], b[:n]
	i := 0
	if n >= 64 {
		for ; i+32 <= n; i += 32 {
			x, y := (*[32]byte)(a[i:]), (*[32]byte)(b[i:])
			if (le.Uint64(x[:8])^le.Uint64(y[:8]))|(le.Uint64(x[8:16])^le.Uint64(y[8:16]))|
				(le.Uint64(x[16:24])^le.Uint64(y[16:24]))|(le.Uint64(x[24:])^le.Uint64(y[24:])) != 0 {
				break
			}
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
