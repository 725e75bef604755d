package core

import (
	"bytes"
	"encoding/binary"
)

// DecodeBinary reads and validates the binary form of a snapshot, which is then
// made of parts of data: they must not change any more. The error is an *[Error] of
// [CodeCorrupt] where the bytes are damaged, of [CodeNewerVersion], or of what is wrong with
// the snapshot.
func DecodeBinary(data []byte) (*Snapshot, error) {
	return decodeBinary(data, &Attached{Borrow: true})
}

// decodeBinary is [DecodeBinary] of a section. Most of the tree that is known may
// stand in it again.
func decodeBinary(data []byte, with *Attached) (*Snapshot, error) {
	s, invalid, err := readBinary(data, with)
	if err != nil {
		return nil, err
	}
	if invalid != nil {
		return nil, invalid
	}
	return s, s.validateLists()
}

// readBinary reads a snapshot whose bytes are sound, and says separately what is
// wrong with its entries, which matters only then. A block that is known already
// is shared. Each is checked as soon as it is read, while it is in the cache.
func readBinary(data []byte, with *Attached) (s *Snapshot, invalid, err error) {
	d, err := openBinary(data)
	if err != nil {
		return nil, nil, err
	}
	s = &Snapshot{Unread: d.unread}
	if err := d.readLists(s); err != nil {
		return nil, nil, err
	}
	s.Entries = Tree{blocks: make([]*block, (d.count+blockEntries-1)/blockEntries), count: d.count}
	var known []*block
	if with.Known.valid {
		known = with.Known.blocks
	}
	check := newChecker(s.Entries, s.Unread, with.Known)
	for i := range s.Entries.blocks {
		var like *block
		if i < len(known) {
			like = known[i]
		}
		b, why := d.block(min(d.count-i*blockEntries, blockEntries), like)
		if why != "" {
			return nil, nil, &Error{Code: CodeCorrupt, Field: "blocks[" + itoa(int64(i)) + "]", Message: why}
		}
		if s.Entries.blocks[i] = b; invalid == nil {
			invalid = check.block(i)
		}
	}
	if len(d.rest) > 0 {
		return nil, nil, damaged("something follows the last block")
	}
	if s.Entries.valid = invalid == nil && !s.Unread; !with.Borrow {
		s.Entries.own(known)
	}
	return s, invalid, nil
}

// own copies the blocks that are not those of known, all at once: where memory
// grows in many steps, each makes V8 collect garbage.
func (t *Tree) own(known []*block) {
	foreign := func(i int) bool { return i >= len(known) || t.blocks[i] != known[i] }
	size := 0
	for i, b := range t.blocks {
		if foreign(i) {
			size += len(b.data)
		}
	}
	data := make([]byte, 0, size)
	for i, b := range t.blocks {
		if foreign(i) {
			at := len(data)
			data = append(data, b.data...)
			t.blocks[i] = columnsOf(data[at:], b.counts)
		}
	}
}

// binaryReader is a document whose header has been read.
type binaryReader struct {
	count  int
	unread bool
	lists  []byte
	rest   []byte // from the next block on
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
	// A newer version may have another checksum.
	if err := CheckFormat("version", int64(le.Uint32(data[16:])), SnapshotFormat); err != nil {
		return nil, err
	}
	flags, count, lists := le.Uint32(data[20:]), int64(le.Uint32(data[24:])), int64(le.Uint32(data[28:]))
	if lists > int64(len(data)-binaryHeader) {
		return nil, damaged("it is cut off")
	}
	end := binaryHeader + pad8(int(lists))
	switch {
	case le.Uint64(data[8:]) != fletcher64(data[16:end]):
		return nil, damaged("the header fails its checksum")
	case flags&^flagUnread != 0:
		return nil, damaged("it has unknown flags")
	case count > MaxEntries:
		return nil, &Error{Code: CodeLimit, Field: "entries", Message: "more than " + itoa(MaxEntries) + " entries"}
	case count*entryFixed > int64(len(data)-end):
		return nil, damaged("it is cut off")
	case !zeros(data[binaryHeader+int(lists) : end]):
		return nil, damaged("padding is not zero")
	}
	return &binaryReader{count: int(count), unread: flags&flagUnread != 0,
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

// block reads the next block, which shall hold that many entries, and says what
// is wrong with it. It returns like where that has the same bytes.
func (d *binaryReader) block(entries int, like *block) (*block, string) {
	le := binary.LittleEndian
	if len(d.rest) < blockHeader {
		return nil, "the block is cut off"
	}
	links, pathBytes, targetBytes := le.Uint32(d.rest[12:]), le.Uint32(d.rest[16:]), le.Uint32(d.rest[20:])
	switch {
	case le.Uint32(d.rest[8:]) != uint32(entries):
		return nil, "the block has another count than the header says"
	case links > uint32(entries) || pathBytes > blockEntries*MaxPath || targetBytes > blockEntries*MaxTarget:
		return nil, "the block has impossible counts"
	}
	c := counts{entries, int(links), int(pathBytes), int(targetBytes)}
	if c.size() > len(d.rest) {
		return nil, "the block is cut off"
	}
	data := d.rest[:c.size()]
	d.rest = d.rest[len(data):]
	if like != nil && len(data) == len(like.data) && commonPrefix(data, like.data) == len(data) {
		return like, ""
	}
	if le.Uint64(data) != fletcher64(data[checksumLen:]) {
		return nil, "the block fails its checksum"
	}
	b := columnsOf(data, c)
	return b, b.malformed()
}

// malformed says why the columns do not fit each other, so that an entry could
// not be read.
func (b *block) malformed() string {
	switch {
	case !b.padded():
		return "padding is not zero"
	case !b.endsFit():
		return "the ends of paths do not fit their bytes"
	case !b.targetsFit():
		return "the targets of links do not fit their bytes"
	}
	return ""
}

func (b *block) padded() bool {
	at := blockHeader
	for _, n := range b.lengths() {
		if !zeros(b.data[at+n : at+pad8(n)]) {
			return false
		}
		at += pad8(n)
	}
	return true
}

func (b *block) endsFit() bool {
	start := uint32(0)
	for ends := b.ends; len(ends) >= 4; ends = ends[4:] {
		end := binary.LittleEndian.Uint32(ends)
		if end < start {
			return false
		}
		start = end
	}
	return int64(start) == int64(len(b.paths))
}

func (b *block) targetsFit() bool {
	le := binary.LittleEndian
	next, start := uint32(0), uint32(0)
	for links := b.columns.links; len(links) >= 8; links = links[8:] {
		i, end := le.Uint32(links), le.Uint32(links[4:])
		if i < next || int64(i) >= int64(b.entries) || end <= start {
			return false
		}
		next, start = i+1, end
	}
	return int64(start) == int64(len(b.targets))
}
