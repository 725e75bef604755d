package core

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// edited returns entries with a few added, removed and changed: what follows moves
// across the borders of blocks.
func edited(r *rand.Rand, entries []Entry) []Entry {
	byPath := map[string]Entry{}
	for _, e := range entries {
		byPath[e.Path] = e
	}
	for range r.Intn(12) {
		e := entries[r.Intn(len(entries))]
		switch r.Intn(6) {
		case 0:
			maps.DeleteFunc(byPath, func(p string, _ Entry) bool { return p == e.Path || Under(p, e.Path) })
		case 1:
			added := Entry{Path: Join(Parent(e.Path), fmt.Sprint("new", r.Int())), Kind: KindFile, Digest: Sum("new")}
			if _, ok := byPath[Parent(e.Path)]; ok || Parent(e.Path) == "" {
				byPath[added.Path] = added
			}
		default:
			if e, ok := byPath[e.Path]; ok {
				e.Mode ^= uint16(1 << r.Intn(9))
				if e.Kind == KindFile && r.Intn(2) == 0 {
					e.Digest[r.Intn(32)]++
				}
				if e.Kind == KindLink {
					e.Target += "x"
				}
				byPath[e.Path] = e
			}
		}
	}
	return slices.SortedFunc(maps.Values(byPath), func(a, b Entry) int { return ComparePaths(a.Path, b.Path) })
}

// randomEntries is a valid list that fills more than two blocks.
func randomEntries(r *rand.Rand) []Entry {
	for {
		if s := randomSnapshot(r, 12_000); !s.Unread {
			return s.Entries.List()
		}
	}
}

func TestTreeIsItsList(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	list := randomEntries(r)
	require.Greater(t, len(list), 2*blockEntries)
	tree := TreeOf(list)
	require.Equal(t, len(list), tree.Len())
	require.True(t, slices.Equal(list, tree.List()))
	links := slices.DeleteFunc(slices.Clone(list), func(e Entry) bool { return e.Kind != KindLink })
	i, k := 0, 0
	for e := range tree.All() {
		require.True(t, list[i] == *e)
		require.True(t, list[i] == *tree.Find(e.Path))
		i++
	}
	require.Equal(t, len(list), i)
	for e := range tree.Links() {
		require.True(t, links[k] == *e)
		k++
	}
	require.Equal(t, len(links), k)
	require.Nil(t, tree.Find("no such path"))
	require.Nil(t, Tree{}.Find("a"))
}

func TestCursor(t *testing.T) {
	r := rand.New(rand.NewSource(4))
	for range 3 {
		a := randomEntries(r)
		b := edited(r, a)
		first, second := TreeOf(a), TreeOf(b)
		for range 300 {
			i := r.Intn(len(a) + 1)
			j := min(max(i+r.Intn(25)-12, 0), len(b))
			limit := r.Intn(9000)
			x, y := first.Cursor(), second.Cursor()
			x.Skip(i)
			y.Skip(j)
			same, modes := 0, 0
			for same < limit && i+same < len(a) && j+same < len(b) {
				e, f := a[i+same], b[j+same]
				if e.Path != f.Path || !SameContent(&e, &f) || (e.Mode^f.Mode)&0o100 != 0 {
					break
				}
				if e.Mode != f.Mode {
					modes++
				}
				same++
			}
			require.Equal(t, same, x.SameRun(&y, limit))
			require.Equal(t, modes, x.ModesDiffer(&y, same))

			path := a[r.Intn(len(a))].Path
			if r.Intn(2) == 0 {
				path += "~"
			}
			before := slices.IndexFunc(a[i:], func(e Entry) bool { return ComparePaths(e.Path, path) >= 0 })
			if before < 0 {
				before = len(a) - i
			}
			require.Equal(t, before, x.Before(path))
			if i == len(a) {
				require.Nil(t, x.Head())
				continue
			}
			require.Equal(t, a[i], *x.Head())
			dir := Parent(a[i].Path)
			below := x.Below(dir)
			n := 0
			for i+n < len(a) && Under(a[i+n].Path, dir) {
				n++
			}
			require.True(t, slices.Equal(a[i:i+n], below.List()), "below %q", dir)
			files, passed := 0, 0
			for _, e := range a[i : i+n] {
				if Name(e.Path) == "b1" {
					break
				}
				if e.Kind == KindFile {
					files++
				}
				passed++
			}
			gotPassed, gotFiles := below.Tally(n, "b1")
			require.Equal(t, [2]int{passed, files}, [2]int{gotPassed, gotFiles})
		}
	}
}

