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
	v := checker{known: known.Cursor()}
	for k, b := range t.blocks {
		if err := v.block(t, k*blockEntries, b, unread); err != nil {
			return err
		}
	}
	return nil
}

// checker walks a tree. All directories above the entry before are listed.
type checker struct {
	before []byte // the path of the entry before; nil for the first
	inDir  bool   // that one is a directory
	known  Cursor
}

func (v *checker) block(t Tree, at int, b *block, unread bool) error {
	careful := !b.plain(unread)
	start := 0
	for i := 0; i < b.entries; {
		end := b.start(i + 1)
		path := b.paths[start:end]
		if !v.follows(path) {
			if err := v.fault(at+i, path); err != nil {
				return err
			}
		}
		n := 1
		switch {
		case careful:
			if err := validateEntry(at+i, b.entry(i), unread); err != nil {
				return err
			}
		case v.known.Left() > 0:
			n = v.run(t, at+i, b.entries-i)
		}
		if n > 1 {
			path = b.path(i + n - 1)
			end = b.start(i + n)
		}
		i += n
		start, v.before, v.inDir = end, path, b.kind(i-1) == KindDir
	}
	return nil
}

// run returns how many entries from one on that follows the one before may be
// passed over, at most limit: itself, and what stands behind it in known as well.
func (v *checker) run(t Tree, at, limit int) int {
	c := Cursor{tree: t, at: at, end: at + limit}
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

// follows holds for nearly all paths that may stand after the one before, and for
// none that may not. What they begin with alike was examined there, and the
// directories in it are listed.
func (v *checker) follows(path []byte) bool {
	n := commonPrefix(v.before, path)
	if n == len(path) || len(path) > MaxPath || n > 0 && path[n-1] >= utf8.RuneSelf {
		return false
	}
	rest := path[n:]
	switch {
	case n < len(v.before):
		if v.before[n] >= rest[0] && v.before[n] != '/' {
			return false
		}
	case rest[0] == '/':
		if !v.inDir {
			return false
		}
		rest = rest[1:]
	}
	return simpleName(rest)
}

// simpleName holds for what may end a path: no NUL, slash or character beyond
// ASCII, and not the last dot of "." or "..".
func simpleName(s []byte) bool {
	for _, c := range s {
		if c-1 >= utf8.RuneSelf-1 || c == '/' {
			return false
		}
	}
	return len(s) > 0 && s[len(s)-1] != '.'
}

// fault returns the error of a path that does not follow, nil for one that does.
func (v *checker) fault(i int, p []byte) error {
	path, before := string(p), string(v.before)
	if path == "" {
		return entryError(i, "path", "", CodeInvalidPath, pathFault(""))
	}
	if c := ComparePaths(before, path); c >= 0 {
		return entryError(i, "path", path, CodeInvalidSnapshot, orderFault(c))
	}
	if why := pathFault(path); why != "" {
		return entryError(i, "path", path, CodeInvalidPath, why)
	}
	if dir := Parent(path); dir != "" && !Under(before, dir) && !(v.inDir && before == dir) {
		return entryError(i, "path", path, CodeInvalidSnapshot, "the directory that holds it is not listed")
	}
	return nil
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
