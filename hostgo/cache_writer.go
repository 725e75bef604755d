package hostgo

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"os"

	"github.com/paperclipai/syncplan/core"
)

// cacheWriter writes a cache for the next scan as its files become known, one
// folder at a time: whole, it would be as large as the snapshot. The stored one is
// replaced when it is complete. It need not be flushed to the disk: a damaged
// cache is found by its checksum and made anew.
type cacheWriter struct {
	path    string
	file    *os.File
	w       *bufio.Writer
	sum     hash.Hash
	folder  string
	dev     uint64
	records []byte // of the folder
	err     error  // of the first write that failed
}

// newCacheWriter begins the cache of a tree at path.
func newCacheWriter(path, root string, clock int64) (*cacheWriter, error) {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, ioError("the state folder can't be written", path, err)
	}
	c := &cacheWriter{path: path, file: f, w: bufio.NewWriterSize(f, 256<<10), sum: sha256.New()}
	_, c.err = c.w.WriteString(c.head()) // its room; the checksum is known at the end
	c.write(binary.LittleEndian.AppendUint64(appendText(nil, root), uint64(clock)))
	return c, nil
}

func (c *cacheWriter) head() string { return cacheHead + hex.EncodeToString(c.sum.Sum(nil)) + "\n" }

func (c *cacheWriter) write(b []byte) {
	c.sum.Write(b)
	if c.err == nil {
		_, c.err = c.w.Write(b)
	}
}

// add remembers a file that was settled when it was read. Files of one folder come in the order of their names.
func (c *cacheWriter) add(folder, name string, dev uint64, s stamp, d core.Digest) {
	if folder != c.folder || dev != c.dev {
		c.endFolder()
		c.folder, c.dev = folder, dev
	}
	b := append(binary.LittleEndian.AppendUint16(c.records, uint16(len(name))), name...)
	for _, n := range [4]uint64{uint64(s.size), uint64(s.mtimeNs), uint64(s.ctimeNs), s.ino} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	c.records = append(b, d[:]...)
}

func (c *cacheWriter) endFolder() {
	if len(c.records) == 0 {
		return
	}
	b := binary.LittleEndian.AppendUint64(appendText(nil, c.folder), c.dev)
	c.write(binary.LittleEndian.AppendUint32(b, uint32(len(c.records))))
	c.write(c.records)
	c.records = c.records[:0]
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
}

// close completes the cache and puts it in place of the stored one.
func (c *cacheWriter) close() error {
	defer c.drop() // after the rename there is nothing to drop
	c.endFolder()
	if c.err == nil {
		c.err = c.w.Flush()
	}
	if c.err == nil {
		_, c.err = c.file.WriteAt([]byte(c.head()), 0)
	}
	if err := c.file.Close(); c.err == nil {
		c.err = err
	}
	if c.err == nil {
		c.err = os.Rename(c.file.Name(), c.path)
	}
	if c.err != nil {
		return ioError("the state can't be written", c.path, c.err)
	}
	return nil
}

// drop gives up what was written, unless it is complete.
func (c *cacheWriter) drop() {
	c.file.Close() // twice after close, which does no harm
	os.Remove(c.file.Name())
}
