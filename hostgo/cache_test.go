package hostgo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// warmTree is a scanned tree whose times are old, so that its cache is trusted.
func warmTree(t *testing.T) (root string, s *state) {
	t.Helper()
	root = t.TempDir()
	for i := range 20 {
		p := filepath.Join(root, "d"+strconv.Itoa(i%3), strconv.Itoa(i))
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, []byte("content "+strconv.Itoa(i)), 0o644))
	}
	time.Sleep(2 * time.Duration(fineMargin))
	s = &state{t.TempDir()}
	rescan(t, root, s)
	return root, s
}

// rescan scans with the stored cache and stores the next one.
func rescan(t *testing.T, root string, s *state) {
	t.Helper()
	_, err := Scan(t.Context(), root, ScanOptions{cache: s.loadCache(root), nextCache: s.cachePath()})
	require.NoError(t, err)
}

// store replaces the stored cache.
func (s *state) store(t *testing.T, c *scanCache) {
	t.Helper()
	require.NoError(t, os.WriteFile(s.cachePath(), stored(c.bytes()), 0o600))
}

// stored puts the first line before what stands in the file behind it.
func stored(body []byte) []byte {
	return append([]byte(cacheHead+core.Sum(string(body)).String()+"\n"), body...)
}

// bytes are what stands in the file behind its first line, but for the order of folders.
func (c *scanCache) bytes() []byte {
	b := binary.LittleEndian.AppendUint64(appendText(nil, c.root), uint64(c.clock))
	for path, list := range c.folders {
		for _, r := range list {
			b = binary.LittleEndian.AppendUint64(appendText(b, path), r.dev)
			b = appendText(b, string(r.data))
		}
	}
	return b
}

// poison gives every record a digest that no content has, so that its use shows.
func poison(t *testing.T, root string, s *state) {
	t.Helper()
	c := s.loadCache(root)
	bad := core.Sum("poison")
	for _, list := range c.folders {
		for _, r := range list {
			for b := r.data; len(b) > 0; {
				_, _, _, rest := cutRecord(b)
				copy(b[len(b)-len(rest)-len(bad):], bad[:])
				b = rest
			}
		}
	}
	s.store(t, c)
}

// decode reads a cache as it is stored.
func decode(data []byte) (*scanCache, bool) {
	return readCache(bytes.NewReader(data), int64(len(data)))
}

func entriesWith(t *testing.T, root string, c *scanCache) []core.Entry {
	t.Helper()
	scanned, err := Scan(t.Context(), root, ScanOptions{cache: c})
	require.NoError(t, err)
	return scanned.Snapshot.Entries.List()
}

func TestCacheIsUsedForWhatDidNotChange(t *testing.T) {
	root, s := warmTree(t)
	before, err := os.Stat(s.cachePath())
	require.NoError(t, err)
	_, err = Scan(t.Context(), root, ScanOptions{cache: s.loadCache(root), nextCache: s.cachePath()})
	require.NoError(t, err)
	after, err := os.Stat(s.cachePath())
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "a scan that learnt nothing rewrote the cache")
	poison(t, root, s)
	for _, e := range entriesWith(t, root, s.loadCache(root)) {
		if e.Kind == core.KindFile {
			require.Equal(t, core.Sum("poison"), e.Digest, e.Path)
		}
	}
	c := s.loadCache(root)
	c.clock = time.Now().Add(time.Hour).UnixNano() // the clock was set back since
	require.Empty(t, cmp.Diff(entriesWith(t, root, nil), entriesWith(t, root, c)))
}

// A file enters a cache if its times were old enough when it was read itself: the clock at the beginning would leave
// out what a checkout or an install had just written, all of which would be read again.
func TestCacheHoldsWhatWasSettledWhenItWasRead(t *testing.T) {
	const files = 300 // more than lie between two calls of Progress
	name := func(i int) string { return fmt.Sprintf("f%03d", i) }
	root, s := t.TempDir(), &state{t.TempDir()}
	for i := range files {
		require.NoError(t, os.WriteFile(filepath.Join(root, name(i)), nil, 0o644))
	}
	soon := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(root, name(files-2)), soon, soon))
	_, err := Scan(t.Context(), root, ScanOptions{cache: s.loadCache(root), nextCache: s.cachePath(), Workers: 1,
		Progress: func(int, int64) { time.Sleep(2 * time.Duration(fineMargin)) }})
	require.NoError(t, err)
	stored, err := os.ReadFile(s.cachePath())
	require.NoError(t, err)
	require.True(t, bytes.Contains(stored, []byte(name(files-1))), "it was old enough when it was read")
	require.False(t, bytes.Contains(stored, []byte(name(files-2))), "it is younger than the clock")
}

// A file that is new, or gone, does not hide what is known of those behind it.
func TestACacheIsReadInTheOrderOfNames(t *testing.T) {
	s, file := &state{t.TempDir()}, stamp{size: 1}
	w, err := newCacheWriter(s.cachePath(), "/root", 5)
	require.NoError(t, err)
	for _, name := range []string{"b", "d", "f"} {
		w.add("", name, 6, file, core.Sum(name))
	}
	require.NoError(t, w.close())
	folder := s.loadCache("/root").folder("", 5)
	for _, name := range []string{"a", "b", "c", "e", "f", "g"} { // d is gone
		got, ok := folder.find(name, 6, file)
		require.Equal(t, name == "b" || name == "f", ok, name)
		require.Equal(t, ok, got == core.Sum(name), name)
	}
}

