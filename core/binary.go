package core

import (
	"bytes"
	"encoding/binary"
)

// The binary form of a snapshot keeps each field of its entries in a column of
// its own, so that a host writes it without making an object an entry and the
// core reads it where it stands. wasm/ABI.md describes every byte. There is one
// form only: what decodes re-encodes to the same bytes.

// SnapshotFormat is the version of the binary form.
const SnapshotFormat = 1

const (
	binaryMagic  = "syncsnap"
	checksumLen  = 8
	binaryHeader = 32 // bytes before the lists
	blockHeader  = 24 // bytes before the columns
	blockEntries = 4096
	flagUnread   = 1
	entryFixed   = 8 + 32 + 4 + 2 + 1 // bytes of an entry in the columns, but for its path
)

// listFields are the parts of a snapshot that are few: they travel as JSON.
func listFields(o *Object, s *Snapshot) {
	List(o, "problems", &s.Problems, ProblemFields)
	o.Strings("incomplete", &s.Incomplete)
	o.Strings("occupied", &s.Occupied)
}

func encodeLists(s *Snapshot) []byte {
	lists := EncodeJSON(func(o *Object) { listFields(o, s) })
	if len(lists) == len("{}") {
		return nil
	}
	return lists
}

func pad8(n int) int { return (n + 7) &^ 7 }

// EncodeBinary returns the binary form of s, which must be valid.
func EncodeBinary(s *Snapshot) []byte { return bytes.Join(binaryParts(s), nil) }

// binaryParts returns the binary form in parts, of which all but the first and the
// checksums are those of s.
func binaryParts(s *Snapshot) Section {
	lists, blocks := encodeLists(s), s.Entries.blocks
	out := make([]byte, binaryHeader+pad8(len(lists)))
	copy(out, binaryMagic)
	flags := uint32(0)
	if s.Unread {
		flags = flagUnread
	}
	le := binary.LittleEndian
	le.PutUint32(out[16:], SnapshotFormat)
	le.PutUint32(out[20:], flags)
	le.PutUint32(out[24:], uint32(s.Entries.count))
	le.PutUint32(out[28:], uint32(len(lists)))
	copy(out[binaryHeader:], lists)
	le.PutUint64(out[8:], fletcher64(out[16:]))
	parts, sums := make(Section, 1, 1+2*len(blocks)), make([]byte, checksumLen*len(blocks))
	parts[0] = out
	for _, b := range blocks {
		rest := b.data[checksumLen:]
		le.PutUint64(sums, fletcher64(rest))
		parts, sums = append(parts, sums[:checksumLen], rest), sums[checksumLen:]
	}
	return parts
}
