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
type ScanCache struct {
	root    string
	clock   int64 // of the host, in nanoseconds, when the earlier scan began
	records map[string]cached
}

type cached struct {
	info   tree.Info
	digest core.Digest
}

const (
	cacheHead   = "syncplan-scan 1 "
	cacheRecord = 8*6 + 32 // without the path and its length
)

// The margins of the racily-clean rule: a tick of a kernel is at most 10 ms, but
// some file systems keep times of one or two seconds.
const (
	fineMargin   = 100 * int64(time.Millisecond)
	coarseMargin = 2 * int64(time.Second)
)

// lookup returns the digest of an unchanged file. now is when this scan began: a
// clock that was set back proves nothing.
func (c *ScanCache) lookup(path string, info tree.Info, now int64) (core.Digest, bool) {
	if c == nil || now < c.clock {
		return core.Digest{}, false
	}
	r, ok := c.records[path]
	if !ok || !sameFile(r.info, info) || !settled(info, c.clock) {
		return core.Digest{}, false
	}
	return r.digest, true
}

func sameFile(a, b tree.Info) bool {
	return a.Kind == b.Kind && a.Size == b.Size && a.MtimeNs == b.MtimeNs && a.CtimeNs == b.CtimeNs && a.Ino == b.Ino && a.Dev == b.Dev
}

func settled(info tree.Info, clock int64) bool {
	margin := fineMargin
	if info.MtimeNs%1e9 == 0 && info.CtimeNs%1e9 == 0 {
		margin = coarseMargin
	}
	return max(info.MtimeNs, info.CtimeNs) < clock-margin
}

// cachePath is where the cache of a state lies.
func (s *state) cachePath() string { return filepath.Join(s.dir, "scan") }

// loadCache returns the stored cache of a tree. One that is missing, damaged,
// newer or about another tree is empty: it is never trusted and soon replaced.
func (s *state) loadCache(root string) *ScanCache {
	c := &ScanCache{root: root, clock: math.MaxInt64}
	data, err := os.ReadFile(s.cachePath())
	if err != nil {
		return c
	}
	if got, ok := decodeCache(data); ok && got.root == root {
		return got
	}
	return c
}

// saveCache replaces the stored cache.
func (s *state) saveCache(c *ScanCache) error {
	body := c.encode()
	sum := sha256.Sum256(body)
	return writeFileAtomic(s.cachePath(), []byte(cacheHead+hex.EncodeToString(sum[:])+"\n"), body)
}

func (c *ScanCache) encode() []byte {
	size := 0
	for path := range c.records {
		size += cacheRecord + 4 + len(path)
	}
	b := make([]byte, 0, size+len(c.root)+32)
	b = appendText(b, c.root)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.clock))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(c.records)))
	for path, r := range c.records {
		b = appendText(b, path)
		for _, n := range [6]uint64{uint64(r.info.Size), uint64(r.info.MtimeNs), uint64(r.info.CtimeNs), r.info.Ino, r.info.Dev, uint64(r.info.Mode)} {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		b = append(b, r.digest[:]...)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
}

// decodeCache reports false for anything but a whole cache of this version.
func decodeCache(data []byte) (*ScanCache, bool) {
	head, body, ok := bytes.Cut(data, []byte("\n"))
	sum := sha256.Sum256(body)
	if !ok || string(head) != cacheHead+hex.EncodeToString(sum[:]) {
		return nil, false
	}
	r := cacheReader{rest: string(body)} // one string, of which the paths are parts
	c := &ScanCache{root: r.text(), clock: int64(r.number())}
	n := r.number()
	if n > uint64(len(body))/cacheRecord {
		return nil, false
	}
	c.records = make(map[string]cached, n)
	for range n {
		path := r.text()
		i := tree.Info{Kind: core.KindFile, Size: int64(r.number()), MtimeNs: int64(r.number()), CtimeNs: int64(r.number()), Ino: r.number(), Dev: r.number(), Mode: uint32(r.number())}
		c.records[path] = cached{i, core.Digest([]byte(r.take(32)))}
	}
	return c, !r.short && r.rest == ""
}

// cacheReader cuts a string. Past its end it hands out zeros, and says so.
type cacheReader struct {
	rest  string
	short bool
}

const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func (r *cacheReader) take(n int) string {
	if n > len(r.rest) {
		r.short, r.rest = true, ""
		return zeros[:min(n, len(zeros))]
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *cacheReader) number() uint64 {
	s := r.take(8)
	n := uint64(0)
	for i := 7; i >= 0; i-- {
		n = n<<8 | uint64(s[i])
	}
	return n
}

func (r *cacheReader) text() string {
	s := r.take(4)
	n := int(s[0]) | int(s[1])<<8 | int(s[2])<<16 | int(s[3])<<24
	if n > len(r.rest) {
		r.short, r.rest = true, ""
		return ""
	}
	return r.take(n)
}