// TestATimeIsTrustedOnceItsTickIsOver holds the racily-clean rule to its margins, after a whole second and within one.
func TestATimeIsTrustedOnceItsTickIsOver(t *testing.T) {
	const second = int64(time.Second)
	for _, tt := range []struct {
		mtime, ctime, clock int64
		settled             bool
	}{
		{second + 1, second + 1, second + 1 + fineMargin, false},
		{second + 1, second + 1, second + 2 + fineMargin, true},
		{second, second, second + 2 + fineMargin, false},
		{second, second, second + coarseMargin, false},
		{second, second, second + 1 + coarseMargin, true},
		{second, second + 1, second + 2 + fineMargin, true},
		{second + 1, second, second + 2 + fineMargin, true},
		{1, second + 1, second, false},
		{second + 1, 1, second, false},
	} {
		require.Equal(t, tt.settled, stamp{mtimeNs: tt.mtime, ctimeNs: tt.ctime}.settled(tt.clock), "%+v", tt)
	}
}

func TestCacheSeesEdits(t *testing.T) {
	for name, edit := range map[string]func(t *testing.T, p string){
		"same size": func(t *testing.T, p string) { require.NoError(t, os.WriteFile(p, []byte("CONTENT 1"), 0o644)) },
		"restored mtime": func(t *testing.T, p string) {
			info, err := os.Stat(p)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(p, []byte("CONTENT 1"), 0o644))
			require.NoError(t, os.Chtimes(p, info.ModTime(), info.ModTime()))
		},
		"another inode": func(t *testing.T, p string) {
			info, err := os.Stat(p)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(p+".new", []byte("CONTENT 1"), 0o644))
			require.NoError(t, os.Chtimes(p+".new", info.ModTime(), info.ModTime()))
			require.NoError(t, os.Rename(p+".new", p))
		},
		"gone": func(t *testing.T, p string) { require.NoError(t, os.Remove(p)) },
	} {
		t.Run(name, func(t *testing.T) {
			root, s := warmTree(t)
			edit(t, filepath.Join(root, "d1", "1"))
			require.Empty(t, cmp.Diff(entriesWith(t, root, nil), entriesWith(t, root, s.loadCache(root))))
		})
	}
}

func TestDamagedCacheIsNotTrusted(t *testing.T) {
	root, s := warmTree(t)
	poison(t, root, s)
	data, err := os.ReadFile(s.cachePath())
	require.NoError(t, err)
	for i := range data {
		require.NoError(t, os.WriteFile(s.cachePath(), data[:i], 0o600))
		require.Empty(t, s.loadCache(root).folders, "cut at %d", i)
		bad := append([]byte{}, data...)
		bad[i] ^= 1 << (i % 8)
		_, ok := decode(bad)
		require.False(t, ok, "damaged at %d", i)
	}
	require.NoError(t, os.WriteFile(s.cachePath(), data, 0o600))
	require.NotEmpty(t, s.loadCache(root).folders)
	require.Empty(t, s.loadCache(root+"x").folders, "a cache of another tree")
}

func FuzzCache(f *testing.F) {
	s := &state{f.TempDir()}
	c, err := newCacheWriter(s.cachePath(), "/w", 5)
	require.NoError(f, err)
	c.add("", "a", 1, stamp{1, 2, 3, 4}, core.Sum("a"))
	c.add("d", "b", 1, stamp{}, core.Sum("b"))
	c.add("", "z", 2, stamp{}, core.Sum("b"))
	require.NoError(f, c.close())
	known := s.loadCache("/w")
	require.Len(f, known.folders, 2)
	f.Add(known.bytes())
	f.Fuzz(func(t *testing.T, body []byte) {
		c, ok := decode(stored(body))
		if !ok {
			return
		}
		again, ok := decode(stored(c.bytes()))
		require.True(t, ok)
		require.Equal(t, c, again)
		require.Len(t, c.bytes(), len(body))
		for path := range c.folders {
			c.folder(path, math.MaxInt64).find("\xff", 0, stamp{})
		}
	})
}

// A scan with the cache of the scan before equals one without, after any edits.
func TestCacheEqualsFullScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	root, s := warmTree(t)
	for range 500 {
		p := filepath.Join(root, "d"+strconv.Itoa(rng.IntN(3)), strconv.Itoa(rng.IntN(20)))
		switch rng.IntN(5) {
		case 0:
			require.NoError(t, os.RemoveAll(p))
		case 1:
			when := time.Unix(int64(rng.IntN(3)), 0)
			_ = os.Chtimes(p, when, when) // it may be gone
		case 2:
			_ = os.Rename(p, filepath.Join(root, "d0", strconv.Itoa(rng.IntN(20)))) // likewise
		default:
			require.NoError(t, os.WriteFile(p, []byte{byte(rng.IntN(3))}, 0o644))
		}
		want := entriesWith(t, root, nil)
		scanned, err := Scan(t.Context(), root, ScanOptions{cache: s.loadCache(root), nextCache: s.cachePath()})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, scanned.Snapshot.Entries.List()))
	}
}
