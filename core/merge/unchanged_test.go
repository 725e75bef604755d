package merge

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// slowly is walk one path after the other.
func (w *walker) slowly() {
	for w.err == nil {
		path, ok := w.next()
		if !ok {
			break
		}
		w.leave(path)
		b, s, t := w.heads(path)
		w.count(b, s, t)
		if same := b != nil && s != nil && sameEntry(b, s) && sameEntry(s, t); !same || core.Name(path) == ".git" {
			w.visit(path, b, s, t)
		}
	}
	w.leave("")
}

type folder map[string]core.Entry

func (m folder) tree() core.Tree {
	return core.TreeOf(slices.SortedFunc(maps.Values(m), func(a, b core.Entry) int { return core.ComparePaths(a.Path, b.Path) }))
}

// put adds an entry and the directories above it; what is in the way goes.
func (m folder) put(e core.Entry) {
	if e.Kind != core.KindDir {
		m.remove(e.Path)
	}
	m[e.Path] = e
	for dir := core.Parent(e.Path); dir != ""; dir = core.Parent(dir) {
		if m[dir].Kind != core.KindDir {
			m[dir] = core.Entry{Path: dir, Kind: core.KindDir, Mode: 0o755}
		}
	}
}

func (m folder) remove(path string) {
	maps.DeleteFunc(m, func(p string, _ core.Entry) bool { return p == path || core.Under(p, path) })
}

func anEntry(rng *rand.Rand, path string) core.Entry {
	mode := []uint16{0o644, 0o755, 0o600}[rng.IntN(3)]
	switch rng.IntN(12) {
	case 0:
		return core.Entry{Path: path, Kind: core.KindLink, Mode: 0o777, Target: []string{"a", "../b"}[rng.IntN(2)]}
	case 1:
		return core.Entry{Path: path, Kind: core.KindDir, Mode: mode}
	}
	return core.Entry{Path: path, Kind: core.KindFile, Mode: mode, Size: 1, Digest: core.Sum(fmt.Sprint(rng.IntN(4)))}
}

func aPath(rng *rand.Rand) string {
	path := fmt.Sprintf("d%d", rng.IntN(12))
	if rng.IntN(8) == 0 {
		path += "/.git"
	}
	if rng.IntN(40) == 0 {
		return path
	}
	return fmt.Sprintf("%s/%s%d", path, []string{"f", "sub/f", "skipped/f", "é"}[rng.IntN(4)], rng.IntN(600))
}

func (m folder) edited(rng *rand.Rand) folder {
	out := maps.Clone(m)
	for range rng.IntN(30) {
		switch path := aPath(rng); rng.IntN(4) {
		case 0:
			out.remove(path)
		case 1:
			if e, ok := out[path]; ok {
				e.Mode ^= uint16(1 << rng.IntN(9))
				out[path] = e
			}
		default:
			out.put(anEntry(rng, path))
		}
	}
	return out
}

// TestUnchangedRunsDecideNothing decides trees of several blocks, between which
// entries move, as a whole and path by path.
func TestUnchangedRunsDecideNothing(t *testing.T) {
	rules, err := core.CompileRules([]string{"skipped"}, nil)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	decided := 0
	for round := range 30 {
		b := folder{}
		for range 9000 {
			b.put(anEntry(rng, aPath(rng)))
		}
		local, remote := core.Snapshot{Entries: b.edited(rng).tree()}, core.Snapshot{Entries: b.edited(rng).tree()}
		if round%3 == 0 {
			local.Entries = b.tree()
		}
		in := &Input{Direction: []Direction{Pull, Push}[round%2], Base: &core.Base{Entries: b.tree()}, Local: &local, Remote: &remote, Rules: rules, NoTextMerge: true}
		if round%10 == 9 {
			remote.Incomplete = []string{"d1"}
			local.Problems = []core.Problem{{Path: "d2", Code: core.ProblemUnreadable}}
		}
		got, err := Decide(in)
		require.NoError(t, err)
		w, err := newWalker(in)
		require.NoError(t, err)
		w.slowly()
		w.finish()
		require.Empty(t, cmp.Diff(&w.out, got, cmp.Transformer("list", Decisions.List)), "round %d", round)
		decided += got.Decisions.Len()
	}
	require.Greater(t, decided, 250)
}
