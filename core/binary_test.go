package core

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// TestFletcher64 holds the checksum to sums by hand: 1+2+3 and 1+3+6 of three words,
// 2^32-1 less the modulus for a word of ones, and the words after a whole row.
func TestFletcher64(t *testing.T) {
	words := func(of ...uint32) (out []byte) {
		for _, w := range of {
			out = binary.LittleEndian.AppendUint32(out, w)
		}
		return out
	}
	for _, tt := range []struct {
		data []byte
		want uint64
	}{
		{nil, 0},
		{words(0, 0), 0},
		{words(1, 2, 3), 10<<32 | 6},
		{words(1<<32 - 1), 4<<32 | 4},
		{words(1<<32-6, 1), (1<<32 - 6) << 32},
		{words(1, 1, 1, 1, 1, 1, 1, 1, 1, 1), 55<<32 | 10},
		{[]byte("abcdefgh"), 0x312e2b2c_cccac8c6}, // modulo 2^32-1 it is 0x312e2b28_cccac8c6
	} {
		require.Equal(t, tt.want, fletcher64(tt.data), "%x", tt.data)
	}
}

// TestFletcher64OfManyWords compares with sums that are reduced after each word, of
// the largest words, where the sums would overflow first.
func TestFletcher64OfManyWords(t *testing.T) {
	data := bytes.Repeat([]byte{0xff}, 4*(3*fletcherWords+13))
	for n := range 7 {
		data := data[:len(data)-4*n*7919]
		a, b := uint64(0), uint64(0)
		for range len(data) / 4 {
			a = (a + 1<<32 - 1) % fletcherModulus
			b = (b + a) % fletcherModulus
		}
		require.Equal(t, b<<32|a, fletcher64(data))
	}
}

// randomSnapshot has every kind of entry, names beyond ASCII, and more entries
// than one block.
func randomSnapshot(r *rand.Rand, n int) *Snapshot {
	s := &Snapshot{Unread: r.Intn(8) == 0}
	names := []string{"a", "a-b", "a.b", "b", "é", "😀", "Z", ".git", "..x"}
	dirs := []string{""}
	seen := map[string]bool{}
	var entries []Entry
	for range n {
		path := Join(dirs[r.Intn(len(dirs))], fmt.Sprint(names[r.Intn(len(names))], r.Intn(1+n/4)))
		if seen[path] {
			continue
		}
		seen[path] = true
		e := Entry{Path: path, Kind: Kind(1 + r.Intn(3)), Mode: uint16(r.Intn(0o1000))}
		switch e.Kind {
		case KindFile:
			e.Size, e.Digest = r.Int63n(MaxSize), Sum(path)
			if s.Unread {
				e.Digest = Digest{}
			}
		case KindDir:
			dirs = append(dirs, path)
		case KindLink:
			e.Target = "../" + path
		}
		entries = append(entries, e)
	}
	SortEntries(entries)
	s.Entries = TreeOf(entries)
	if r.Intn(2) == 0 {
		s.Problems = []Problem{{Path: "f", Code: ProblemSpecial, Detail: "a FIFO"}}
		s.Incomplete, s.Occupied = []string{"", "a"}, []string{"b"}
	}
	return s
}

func TestBinaryAndJSONAreOneValue(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for i := range 200 {
		s := randomSnapshot(r, []int{0, 1, 7, 60, 5000}[i%5])
		data := EncodeBinary(s)
		require.Zero(t, len(data)%8)
		fromBinary, err := DecodeBinary(data)
		require.NoError(t, err)
		fromJSON, err := DecodeSnapshot(EncodeSnapshot(s))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(fromJSON, fromBinary))
		require.Equal(t, data, EncodeBinary(fromJSON))
	}
}

// TestBinaryDamageIsFound flips each bit and cuts at each byte: what is damaged
// never decodes.
func TestBinaryDamageIsFound(t *testing.T) {
	data := EncodeBinary(&Snapshot{Occupied: []string{""}, Entries: TreeOf([]Entry{
		{Path: "d", Kind: KindDir, Mode: 0o755}, {Path: "d/f", Kind: KindFile, Size: 3, Digest: Sum("abc")}, {Path: "l", Kind: KindLink, Target: "d/f"}})})
	_, err := DecodeBinary(data)
	require.NoError(t, err)
	for i := range data {
		for bit := range 8 {
			bad := append([]byte(nil), data...)
			bad[i] ^= 1 << bit
			_, err := DecodeBinary(bad)
			require.Error(t, err, "byte %d bit %d", i, bit)
		}
		_, err := DecodeBinary(data[:i])
		require.ErrorIs(t, err, CodeCorrupt, "cut at %d", i)
	}
	_, err = DecodeBinary(append(data, make([]byte, 8)...))
	require.ErrorIs(t, err, CodeCorrupt)
}

func FuzzDecodeBinary(f *testing.F) {
	r := rand.New(rand.NewSource(2))
	for range 4 {
		f.Add(EncodeBinary(randomSnapshot(r, 5)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reseal(data)
		s, err := DecodeBinary(data)
		if err != nil {
			var known *Error
			require.True(t, errors.As(err, &known))
			return
		}
		require.Equal(t, data, EncodeBinary(s), "one form only")
		again, err := DecodeSnapshot(EncodeSnapshot(s))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(s, again))
	})
}

// reseal corrects the checksums where the lengths allow it, so that fuzzing
// reaches what lies behind them.
func reseal(data []byte) {
	if len(data) < binaryHeader {
		return
	}
	le := binary.LittleEndian
	end := binaryHeader + pad8(int(le.Uint32(data[28:])))
	if end > len(data) {
		return
	}
	le.PutUint64(data[8:], fletcher64(data[16:end]))
	for rest := data[end:]; len(rest) >= blockHeader; {
		of := func(at int) int { return int(le.Uint32(rest[at:])) }
		n := counts{of(8), of(12), of(16), of(20)}.size()
		if n > len(rest) {
			return
		}
		le.PutUint64(rest, fletcher64(rest[checksumLen:n]))
		rest = rest[n:]
	}
}

// benchSnapshot is n entries in folders of a hundred.
func benchSnapshot(n int) *Snapshot {
	entries := []Entry{{Path: "src", Kind: KindDir, Mode: 0o755}}
	for i := 0; len(entries) < n; i++ {
		dir := fmt.Sprintf("src/package%06d", i)
		entries = append(entries, Entry{Path: dir, Kind: KindDir, Mode: 0o755})
		for j := 0; j < 100 && len(entries) < n; j++ {
			entries = append(entries, Entry{Path: fmt.Sprintf("%s/component%03d.go", dir, j), Kind: KindFile, Mode: 0o644, Size: 100, Digest: Sum(dir)})
		}
	}
	return &Snapshot{Entries: TreeOf(entries)}
}

func BenchmarkSnapshot(b *testing.B) {
	const n = 100_000
	s := benchSnapshot(n)
	data, text := EncodeBinary(s), EncodeSnapshot(s)
	for name, one := range map[string]func() error{
		"encode-binary":   func() error { EncodeBinary(s); return nil },
		"encode-json":     func() error { EncodeSnapshot(s); return nil },
		"decode-binary":   func() error { _, err := DecodeBinary(data); return err },
		"decode-json":     func() error { _, err := DecodeSnapshot(text); return err },
		"validate":        s.Validate,
		"decode-checksum": func() error { fletcher64(data); return nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, one())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
		})
	}
}
