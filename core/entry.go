package core

import "slices"

// Kind is what an entry is. Anything else on disk (FIFO, socket, device) is a
// [Problem] of the snapshot, not an entry.
type Kind uint8

// The kinds.
const (
	KindFile Kind = iota + 1
	KindDir
	KindLink
)

var kindWords = []string{"file", "dir", "link"}

// KindOf returns the kind of a word, or 0.
func KindOf(word string) Kind { return Kind(slices.Index(kindWords, word) + 1) }

// String returns the word used in JSON and listings, or "none".
func (k Kind) String() string {
	if word := WordOf(k, kindWords); word != "" {
		return word
	}
	return "none"
}

// Entry is one file, directory or symbolic link of a tree.
type Entry struct {
	Path   string // see [ValidatePath]
	Target string // links only: the text of the link, as it is
	Size   int64  // files only: bytes, 0 to 2^53-1
	Digest Digest // files only: of the content
	Mode   uint16 // permission bits, masked to 0777; only 0100 is ever compared
	Kind   Kind
}

// Executable reports whether e is a file that its owner may execute. It is the
// only permission that counts as a change (promise D3).
func (e *Entry) Executable() bool { return e.Kind == KindFile && e.Mode&0o100 != 0 }

// SameContent reports whether a and b, nil meaning absent, are the same apart
// from permissions: kind, and digest of a file or text of a link.
func SameContent(a, b *Entry) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Digest == b.Digest && a.Target == b.Target
}
