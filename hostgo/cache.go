package hostgo

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// scanCache remembers the digests of an earlier scan of one tree, so that a file
// that did not change since need not be read. One is trusted only if size, mtime,
// ctime, inode and device are the same. It holds only files that were settled when they were
// read: what is younger may have changed again in the same tick of the clock.
//
// It serves one scan, and lets go of each folder that was handed out: whole it is
// as large as the snapshot that grows meanwhile.
//
// It is kept as the bytes that are stored, some 80 for each file. All numbers are
// little-endian:
//
//	root (4 bytes of length, then text), clock (8)
//	for each folder, once or more: path (as root), device (8), bytes of records (4)
//	for each file in it, by name: name (2 bytes of length, then text), size, mtime, ctime, inode (8 each), digest (32)
type scanCache struct {
	root  string
	clock int64 // of the host, in nanoseconds, when the last scan began
	files int

	mu      sync.Mutex
	folders map[string][]records
}

// records are the files of one folder, of one device, as they are stored.
type records struct {
	dev  uint64
	data []byte
}

// stamp is what tells that a file changed.
type stamp struct {
	size, mtimeNs, ctimeNs int64
	ino                    uint64
}

func stampOf(i tree.Info) stamp { return stamp{i.Size, i.MtimeNs, i.CtimeNs, i.Ino} }

const (
	cacheHead   = "syncplan-scan 3 "
	cacheRecord = 2 + 4*8 + 32 // without the name
)

// The margins of the racily-clean rule: a tick of a kernel is at most 10 ms, but
// some file systems keep times of one or two seconds.
const (
	fineMargin   = 20 * int64(time.Millisecond)
	coarseMargin = 2 * int64(time.Second)
)

// settled reports whether a file that was not read before a clock gets another stamp with its next change.
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
	list []records // without what was passed
}

// folder takes what is known of a folder out of the cache. now is when this scan
// began: a clock that was set back proves nothing.
func (c *scanCache) folder(path string, now int64) *cachedFolder {
	if c == nil || now < c.clock {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.folders[path]
	delete(c.folders, path)
	return &cachedFolder{list}
}

// find returns the digest of an unchanged file.
func (f *cachedFolder) find(name string, dev uint64, now stamp) (core.Digest, bool) {
	for f != nil && len(f.list) > 0 {
		r := &f.list[0]
		if len(r.data) == 0 {
			f.list = f.list[1:]
			continue
		}
		was, s, d, rest := cutRecord(r.data)
		if string(was) > name {
			break
		}
		r.data = rest
		if string(was) == name {
			return d, s == now && r.dev == dev
		}
	}
	return core.Digest{}, false
}

// cutRecord reads the first of records, which is known to be whole, and returns the others.
func cutRecord(b []byte) (name []byte, s stamp, d core.Digest, rest []byte) {
	end := 2 + int(binary.LittleEndian.Uint16(b))
	name, b = b[2:end], b[end:]
	n := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	return name, stamp{int64(n(0)), int64(n(1)), int64(n(2)), n(3)}, core.Digest(b[32:64]), b[64:]
}

// countRecords returns how many records there are, or false where one is not whole.
func countRecords(b []byte) (n int, ok bool) {
	for ; len(b) > 0; n++ {
		if len(b) < cacheRecord || len(b) < cacheRecord+int(binary.LittleEndian.Uint16(b)) {
			return 0, false
		}
		b = b[cacheRecord+int(binary.LittleEndian.Uint16(b)):]
	}
	return n, true
}

// cachePath is where the cache of a state lies.
func (s *state) cachePath() string { return filepath.Join(s.dir, "scan") }

// loadCache returns the stored cache of a tree. One that is missing, damaged,
// newer or about another tree is empty: it is never trusted and soon replaced.
func (s *state) loadCache(root string) *scanCache {
	if got, ok := s.storedCache(); ok && got.root == root {
		return got
	}
	return &scanCache{root: root, clock: math.MaxInt64}
}

func (s *state) storedCache() (*scanCache, bool) {
	f, err := os.Open(s.cachePath())
	if err != nil {
		return nil, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false
	}
	return readCache(f, info.Size())
}

// readCache reads a cache of so many bytes, and reports false for anything but a whole
// one of this version.
func readCache(f io.Reader, size int64) (*scanCache, bool) {
	head, sum := make([]byte, len(cacheHead)+2*sha256.Size+1), sha256.New()
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, false
	}
	r := cacheReader{r: bufio.NewReaderSize(io.TeeReader(f, sum), 64<<10), left: size - int64(len(head))}
	c := &scanCache{root: string(r.text()), clock: int64(r.number(8)), folders: map[string][]records{}}
	for r.left > 0 && !r.short {
		path, of := string(r.text()), records{dev: r.number(8), data: r.text()}
		n, ok := countRecords(of.data)
		if !ok {
			return nil, false
		}
		c.folders[path], c.files = append(c.folders[path], of), c.files+n
	}
	return c, !r.short && string(head) == cacheHead+hex.EncodeToString(sum.Sum(nil))+"\n"
}

// cacheReader cuts bytes. Past their end it hands out nothing, and says so.
type cacheReader struct {
	r     io.Reader
	left  int64
	short bool
}

func (r *cacheReader) take(n int64) []byte {
	if n > r.left || r.short {
		r.short = true
		return nil
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r.r, b)
	r.left, r.short = r.left-n, err != nil
	return b
}

// number reads a number of some bytes.
func (r *cacheReader) number(size int64) (n uint64) {
	b := r.take(size)
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	return n
}

// text reads bytes behind their length, a number of 4 bytes.
func (r *cacheReader) text() []byte { return r.take(int64(r.number(4))) }
