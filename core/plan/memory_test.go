package plan_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
)

// kept returns what make leaves in memory for each of n entries, in bytes, beside
// what was there before.
func kept[T any](n int, make func() T) (value T, bytes float64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	value = make()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return value, (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(n)
}

// TestMemoryOfALargeTree holds what each step of a sync keeps for an entry to what
// the budget of issue 3 (400 bytes an entry for all of a host) leaves for it.
func TestMemoryOfALargeTree(t *testing.T) {
	const n, path = 60_000, len("folder-000/part/file-00000.txt")
	const column = path + 8 + 32 + 4 + 2 + 1 // of an entry in a tree
	scan := func() core.Tree {
		var b core.TreeBuilder
		for i := range n {
			if i%100 == 0 {
				folder := fmt.Sprintf("folder-%03d", i/100)
				b.Add(&core.Entry{Path: folder, Kind: core.KindDir, Mode: 0o755})
				b.Add(&core.Entry{Path: folder + "/part", Kind: core.KindDir, Mode: 0o755})
			}
			b.Add(&core.Entry{Path: fmt.Sprintf("folder-%03d/part/file-%05d.txt", i/100, i), Kind: core.KindFile, Mode: 0o644, Size: 5})
		}
		return b.Tree()
	}
	within := func(what string, bytes float64, most int) {
		t.Helper()
		require.LessOrEqual(t, bytes, float64(most)+1, what)
	}
	local, bytes := kept(n, scan)
	within("a tree", bytes, column+column/20)

	req := &plan.Request{Op: merge.Push, Run: testRun, Root: "/w", Adapter: "planner", Marker: markerB, Local: core.Snapshot{Entries: local, Unread: true}}
	p, bytes := kept(n, func() *plan.Plan {
		p, err := plan.Next(req)
		require.NoError(t, err)
		return p
	})
	require.Equal(t, local.Len(), p.Uploads.Len())
	within("the plan of a first push", bytes, 1)

	sent, bytes := kept(n, func() *plan.Sent {
		sent := plan.NewSent(p)
		uploads := p.UploadReader()
		for i := range uploads.Len() {
			u := uploads.At(i)
			if u.Decision.Want.Kind == core.KindFile {
				sent.Add(u.Number, core.Sum(u.Name()), 5)
			}
		}
		return sent
	})
	within("what was sent", bytes, 42)

	results, bytes := kept(n, func() []merge.Result { return sent.Results(p) })
	within("results", bytes, 58)

	base, bytes := kept(n, func() *core.Base {
		base, err := plan.Commit(nil, p, results)
		require.NoError(t, err)
		return base
	})
	within("base, with what was seen", bytes, column+column/20)

	parts, bytes := kept(n, func() [][]byte { return core.BaseParts(base) })
	within("base to be stored", bytes, 2)

	report, bytes := kept(n, func() *plan.Report { return plan.Summarise(p, results) })
	require.Len(t, report.Lines, local.Len())
	within("a line for each path", bytes, 42+path)

	req.Base, req.Local = base, core.Snapshot{Entries: base.Entries}
	again, bytes := kept(n, func() *plan.Plan {
		p, err := plan.Next(req)
		require.NoError(t, err)
		return p
	})
	require.Zero(t, again.Decisions.Len())
	within("the plan of a push of nothing", bytes, 1)
	runtime.KeepAlive(parts)
}
