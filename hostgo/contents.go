package hostgo

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Bounds of the content store. What does not fit is not kept, and a text merge
// that would need it becomes a conflict.
const (
	maxContent  = 256 << 10 // bytes of one file
	maxContents = 256 << 20 // bytes of all
)

// contents keeps the small text files of base for text merges: one file of
// records, each a digest, a length and the bytes, that only ever grows until it
// is rewritten. One file, because a push of a large tree would otherwise make
// as many files here as in the sandbox.
//
// What a run adds ends in a mark, a record of no digest whose content is the offset
// at which it begins. Where the file ends in one, all before it is whole, and what is
// added takes its place without a look at the records: there are as many as base has
// files.
type contents struct {
	path  string
	index map[prefix]record // of what was read and added; nil if it was not read
	size  int64             // 0 until it is read or added to
	found int64             // size before this run
	read  bool              // the index was; a merge needs it
	added *os.File          // open while contents are added
	w     *bufio.Writer
}

// prefix is the start of a digest. Half a million contents have an index, which
// whole digests would make three times as large. Where two contents begin alike
// the second is not kept: a later merge of it becomes a conflict.
type prefix uint64

func prefixOf(d core.Digest) prefix { return prefix(binary.LittleEndian.Uint64(d[:])) }

type record struct {
	offset int64
	size   int32
	live   bool // base refers to it
}

const (
	recordHead = 40 // digest and length
	markSize   = recordHead + 8
)

// mark returns the record that ends a store at an offset.
func mark(at int64) []byte {
	b := make([]byte, markSize)
	binary.LittleEndian.PutUint64(b[32:], 8)
	binary.LittleEndian.PutUint64(b[recordHead:], uint64(at))
	return b
}

// openContents returns the store, whose index is read when it is first needed.
func (s *state) openContents() *contents {
	return &contents{path: filepath.Join(s.dir, "contents")}
}

// load reads the index. A damaged tail is cut off when something is
// added, since every content is checked against its digest when it is read.
func (c *contents) load() error {
	if c.read {
		return nil
	}
	if c.added != nil {
		if err := c.w.Flush(); err != nil {
			return ioError("contents can't be kept", c.path, err)
		}
	}
	index, size, err := readIndex(c.path)
	if err != nil {
		return err
	}
	if c.index, c.read = index, true; c.added == nil {
		c.size, c.found = size, size
	}
	return nil
}