// TestTreeBuilderTakes splices two trees in pieces of any length.
func TestTreeBuilderTakes(t *testing.T) {
	r := rand.New(rand.NewSource(5))
	a := randomEntries(r)
	for range 20 {
		var b TreeBuilder
		var want []Entry
		tree := TreeOf(a)
		c := tree.Cursor()
		for c.Left() > 0 {
			n := min(c.Left(), 1+r.Intn(6000))
			if r.Intn(4) > 0 {
				want = append(want, a[len(a)-c.Left():][:n]...)
				b.Take(&c, n)
				continue
			}
			c.Skip(n)
			b.Add(&a[n])
			want = append(want, a[n])
		}
		got := b.Tree()
		require.True(t, slices.Equal(want, got.List()))
		require.True(t, got.Equal(TreeOf(want)))
		require.Zero(t, b.Tree().Len())
	}
}

// spoil makes one entry of a list invalid, or of another order.
func spoil(r *rand.Rand, list []Entry) []Entry {
	out := slices.Clone(list)
	i := r.Intn(len(out))
	e := &out[i]
	switch r.Intn(14) {
	case 0:
		out[i], out[(i+1)%len(out)] = out[(i+1)%len(out)], out[i]
	case 1:
		out = slices.Insert(out, i, *e)
	case 2:
		e.Path = ""
	case 3:
		e.Path = strings.Replace(e.Path, "/", "//", 1)
	case 4:
		e.Path += []string{"/", "/.", "/..", "\x00", "\xff", "/" + strings.Repeat("x", MaxPath)}[r.Intn(6)]
	case 5:
		e.Path = Join(Parent(e.Path), "nowhere/x")
	case 6:
		e.Mode = 0o1000
	case 7:
		e.Size = -1
	case 8:
		e.Size = MaxSize + 1
	case 9:
		e.Digest[r.Intn(32)] ^= 1
		e.Kind = KindDir
	case 10:
		e.Digest = Digest{}
	case 11:
		e.Kind = Kind(r.Intn(5))
	case 12:
		e.Target = []string{"", "x", "\x00", "\xff", strings.Repeat("x", MaxTarget+1)}[r.Intn(5)]
	case 13:
		out = slices.Delete(out, i, i+1)
	}
	return out
}

// validOneByOne is what validity means, said plainly.
func validOneByOne(list []Entry) bool {
	dirs := map[string]bool{"": true}
	for i := range list {
		e := &list[i]
		if ValidatePath(e.Path) != nil || !dirs[Parent(e.Path)] || validateEntry(i, e, false) != nil ||
			i > 0 && ComparePaths(list[i-1].Path, e.Path) >= 0 {
			return false
		}
		dirs[e.Path] = e.Kind == KindDir
	}
	return true
}

