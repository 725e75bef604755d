package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
)

// TestManyReplacedFilesAreFewAtATime: what puts files in the places of others copies its
// arguments for each of them, which took minutes for 50,000.
func TestManyReplacedFilesAreFewAtATime(t *testing.T) {
	const n = 1800
	tree := func(content string) core.Tree {
		var b core.TreeBuilder
		for i := range n {
			b.Add(&core.Entry{Path: fmt.Sprintf("f%04d", i), Kind: core.KindFile, Mode: 0o644, Size: 9, Digest: core.Sum(content, fmt.Sprint(i))})
		}
		return b.Tree()
	}
	req := &plan.Request{Op: merge.Push, Run: testRun, Root: "/w", Adapter: "planner", Marker: markerB,
		Base: &core.Base{Marker: markerA, Entries: tree("old")}, Local: core.Snapshot{Entries: tree("new")},
		Remote: &plan.Remote{Marker: markerA, Snapshot: core.Snapshot{Entries: tree("old")}}}
	script, sent := sealed(t, req)
	require.Equal(t, n, sent)
	puts := 0
	for line := range strings.Lines(script) {
		if words := strings.Fields(line); words[0] == "put" {
			require.Less(t, len(words), 512)
			puts += len(words) - 2
		}
	}
	require.Equal(t, n, puts)
}

// sealed returns the apply script of a push, and how many files were sent.
func sealed(t *testing.T, req *plan.Request) (script string, files int) {
	t.Helper()
	p, err := plan.Next(req)
	require.NoError(t, err)
	require.Equal(t, plan.PhaseApply, p.Phase)
	sent := plan.NewSent(p)
	uploads := p.UploadReader()
	for i := range uploads.Len() {
		if u := uploads.At(i); u.From == "" {
			sent.Add(u.Number, u.Decision.Want.Digest, u.Decision.Want.Size)
			files++
		}
	}
	last, err := plan.Seal(req, p, sent)
	require.NoError(t, err)
	for _, m := range last {
		script += string(m.Data)
	}
	return script, files
}