// readIndex returns where the contents of a store lie, and where the last whole record
// ends.
func readIndex(path string) (index map[prefix]record, size int64, err error) {
	index = map[prefix]record{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return index, 0, nil
	}
	if err != nil {
		return nil, 0, ioError("the stored contents can't be read", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, ioError("the stored contents can't be read", path, err)
	}
	var head [recordHead]byte
	for {
		if _, err := f.ReadAt(head[:], size); err == io.EOF {
			return index, size, nil // the end, or a head that was not written whole
		} else if err != nil {
			// Of what could not be read nothing is known, so it must not be cut off.
			return nil, 0, ioError("the stored contents can't be read", path, err)
		}
		n := int64(binary.LittleEndian.Uint64(head[32:]))
		if n < 0 || n > maxContent || size+recordHead+n > info.Size() {
			return index, size, nil
		}
		if d := core.Digest(head[:32]); !d.IsZero() {
			index[prefixOf(d)] = record{offset: size + recordHead, size: int32(n)}
		}
		size += recordHead + n
	}
}

// get returns a content, or nil if it is not kept or not what it should be.
func (c *contents) get(d core.Digest) []byte {
	if c.load() != nil {
		return nil // as if nothing had been kept: the merge becomes a conflict
	}
	r, ok := c.index[prefixOf(d)]
	if !ok {
		return nil
	}
	if data, have := c.at(r); have == d {
		return data
	}
	return nil
}

// at returns what stands in a record, with its digest; both are zero where it
// can't be read.
func (c *contents) at(r record) ([]byte, core.Digest) {
	f, err := os.Open(c.path)
	if err != nil {
		return nil, core.Digest{}
	}
	defer f.Close()
	data := make([]byte, r.size)
	if _, err := f.ReadAt(data, r.offset); err != nil {
		return nil, core.Digest{}
	}
	return data, sha256.Sum256(data)
}

// has reports whether a content is kept.
func (c *contents) has(d core.Digest) (bool, error) {
	err := c.load()
	_, ok := c.index[prefixOf(d)]
	return ok, err
}

// add keeps a content of the given digest if it is a small text and there is
// room. One that is kept already may be kept twice.
func (c *contents) add(d core.Digest, data []byte) error {
	if !worthKeeping(data) {
		return nil
	}
	if err := c.open(); err != nil {
		return err
	}
	if _, ok := c.index[prefixOf(d)]; ok || c.size+int64(len(data)) > maxContents {
		return nil
	}
	var head [recordHead]byte
	copy(head[:], d[:])
	binary.LittleEndian.PutUint64(head[32:], uint64(len(data)))
	if _, err := c.w.Write(head[:]); err != nil {
		return ioError("contents can't be kept", c.path, err)
	}
	if _, err := c.w.Write(data); err != nil {
		return ioError("contents can't be kept", c.path, err)
	}
	if c.index != nil {
		c.index[prefixOf(d)] = record{offset: c.size + recordHead, size: int32(len(data))}
	}
	c.size += recordHead + int64(len(data))
	return nil
}

// open makes the store ready for additions.
func (c *contents) open() error {
	if c.added != nil {
		return nil
	}
	f, err := os.OpenFile(c.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return ioError("contents can't be kept", c.path, err)
	}
	if err := c.findEnd(f); err != nil {
		f.Close()
		return err
	}
	err = f.Truncate(c.size)
	if err == nil {
		_, err = f.Seek(c.size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return ioError("contents can't be kept", c.path, err)
	}
	c.added, c.w = f, bufio.NewWriterSize(f, 1<<18)
	return nil
}

// findEnd learns where to add: where the mark begins, or if there is none where the
// index says.
func (c *contents) findEnd(f *os.File) error {
	if c.read {
		return nil
	}
	if info, err := f.Stat(); err == nil && info.Size() >= markSize {
		at, got := info.Size()-markSize, make([]byte, markSize)
		if _, err := f.ReadAt(got, at); err == nil && bytes.Equal(got, mark(at)) {
			c.size, c.found = at, at
			return nil
		}
	}
	return c.load()
}

func worthKeeping(data []byte) bool {
	return len(data) <= maxContent && merge.IsText(data)
}

// mostlyNew reports whether half of what is kept or more was added in this run, so
// that there is too little out of use to drop.
func (c *contents) mostlyNew() bool { return 2*c.found <= c.size }

// flush writes out what was added; nothing may be added any more. The index, which is
// large, goes where close does not need it.
func (c *contents) flush() error {
	if c.mostlyNew() {
		c.index = nil
	}
	if c.added == nil {
		return nil
	}
	_, err := c.w.Write(mark(c.size))
	if err == nil {
		err = c.w.Flush()
	}
	if e := c.added.Close(); err == nil {
		err = e
	}
	c.added = nil
	if err != nil {
		return ioError("contents can't be kept", c.path, err)
	}
	return nil
}

// close flushes, and drops what base does not refer to once that is more than
// half, for certain where the index was not read. The index goes in any case: nothing
// asks for a content any more.
func (c *contents) close(base *core.Base) error {
	defer func() { c.index = nil }()
	if err := c.flush(); err != nil || base == nil || c.mostlyNew() || c.size < 1<<20 {
		return err
	}
	if !c.read && c.size <= 2*mostContents(base) {
		return nil
	}
	if err := c.load(); err != nil {
		return err
	}
	used := int64(0)
	for e := range base.Entries.All() {
		key := prefixOf(e.Digest)
		if r, ok := c.index[key]; ok && !r.live {
			r.live = true
			c.index[key], used = r, used+recordHead+int64(r.size)
		}
	}
	if used*2 > c.size {
		return nil
	}
	return c.compact()
}

// mostContents returns how large a store of what base refers to can be.
func mostContents(base *core.Base) (size int64) {
	for e := range base.Entries.All() {
		if e.Kind == core.KindFile && e.Size <= maxContent {
			size += recordHead + e.Size
		}
	}
	return size
}

// compact rewrites the store with what is live.
func (c *contents) compact() error {
	next := &contents{path: c.path + ".new", read: true, index: map[prefix]record{}}
	defer os.Remove(next.path) // fails after the rename, as it should
	for key, r := range c.index {
		if !r.live {
			continue
		}
		data, d := c.at(r)
		if prefixOf(d) != key {
			continue // damaged
		}
		if err := next.add(d, data); err != nil {
			return err
		}
	}
	if err := next.close(nil); err != nil {
		return err
	}
	if err := os.Rename(next.path, c.path); err != nil {
		return ioError("contents can't be compacted", c.path, err)
	}
	return nil
}
