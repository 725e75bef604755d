package core

import (
	"bytes"
	"encoding/binary"
)

// DecodeBinary reads and validates the binary form of a snapshot. It copies the
// paths of a block at once and keeps nothing of data. The error is an *[Error]
// of [CodeCorrupt] where the bytes are damaged, of [CodeNewerVersion], or of
// what is wrong with the snapshot.
func DecodeBinary(data []byte) (*Snapshot, error) {
	s, err := readBinary(data)
	if err != nil {
		return nil, err
	}
	return s, s.Validate()
}

// readBinary is [DecodeBinary] without a look at what the columns say.
func readBinary(data []byte) (*Snapshot, error) {
	d, err := openBinary(data)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Unread: d.unread}
	if err := d.readLists(s); err != nil {
		return nil, err
	}
	if d.count > 0 {
		s.Entries = make([]Entry, d.count)
	}
	for i := range d.blocks {
		entries := blockOf(s.Entries, i)
		if why := d.block(entries); why != "" {
			return nil, &Error{Code: CodeCorrupt, Field: "blocks[" + itoa(int64(i)) + "]", Message: why}
		}
	}
	if len(d.rest) > 0 {
		return nil, damaged("something follows the last block")
	}
	return s, nil
}

// binaryReader is a document whose header has been read.
type binaryReader struct {
	count, blocks int
	unread        bool
	lists         []byte
	rest          []byte // from the next block on
}

func damaged(why string) error {
	return &Error{Code: CodeCorrupt, Message: "invalid binary snapshot: " + why}
}

func openBinary(data []byte) (*binaryReader, error) {
	switch {
	case len(data) < binaryHeader || string(data[:8]) != binaryMagic:
		return nil, damaged("it does not begin as one")
	case len(data)%8 != 0:
		return nil, damaged("its length is not a multiple of 8")
	}
	le := binary.LittleEndian
	if err := CheckFormat("version", int64(le.Uint32(data[8:])), SnapshotFormat); err != nil {
		return nil, err
	}
	flags, lists := le.Uint32(data[16:]), int64(le.Uint32(data[28:]))
	if lists > int64(len(data)-binaryHeader) {
		return nil, damaged("it is cut off")
	}
	end := binaryHeader + pad8(int(lists))
	count, blocks := int64(le.Uint32(data[20:])), int64(le.Uint32(data[24:]))
	switch {
	case le.Uint32(data[12:]) != xxh32(data[16:end]):
		return nil, damaged("the header fails its checksum")
	case flags&^flagUnread != 0:
		return nil, damaged("it has unknown flags")
	case count > MaxEntries:
		return nil, &Error{Code: CodeLimit, Field: "entries", Message: "more than " + itoa(MaxEntries) + " entries"}
	case blocks != (count+blockEntries-1)/blockEntries:
		return nil, damaged("the number of blocks does not fit that of entries")
	case count*entryFixed > int64(len(data)-end):
		return nil, damaged("it is cut off")
	case !zeros(data[binaryHeader+int(lists) : end]):
		return nil, damaged("padding is not zero")
	}
	return &binaryReader{count: int(count), blocks: int(blocks), unread: flags&flagUnread != 0,
		lists: data[binaryHeader : binaryHeader+int(lists)], rest: data[end:]}, nil
}

func (d *binaryReader) readLists(s *Snapshot) error {
	if len(d.lists) == 0 {
		return nil
	}
	if err := DecodeJSON(d.lists, func(o *Object) { listFields(o, s) }); err != nil {
		return err
	}
	if !bytes.Equal(d.lists, encodeLists(s)) {
		return damaged("the lists are not in canonical form")
	}
	return nil
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// block reads the next block into entries, and says what is wrong with it.
func (d *binaryReader) block(entries []Entry) string {
	le := binary.LittleEndian
	if len(d.rest) < blockHeader {
		return "the block is cut off"
	}
	size, count := int64(le.Uint32(d.rest[4:])), int64(le.Uint32(d.rest[8:]))
	l := layout{count: len(entries), links: int(le.Uint32(d.rest[12:])), pathBytes: int(le.Uint32(d.rest[16:])), targetBytes: int(le.Uint32(d.rest[20:]))}
	switch {
	case count != int64(len(entries)):
		return "the block has another count than the header says"
	case l.links > l.count || l.pathBytes > blockEntries*MaxPath || l.targetBytes > blockEntries*MaxTarget:
		return "the block has impossible counts"
	}
	l.place()
	switch {
	case size != int64(l.end):
		return "the block's length does not fit its counts"
	case l.end > len(d.rest):
		return "the block is cut off"
	}
	b := d.rest[:l.end]
	d.rest = d.rest[l.end:]
	switch {
	case le.Uint32(b) != xxh32(b[4:]):
		return "the block fails its checksum"
	case !zeros(b[l.ends+4*l.count:l.modes]) || !zeros(b[l.modes+2*l.count:l.kinds]) || !zeros(b[l.kinds+l.count:l.targetEnds]) ||
		!zeros(b[l.paths+l.pathBytes:l.targets]) || !zeros(b[l.targets+l.targetBytes:]):
		return "padding is not zero"
	case !readColumns(entries, b, &l):
		return "the ends of paths do not fit their bytes"
	case !readTargets(entries, b, &l):
		return "the targets of links do not fit their bytes"
	}
	return ""
}

func readColumns(entries []Entry, b []byte, l *layout) bool {
	le := binary.LittleEndian
	paths := string(b[l.paths : l.paths+l.pathBytes])
	sizes, digests, ends := b[l.sizes:l.digests], b[l.digests:l.ends], b[l.ends:l.modes]
	modes, kinds := b[l.modes:l.kinds], b[l.kinds:l.targetEnds]
	start := uint32(0)
	for i := range entries {
		end := le.Uint32(ends[4*i:])
		if end < start || int64(end) > int64(len(paths)) {
			return false
		}
		e := &entries[i]
		e.Path = paths[start:end]
		// A size beyond int64 becomes negative, which no file may have.
		e.Size = int64(le.Uint64(sizes[8*i:]))
		e.Digest = Digest(digests[32*i : 32*i+32])
		e.Mode = le.Uint16(modes[2*i:])
		e.Kind = Kind(kinds[i])
		start = end
	}
	return int(start) == len(paths)
}

func readTargets(entries []Entry, b []byte, l *layout) bool {
	le := binary.LittleEndian
	targets := string(b[l.targets : l.targets+l.targetBytes])
	next, start := uint32(0), uint32(0)
	for at := l.targetEnds; at < l.paths; at += 8 {
		i, end := le.Uint32(b[at:]), le.Uint32(b[at+4:])
		if i < next || int64(i) >= int64(len(entries)) || end <= start || int64(end) > int64(len(targets)) {
			return false
		}
		entries[i].Target = targets[start:end]
		next, start = i+1, end
	}
	return int(start) == len(targets)
}
