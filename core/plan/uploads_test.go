package plan_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
)

// members names the uploads of a plan one by one: in the folder of the topmost new
// entry's directory, numbered in their order.
func members(p *plan.Plan) (names []string) {
	folders, top, topName := map[string]string{}, "\x00", ""
	for _, d := range p.Decisions.List() {
		if d.Action != merge.Write {
			continue
		}
		if core.Under(d.Path, top) {
			names = append(names, topName+d.Path[len(top):])
			continue
		}
		folder, ok := folders[core.Parent(d.Path)]
		if !ok {
			folder = fmt.Sprint("t/", len(folders), "/")
			folders[core.Parent(d.Path)] = folder
		}
		names = append(names, folder+core.Name(d.Path))
		if d.Want.Kind == core.KindDir {
			top, topName = d.Path, folder+core.Name(d.Path)
		}
	}
	return names
}

func text(list []plan.Member) (out []string) {
	for _, m := range list {
		out = append(out, m.Name+"\n"+string(m.Data))
	}
	return out
}

func sentOf(rng *rand.Rand, p *plan.Plan) *plan.Sent {
	sent := plan.NewSent(p)
	uploads := p.UploadReader()
	for i := range uploads.Len() {
		u := uploads.At(i)
		if u.Decision.Want.Kind != core.KindFile {
			continue
		}
		switch rng.IntN(8) {
		case 0:
			sent.Note(plan.SentNote{Upload: u.Number, Problem: core.ProblemChanging, Detail: "it changed"})
			continue
		case 1:
			sent.Note(plan.SentNote{Upload: u.Number, Name: fmt.Sprint("r", u.Number)})
		}
		sent.Add(u.Number, core.Sum(fmt.Sprint(rng.IntN(9))), rng.Int64N(99))
	}
	return sent
}

// TestPlansInPartsAreWhatTheyList takes pushes from the plan and from its JSON, in
// which every decision and upload stands by itself.
func TestPlansInPartsAreWhatTheyList(t *testing.T) {
	count := 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 11))
		b := randomModel(rng, rng.IntN(9))
		base := &core.Base{Marker: markerA, Entries: core.TreeOf(b.entries())}
		l, r := b.mutate(rng).mutate(rng), b.mutate(rng)
		if seed%3 == 0 {
			base, r = nil, model{}
		}
		p := ask(t, merge.Push, base, l, r, merge.KeepBoth)
		why := fmt.Sprint("seed ", seed)
		listed, err := plan.DecodePlan(plan.EncodePlan(p))
		require.NoError(t, err, why)
		require.Equal(t, string(plan.EncodePlan(p)), string(plan.EncodePlan(listed)), why)

		var names []string
		uploads := p.UploadReader()
		for i := range uploads.Len() {
			u := uploads.At(i)
			require.Equal(t, len(names), u.Number, why)
			names = append(names, u.Name())
		}
		require.Empty(t, cmp.Diff(members(p), names), why)
		count += len(names)

		sent := sentOf(rng, p)
		req := &plan.Request{Op: merge.Push, Run: testRun, Root: "/w", Adapter: "planner", Marker: markerB}
		want, err := plan.Seal(req, listed, sent)
		require.NoError(t, err, why)
		got, err := plan.Seal(req, p, sent)
		require.NoError(t, err, why)
		require.Equal(t, text(want), text(got), why)

		results := sent.Results(p)
		require.Empty(t, cmp.Diff(sent.Results(listed), results), why)
		require.Empty(t, cmp.Diff(plan.Summarise(listed, results), plan.Summarise(p, results)), why)
		after, err := plan.Commit(base, listed, results)
		require.NoError(t, err, why)
		next, err := plan.Commit(base, p, results)
		require.NoError(t, err, why)
		require.Equal(t, core.EncodeBase(after), core.EncodeBase(next), why)
	}
	require.Greater(t, count, 500)
}
