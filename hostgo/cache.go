package hostgo

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// ScanCache remembers the digests of an earlier scan of one tree, so that a file
// that did not change since need not be read. One is trusted only if size, mtime,
// ctime, inode and device are the same, and both times were older than the clock
// of the scan that read it by a margin: what is younger may have changed again
// in the same tick of the clock.
//
// It is kept as the bytes that are stored, some 80 for each file. All numbers are
// little-endian:
//
//	root (4 bytes of length, then text), clock (8)
//	for each folder, once or more: path (as root), device (8), bytes of records (4)
//	for each file in it, by name: name (2 bytes of length, then text), size, mtime, ctime, inode (8 each), digest (32)
type ScanCache struct {
	root    string
	clock   int64 // of the host, in nanoseconds, when the earlier scan began
	body    []byte
	folders map[string][]records
	files   int
}

// records are the files of one folder, from and to an offset of the body.
type records struct {
	dev      uint64
	from, to int
}

// stamp is what tells that a file changed.
type stamp struct {
	size, mtimeNs, ctimeNs int64
	ino                    uint64
}

func stampOf(i tree.Info) stamp { return stamp{i.Size, i.MtimeNs, i.CtimeNs, i.Ino} }

const (
	cacheHead   = "syncplan-scan 2 "
	cacheRecord = 2 + 4*8 + 32 // without the name
)

// The margins of the racily-clean rule: a tick of a kernel is at most 10 ms, but
// some file systems keep times of one or two seconds.
const (
	fineMargin   = 100 * int64(time.Millisecond)
	coarseMargin = 2 * int64(time.Second)
)

func (s stamp) settled(clock int64) bool {
	margin := fineMargin
	if s.mtimeNs%1e9 == 0 && s.ctimeNs%1e9 == 0 {
		margin = coarseMargin
	}
	return max(s.mtimeNs, s.ctimeNs) < clock-margin
}

// cachedFolder hands out what a cache knows of the files of one folder, which
// are asked for in the order of their names.
type cachedFolder struct {
	cache *ScanCache
	list  []records
	at    int // offset in the first of list
}

// folder returns what is known of a folder. now is when this scan began: a clock
// that was set back proves nothing.
func (c *ScanCache) folder(path string, now int64) *cachedFolder {
	if c == nil || now < c.clock || len(c.folders[path]) == 0 {
		return nil
	}
	list := c.folders[path]
	return &cachedFolder{c, list, list[0].from}
}

// find returns the digest of an unchanged file.
func (f *cachedFolder) find(name string, dev uint64, now stamp) (core.Digest, bool) {
	for f != nil && len(f.list) > 0 {
		if f.at == f.list[0].to {
			if f.list = f.list[1:]; len(f.list) > 0 {
				f.at = f.list[0].from
			}
			continue
		}
		was, s, d, size := f.cache.record(f.at)
		if string(was) > name {
			break
		}
		f.at += size
		if string(was) == name {
			return d, s == now && f.list[0].dev == dev && s.settled(f.cache.clock)
		}
	}
	return core.Digest{}, false
}

// record reads the record at an offset that is known to hold one.
func (c *ScanCache) record(at int) (name []byte, s stamp, d core.Digest, size int) {
	b := c.body[at:]
	size = cacheRecord + int(binary.LittleEndian.Uint16(b))
	name, b = b[2:size-cacheRecord+2], b[size-cacheRecord+2:]
	n := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	return name, stamp{int64(n(0)), int64(n(1)), int64(n(2)), n(3)}, core.Digest(b[32:64]), size
}

// cachePath is where the cache of a state lies.
func (s *state) cachePath() string { return filepath.Join(s.dir, "scan") }

// loadCache returns the stored cache of a tree. One that is missing, damaged,
// newer or about another tree is empty: it is never trusted and soon replaced.
func (s *state) loadCache(root string) *ScanCache {
	data, err := os.ReadFile(s.cachePath())
	if err == nil {
		if got, ok := decodeCache(data); ok && got.root == root {
			return got
		}
	}
	return &ScanCache{root: root, clock: math.MaxInt64}
}

// decodeCache reports false for anything but a whole cache of this version.
func decodeCache(data []byte) (*ScanCache, bool) {
	head, body, ok := bytes.Cut(data, []byte("\n"))
	sum := sha256.Sum256(body)
	if !ok || string(head) != cacheHead+hex.EncodeToString(sum[:]) {
		return nil, false
	}
	r := cacheReader{rest: body}
	c := &ScanCache{root: string(r.text(4)), clock: int64(r.number(8)), folders: map[string][]records{}}
	c.body = r.rest
	for len(r.rest) > 0 && !r.short {
		path, dev, size := string(r.text(4)), r.number(8), int(r.number(4))
		from := len(c.body) - len(r.rest)
		end := len(r.rest) - size
		for len(r.rest) > end && !r.short {
			r.text(2)
			r.take(cacheRecord - 2)
			c.files++
		}
		if r.short || len(r.rest) != end {
			return nil, false
		}
		c.folders[path] = append(c.folders[path], records{dev, from, from + size})
	}
	return c, !r.short
}

// cacheReader cuts bytes. Past their end it hands out nothing, and says so.
type cacheReader struct {
	rest  []byte
	short bool
}

func (r *cacheReader) take(n int) []byte {
	if n > len(r.rest) {
		r.short, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// number reads a number of some bytes.
func (r *cacheReader) number(size int) (n uint64) {
	b := r.take(size)
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	return n
}

// text reads a text behind its length, a number of some bytes.
func (r *cacheReader) text(size int) []byte { return r.take(int(r.number(size))) }
