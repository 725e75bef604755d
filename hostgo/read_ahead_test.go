package hostgo

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// aheadTree is a tree of files of all lengths that matter, with what is told of each.
func aheadTree(t *testing.T) (root string, entries []core.Entry, contents map[string]string) {
	t.Helper()
	root, contents = t.TempDir(), map[string]string{}
	closesAll(t, root)
	sizes := []int{0, 1, 100, batchBytes - 1, batchBytes, smallFile - 1, smallFile, smallFile + 1}
	for i := range 40 * len(sizes) {
		size := sizes[i%len(sizes)]
		if i >= 2*len(sizes) {
			size = i
		}
		p := fmt.Sprintf("d%d/e%d/f%03d", i/200, i/50, i)
		e := core.Entry{Path: p, Kind: core.KindFile, Size: int64(size)}
		switch i % 50 {
		case 7: // it is gone by now
		case 8: // it grew: what is read is what is there
			size += 3
			fallthrough
		default:
			contents[p] = strings.Repeat(string(rune('a'+i%26)), size)
			require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(p)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(root, p), []byte(contents[p]), 0o644))
		case 9:
			e = core.Entry{Path: p, Kind: core.KindDir}
		case 10: // it grew too large
			contents[p] = strings.Repeat("x", smallFile+1)
			require.NoError(t, os.WriteFile(filepath.Join(root, p), []byte(contents[p]), 0o644))
		}
		entries = append(entries, e)
	}
	gone := core.Entry{Path: "none/f", Kind: core.KindFile, Size: 1}
	return root, append(entries, gone), contents
}

// TestFilesAreReadAheadInTheirOrder holds each file to what is on the disk, and leaves no goroutine and no open file,
// wherever the caller stops. What is too large to be held is left to be streamed.
func TestFilesAreReadAheadInTheirOrder(t *testing.T) {
	root, entries, contents := aheadTree(t)
	for _, stops := range []int{0, 1, batchMembers - 1, batchMembers, 100, len(entries)} {
		synctest.Test(t, func(t *testing.T) {
			top, err := tree.Open(root)
			require.NoError(t, err)
			defer top.Close()
			var hashing stopwatch
			seen := 0
			for j := range readAhead(t.Context(), top, numbered(entries), &hashing) {
				if seen == stops {
					break
				}
				e := entries[seen]
				require.Equal(t, e.Path, j.member.Entry.Path)
				require.Equal(t, 10*seen, j.number)
				seen++
				content, there := contents[e.Path]
				switch {
				case e.Kind != core.KindFile || e.Size > smallFile || len(content) > smallFile:
					require.NoError(t, j.file.err, e.Path)
					require.Nil(t, j.file.data, e.Path)
				case !there:
					require.ErrorIs(t, j.file.err, os.ErrNotExist, e.Path)
				default:
					require.NoError(t, j.file.err, e.Path)
					require.Equal(t, content, string(j.file.data), e.Path)
					require.NotNil(t, j.file.data, e.Path)
					require.Equal(t, core.Sum(content), j.file.digest)
					require.Equal(t, j.file.info.MtimeNs, j.file.mtimeNs)
				}
			}
			require.Equal(t, stops, seen)
		})
	}
}

func numbered(entries []core.Entry) func(func(int, member) bool) {
	return func(yield func(int, member) bool) {
		for i, e := range entries {
			if !yield(10*i, member{Name: e.Path, Entry: e}) {
				return
			}
		}
	}
}

// TestReadingAheadEndsWithItsContext leaves nothing behind where the members have no end.
func TestReadingAheadEndsWithItsContext(t *testing.T) {
	root, entries, _ := aheadTree(t)
	synctest.Test(t, func(t *testing.T) {
		top, err := tree.Open(root)
		require.NoError(t, err)
		defer top.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var hashing stopwatch
		endless := func(yield func(int, member) bool) {
			for yield(0, member{Name: entries[0].Path, Entry: entries[0]}) {
			}
		}
		for range readAhead(ctx, top, endless, &hashing) {
			cancel()
		}
	})
}

// TestR4_BatchesAreBounded: what is read ahead must not be held for a whole tree.
func TestR4_BatchesAreBounded(t *testing.T) {
	for _, row := range []struct {
		kind core.Kind
		size int64
		want int // members of a batch
	}{
		{core.KindFile, 0, batchMembers}, {core.KindDir, 0, batchMembers}, {core.KindFile, 1, batchMembers},
		{core.KindFile, batchBytes / 4, 4}, {core.KindFile, batchBytes/4 - 1, 5}, {core.KindFile, smallFile, 1},
		{core.KindFile, smallFile + 1, batchMembers}, // it is streamed
	} {
		b := &batch{}
		n := 0
		for ; !b.full(); n++ {
			b.add(n, &member{Entry: core.Entry{Kind: row.kind, Size: row.size}})
		}
		require.Equal(t, row.want, n, "%v", row)
	}
	b := &batch{}
	for _, n := range []int{1, batchBytes, smallFile, smallFile + 1, 0, 5} {
		before := b.room
		got := b.take(n)
		require.Len(t, got, n)
		require.Equal(t, n, cap(got), "what lies behind it is another's")
		require.LessOrEqual(t, cap(b.room), max(batchBytes+smallFile, cap(before)))
	}
}

// TestAFileIsReadToItsEnd, however its bytes come. One that grew fills the room that is one byte too large.
func TestAFileIsReadToItsEnd(t *testing.T) {
	broken := io.ErrNoProgress
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"at once":         func(r io.Reader) io.Reader { return r },
		"byte by byte":    iotest.OneByteReader,
		"in halves":       iotest.HalfReader,
		"with its end":    iotest.DataErrReader,
		"until it breaks": func(r io.Reader) io.Reader { return io.MultiReader(r, iotest.ErrReader(broken)) },
	} {
		for size := range 6 {
			buf := make([]byte, 4)
			n, err := readWhole(wrap(strings.NewReader(strings.Repeat("x", size))), buf)
			if name == "until it breaks" && size < len(buf)-1 {
				require.ErrorIs(t, err, broken)
				continue
			}
			require.NoError(t, err, name)
			if size < len(buf) {
				require.Equal(t, size, n, name)
			} else {
				require.GreaterOrEqual(t, n, len(buf)-1, "%s of %d", name, size) // a read that ends where it should is the last
			}
		}
	}
}
