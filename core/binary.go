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
	entryFixed   = 8 + 32 + 4 + 2 + 1 // bytes of one entry in the columns
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
	blocks := (len(s.Entries) + blockEntries - 1) / blockEntries
	size := binaryHeader + pad8(len(lists))
	for i := range blocks {
		size += layoutOf(blockOf(s.Entries, i)).end
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
	le.PutUint32(out[20:], uint32(len(s.Entries)))
	le.PutUint32(out[24:], uint32(blocks))
	le.PutUint32(out[28:], uint32(len(lists)))
	copy(out[binaryHeader:], lists)
	at := binaryHeader + pad8(len(lists))
	le.PutUint32(out[12:], xxh32(out[16:at]))
	for i := range blocks {
		at += encodeBlock(out[at:], blockOf(s.Entries, i))
	}
	return out
}

func blockOf(entries []Entry, i int) []Entry {
	return entries[i*blockEntries : min((i+1)*blockEntries, len(entries))]
}

// layout says where the columns of a block begin.
type layout struct {
	count, links, pathBytes, targetBytes                                int
	sizes, digests, ends, modes, kinds, targetEnds, paths, targets, end int
}

func layoutOf(entries []Entry) layout {
	l := layout{count: len(entries)}
	for i := range entries {
		l.pathBytes += len(entries[i].Path)
		if t := len(entries[i].Target); t > 0 {
			l.links, l.targetBytes = l.links+1, l.targetBytes+t
		}
	}
	l.place()
	return l
}

// place computes the offsets from the counts.
func (l *layout) place() {
	l.sizes = blockHeader
	l.digests = l.sizes + 8*l.count
	l.ends = l.digests + 32*l.count
	l.modes = l.ends + pad8(4*l.count)
	l.kinds = l.modes + pad8(2*l.count)
	l.targetEnds = l.kinds + pad8(l.count)
	l.paths = l.targetEnds + 8*l.links
	l.targets = l.paths + pad8(l.pathBytes)
	l.end = l.targets + pad8(l.targetBytes)
}

// encodeBlock writes one block to the zeros at out and returns its length.
func encodeBlock(out []byte, entries []Entry) int {
	l := layoutOf(entries)
	le := binary.LittleEndian
	for i, v := range [5]int{l.end, l.count, l.links, l.pathBytes, l.targetBytes} {
		le.PutUint32(out[4+4*i:], uint32(v))
	}
	path, target, link := 0, 0, l.targetEnds
	for i := range entries {
		e := &entries[i]
		le.PutUint64(out[l.sizes+8*i:], uint64(e.Size))
		copy(out[l.digests+32*i:], e.Digest[:])
		path += copy(out[l.paths+path:], e.Path)
		le.PutUint32(out[l.ends+4*i:], uint32(path))
		le.PutUint16(out[l.modes+2*i:], e.Mode)
		out[l.kinds+i] = byte(e.Kind)
		if e.Target != "" {
			target += copy(out[l.targets+target:], e.Target)
			le.PutUint32(out[link:], uint32(i))
			le.PutUint32(out[link+4:], uint32(target))
			link += 8
		}
	}
	le.PutUint32(out, xxh32(out[4:l.end]))
	return l.end
}