// TestPathsAreJudgedByWordsAsByBytes puts odd pieces at every place of short and
// long names: a tree is valid exactly where its entries are, one by one.
func TestPathsAreJudgedByWordsAsByBytes(t *testing.T) {
	r := rand.New(rand.NewSource(8))
	pieces := []string{"a", "b", "ab", "abcdefgh", "abcdefghijklm", "a/b", "/", "/", ".", "..", "/.", "\x00", "\x7f", "\x80", "\xaf", "é", "\xc3"}
	word := func(plain int) string {
		text := ""
		for range r.Intn(6) {
			if text += pieces[r.Intn(plain)]; r.Intn(8) == 0 {
				text += pieces[r.Intn(len(pieces))]
			}
		}
		return text
	}
	valid, invalid := 0, 0
	for range 100_000 {
		before := word(5) + "a"
		after := before[:r.Intn(len(before)+1)] + word(7)
		list := []Entry{{Path: before, Kind: Kind(1 + r.Intn(2))}, {Path: after, Kind: KindDir}}
		// The first and the last of a block are always judged by bytes.
		list = append(list, Entry{Path: "~~~~ and more", Kind: KindDir})
		if list[0].Kind == KindFile {
			list[0].Digest = Sum("x")
		}
		_, err := DecodeBinary(EncodeBinary(&Snapshot{Entries: TreeOf(list)}))
		if require.Equal(t, validOneByOne(list), err == nil, "%q: %v", list, err); err == nil {
			valid++
		} else {
			invalid++
		}
	}
	require.Greater(t, min(valid, invalid), 10_000)
}

// TestKnownTreeHidesNothing reads trees that are nearly one that is known: with
// and without it they are valid or fail alike, however they are spoiled.
func TestKnownTreeHidesNothing(t *testing.T) {
	r := rand.New(rand.NewSource(6))
	refused := 0
	for range 6 {
		known := randomEntries(r)
		with := &Attached{Known: TreeOf(known)}
		with.Known.valid = true
		for range 25 {
			list := edited(r, known)
			for range r.Intn(3) {
				list = spoil(r, list)
			}
			data := EncodeBinary(&Snapshot{Entries: TreeOf(list)})
			fresh, want := DecodeBinary(data)
			again, got := decodeBinary(data, with)
			require.Equal(t, want, got)
			require.Equal(t, validOneByOne(list), want == nil)
			if want != nil {
				refused++
				continue
			}
			require.True(t, slices.Equal(list, again.Entries.List()))
			require.True(t, fresh.Entries.Equal(again.Entries))
			// A single bit that is not as the checksum says is found beside the known too.
			damaged := slices.Clone(data)
			damaged[r.Intn(len(damaged))] ^= 1 << r.Intn(8)
			_, err := decodeBinary(damaged, with)
			require.Error(t, err)
		}
	}
	require.Greater(t, refused, 50)
}

// TestKeptTreeOwnsItsBytes reads a tree that is kept while the bytes it came in
// are used again.
func TestKeptTreeOwnsItsBytes(t *testing.T) {
	list := randomEntries(rand.New(rand.NewSource(7)))
	data := EncodeBinary(&Snapshot{Entries: TreeOf(list)})
	s, err := decodeBinary(data, &Attached{})
	require.NoError(t, err)
	clear(data)
	require.True(t, slices.Equal(list, s.Entries.List()))
}

// TestTreeBuilderSharesWhatIsAlike builds trees beside one like them.
func TestTreeBuilderSharesWhatIsAlike(t *testing.T) {
	r := rand.New(rand.NewSource(9))
	shared, own := 0, 0
	for range 40 {
		list := randomEntries(r)
		like, want := TreeOf(list), edited(r, list)
		out := TreeBuilder{Like: like}
		for i := range want {
			out.Add(&want[i])
		}
		tree := out.Tree()
		require.True(t, tree.Equal(TreeOf(want)))
		require.Equal(t, want, tree.List())
		for i, b := range tree.blocks {
			switch alike := i < len(like.blocks) && b.equal(like.blocks[i]); {
			case !alike:
				own++
			case b == like.blocks[i]:
				shared++
			default:
				t.Fatal("a block that is alike was made again")
			}
		}
	}
	require.Greater(t, shared, 10)
	require.Greater(t, own, 10)
}
