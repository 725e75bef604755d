package core

import (
	"encoding/binary"
	"strings"
)

// indexState returns the entries of a git index (versions 2 to 4; SHA-1 and
// SHA-256) in a form that leaves out what git refreshes by itself: the times,
// sizes and inodes of files, its caches and its checksum. It reports false where
// the index can't be read.
func indexState(data string) (string, bool) {
	// The index does not say how long its object ids are. Only the right length
	// makes the entries and extensions end exactly at the checksum.
	for _, idLen := range []int{20, 32} {
		if s, ok := readIndex(data, idLen); ok {
			return s, true
		}
	}
	return "", false
}

const (
	indexHeader = 12 // signature, version, number of entries
	indexStat   = 40 // times, device, inode, mode, owner, group, size
	modeAt      = 24 // of the mode, in an entry
	flagMore    = 0x4000
	flagStage   = 0x3000
	flagIntent  = 0x2000 // of the further flags: intent to add
)

// indexReader walks the entries of one index.
type indexReader struct {
	data    string // without the checksum
	at      int
	version uint32
	idLen   int
	path    string // of the previous entry
	out     []byte
}

func readIndex(data string, idLen int) (string, bool) {
	if len(data) < indexHeader+idLen || data[:4] != "DIRC" {
		return "", false
	}
	r := indexReader{data: data[:len(data)-idLen], at: indexHeader, version: be32(data[4:]), idLen: idLen}
	if r.version < 2 || r.version > 4 {
		return "", false
	}
	for n := be32(data[8:]); n > 0; n-- {
		if !r.entry() {
			return "", false
		}
	}
	return string(r.out), r.extensions()
}

// entry reads one entry and appends path, mode, object id and stage to out.
func (r *indexReader) entry() bool {
	start := r.at
	fixed := indexStat + r.idLen + 2
	if len(r.data)-start < fixed {
		return false
	}
	e := r.data[start:]
	flags := be16(e[fixed-2:])
	intent := byte('-')
	if flags&flagMore != 0 {
		if r.version < 3 || len(e) < fixed+2 {
			return false
		}
		if be16(e[fixed:])&flagIntent != 0 {
			intent = 'N'
		}
		fixed += 2
	}
	r.at += fixed
	if !r.name(start) || len(r.out)+len(r.path) > maxIndexState {
		return false
	}
	r.out = append(r.out, e[modeAt:modeAt+4]...)
	r.out = append(r.out, e[indexStat:indexStat+r.idLen]...)
	r.out = append(r.out, byte('0'+flags&flagStage>>12), intent)
	r.out = append(append(r.out, r.path...), 0)
	return true
}

// maxIndexState bounds the entries in bytes: with the prefixes of version 4 a
// small hostile index could stand for gigabytes of paths.
const maxIndexState = 64 << 20

// name reads the path of the entry that began at start.
func (r *indexReader) name(start int) bool {
	prefix := ""
	if r.version == 4 {
		cut, ok := r.varint()
		if !ok || cut > uint64(len(r.path)) {
			return false
		}
		prefix = r.path[:len(r.path)-int(cut)]
	}
	n := strings.IndexByte(r.data[r.at:], 0)
	if n < 0 {
		return false
	}
	r.path = prefix + r.data[r.at:r.at+n]
	r.at += n + 1
	if r.version < 4 {
		// One to eight NUL bytes fill an entry up to a multiple of eight.
		r.at = start + (r.at-start+7)&^7
	}
	return r.at <= len(r.data)
}

// varint reads a number as git packs offsets: seven bits a byte, the high ones
// first, each continuation adding one.
func (r *indexReader) varint() (n uint64, ok bool) {
	for r.at < len(r.data) && n < 1<<32 {
		c := r.data[r.at]
		r.at++
		n |= uint64(c & 127)
		if c < 128 {
			return n, true
		}
		n = (n + 1) << 7
	}
	return 0, false
}

// extensions reports whether what follows the entries is a sequence of
// extensions that may be ignored. The extension "link" names another file with
// entries (a split index); "sdir" marks a sparse index and adds none.
func (r *indexReader) extensions() bool {
	for r.at < len(r.data) {
		e := r.data[r.at:]
		if len(e) < 8 {
			return false
		}
		name, size := e[:4], uint64(be32(e[4:]))
		optional := 'A' <= name[0] && name[0] <= 'Z'
		if !optional && name != "sdir" || size > uint64(len(e)-8) {
			return false
		}
		r.at += 8 + int(size)
	}
	return true
}

func be32(s string) uint32 { return binary.BigEndian.Uint32([]byte(s[:4])) }

func be16(s string) uint16 { return binary.BigEndian.Uint16([]byte(s[:2])) }
