package core

import "encoding/binary"

// The binary form of a snapshot keeps each field of its entries in a column of
// its own, so that a host writes it without making an object an entry and the
// core reads it where it stands. wasm/ABI.md describes every byte. There is one
// form only: what decodes re-encodes to the same bytes.

// SnapshotFormat is the version of the binary form.
const SnapshotFormat = 1

const (
	binaryMagic  = "syncsnap"
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
func EncodeBinary(s *Snapshot) []byte {
	lists := encodeLists(s)
	at := binaryHeader + pad8(len(lists))
	size := at
	for _, b := range s.Entries.blocks {
		size += len(b.data)
	}
	out := make([]byte, size)
	copy(out, binaryMagic)
	flags := uint32(0)
	if s.Unread {
		flags = flagUnread
	}
	le := binary.LittleEndian
	le.PutUint32(out[8:], SnapshotFormat)
	le.PutUint32(out[16:], flags)
	le.PutUint32(out[20:], uint32(s.Entries.count))
	le.PutUint32(out[24:], uint32(len(s.Entries.blocks)))
	le.PutUint32(out[28:], uint32(len(lists)))
	copy(out[binaryHeader:], lists)
	le.PutUint32(out[12:], xxh32(out[16:at]))
	for _, b := range s.Entries.blocks {
		data := out[at : at+copy(out[at:], b.data)]
		le.PutUint32(data, xxh32(data[4:]))
		at += len(data)
	}
	return out
}
