package merge

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// decided returns decisions and, one by one, what they are: lists and parts of two
// trees, some of which are over in the middle of a row.
func decided(rng *rand.Rand) (got Decisions, want []Decision) {
	for range rng.IntN(4) {
		var some Decisions
		c := aFolder(rng).Cursor()
		for c.Left() > 0 {
			e := *c.Head()
			c.Skip(1)
			row := []Row{RowTargetUnchanged, RowFirstTakeover}[rng.IntN(20)/19]
			switch rng.IntN(10) {
			case 0: // not decided at all
			case 1, 2:
				d := Decision{Path: e.Path, Dest: e.Path, Row: row, Action: Delete, Expect: &e}
				some.Add(d)
				want = append(want, d)
			default:
				some.create(c.Passed(), row)
				want = append(want, Decision{Path: e.Path, Dest: e.Path, Row: row, Action: Write, Want: &e, Base: &e, Advance: true})
			}
		}
		got.join(some)
	}
	return got, want
}

func aFolder(rng *rand.Rand) core.Tree {
	m := folder{}
	for range rng.IntN(40) {
		m.put(anEntry(rng, aPath(rng)))
	}
	return m.tree()
}

func TestDecisionsAreTheirList(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	parts := 0
	for round := range 60 {
		got, want := decided(rng)
		why := fmt.Sprint("round ", round)
		require.Equal(t, len(want), got.Len(), why)
		require.Empty(t, cmp.Diff(want, got.List()), why)
		r := got.Reader()
		for i := range r.Len() {
			require.Empty(t, cmp.Diff(&want[i], r.At(i)), why)
		}
		for range r.Len() {
			i := rng.IntN(r.Len())
			require.Empty(t, cmp.Diff(&want[i], r.At(i)), why)
		}
		core.Sort(want, func(a, b Decision) int { return core.ComparePaths(a.Path, b.Path) })
		got.Sort()
		require.Empty(t, cmp.Diff(want, got.List()), why)
		parts = max(parts, len(got.parts))
	}
	require.Greater(t, parts, 10)
}

// TestNewEntriesStayInTheirTree holds that a push of a tree keeps none of its
// entries by itself.
func TestNewEntriesStayInTheirTree(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	m := folder{}
	for range 900 {
		m.put(core.Entry{Path: "d/" + fmt.Sprint(rng.IntN(100_000)), Kind: core.KindFile, Digest: core.Sum("x")})
	}
	in := &Input{Direction: Push, Local: &core.Snapshot{Entries: m.tree()}, Remote: &core.Snapshot{}}
	out, err := Decide(in)
	require.NoError(t, err)
	require.Equal(t, len(m), out.Decisions.Len())
	require.Len(t, out.Decisions.parts, 1)
	in.Direction, in.Local, in.Remote = Pull, in.Remote, in.Local
	listed, err := Decide(in)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(slices.Clone(listed.Decisions.List()), out.Decisions.List()))
}

// TestDecisionsOfManyPartsAreReadCheaply: where every other entry is new, as with conflict copies, each part of the
// tree holds one entry, and the paths of all its block were copied for it.
func TestDecisionsOfManyPartsAreReadCheaply(t *testing.T) {
	var b core.TreeBuilder
	for i := range 4000 {
		b.Add(&core.Entry{Path: fmt.Sprintf("file-%04d", i), Kind: core.KindFile, Digest: core.Sum("x")})
	}
	var l Decisions
	for c := b.Tree().Cursor(); c.Left() > 0; {
		e := *c.Head()
		l.Add(Decision{Path: e.Path, Dest: e.Path, Want: &e})
		c.Skip(1)
		l.create(c.Passed(), RowFirstTakeover)
		c.Skip(1)
	}
	require.Len(t, l.parts, 4000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := l.Reader()
	for i := range r.Len() {
		r.At(i)
	}
	require.Len(t, l.List(), 4000)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "bytes")
}
