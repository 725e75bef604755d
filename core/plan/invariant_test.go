package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
)

// model is a tree in memory.
type model map[string]core.Entry

const (
	markerA = "00000000000000000000000000000001"
	markerB = "00000000000000000000000000000002"
	testRun = "run00001"
)

func file(path string, content byte, executable bool) core.Entry {
	e := core.Entry{Path: path, Kind: core.KindFile, Mode: 0o644, Size: 1, Digest: core.Sum(string(content))}
	if executable {
		e.Mode = 0o755
	}
	return e
}

// randomEntry makes a file twice as often as anything else. Of permissions only those that say nothing differ,
// such as a directory's.
func randomEntry(rng *rand.Rand, path string) core.Entry {
	switch rng.IntN(6) {
	case 0, 1:
		return core.Entry{Path: path, Kind: core.KindDir, Mode: []uint16{0o755, 0o700, 0o600}[rng.IntN(3)]}
	case 2:
		return core.Entry{Path: path, Kind: core.KindLink, Mode: 0o777, Target: string("xy"[rng.IntN(2)])}
	}
	return file(path, "ABCD"[rng.IntN(4)], rng.IntN(4) == 0)
}

func (m model) put(e core.Entry) {
	for i, c := range e.Path {
		if p := e.Path[:i]; c == '/' && m[p].Kind != core.KindDir {
			m.remove(p)
			m[p] = core.Entry{Path: p, Kind: core.KindDir, Mode: 0o755}
		}
	}
	if m[e.Path].Kind != core.KindDir || e.Kind != core.KindDir {
		m.remove(e.Path)
	}
	m[e.Path] = e
}

func (m model) remove(path string) {
	delete(m, path)
	for p := range m {
		if core.Under(p, path) {
			delete(m, p)
		}
	}
}

func (m model) clone() model {
	out := model{}
	for p, e := range m {
		out[p] = e
	}
	return out
}

func (m model) entries() []core.Entry {
	var out []core.Entry
	for _, e := range m {
		out = append(out, e)
	}
	core.SortEntries(out)
	return out
}

func randomModel(rng *rand.Rand, n int) model {
	m := model{}
	m.put(file("z", 'Z', false)) // so that no tree counts as emptied
	for range n {
		m.put(randomEntry(rng, randomName(rng)))
	}
	return m
}

func randomName(rng *rand.Rand) string {
	path := ""
	for range 1 + rng.IntN(3) {
		path = core.Join(path, string("abc"[rng.IntN(3)]))
	}
	return path
}

func (m model) mutate(rng *rand.Rand) model {
	out := m.clone()
	for range rng.IntN(5) {
		if rng.IntN(3) == 0 {
			out.remove(randomName(rng))
		} else {
			out.put(randomEntry(rng, randomName(rng)))
		}
	}
	return out
}

// ask plans and expects a plan that can be applied.
func ask(t *testing.T, op merge.Direction, base *core.Base, local, remote model, policy merge.Policy) *plan.Plan {
	t.Helper()
	p, err := plan.Next(&plan.Request{Op: op, Run: testRun, Root: "/w", Adapter: "planner", Marker: markerB, Base: base,
		Local:   core.Snapshot{Entries: core.TreeOf(local.entries())},
		Remote:  &plan.Remote{Marker: markerA, Snapshot: core.Snapshot{Entries: core.TreeOf(remote.entries())}},
		Options: plan.Options{NoTextMerge: true, Policy: policy, Allow: []plan.Guard{plan.GuardEmptied, plan.GuardMassDelete}}})
	require.NoError(t, err)
	require.Equal(t, plan.PhaseApply, p.Phase)
	return p
}

// apply carries a plan out in memory as a host does on disk, and returns the
// versions that it kept elsewhere.
func (m model) apply(t *testing.T, list []merge.Decision) (kept model) {
	t.Helper()
	return m.applySteps(t, list, len(list))
}

// applySteps carries out the first steps of a plan, as a host does that is killed then. What
// is written below a directory that displaces something comes with it, as a push brings it.
func (m model) applySteps(t *testing.T, list []merge.Decision, steps int) (kept model) {
	t.Helper()
	kept = model{}
	above := "\x00"
	reached := func(d *merge.Decision) bool {
		if core.Under(d.Dest, above) {
			return false
		}
		if d.Displace {
			above = d.Dest
		}
		steps--
		return steps < 0
	}
	displace := func(path string) {
		for p, e := range m {
			if p == path || core.Under(p, path) {
				kept[fmt.Sprint(len(kept))] = e
			}
		}
		m.remove(path)
	}
	for i := len(list) - 1; i >= 0; i-- {
		d := &list[i]
		if d.Action != merge.Delete {
			continue
		}
		if reached(d) {
			return kept
		}
		e, ok := m[d.Path]
		require.True(t, ok && core.SameContent(&e, d.Expect), "delete of %s expects what is there", d.Path)
		if d.Displace {
			displace(d.Path)
			continue
		}
		for p := range m {
			require.False(t, core.Under(p, d.Path), "%s is deleted before %s", d.Path, p)
		}
		delete(m, d.Path)
	}
	for i := range list {
		d := &list[i]
		if d.Want == nil {
			continue
		}
		if reached(d) {
			return kept
		}
		e := *d.Want
		e.Path = d.Dest
		now, there := m[d.Dest]
		switch d.Action {
		case merge.Write:
			require.Equal(t, d.Expect != nil, there, "write of %s: what it expects", d.Dest)
			if there && d.Displace {
				displace(d.Dest)
			}
			for p := range m {
				require.False(t, e.Kind != core.KindDir && core.Under(p, d.Dest), "%s is written over %s", d.Dest, p)
			}
			require.True(t, core.Parent(d.Dest) == "" || m[core.Parent(d.Dest)].Kind == core.KindDir, "the parent of %s", d.Dest)
			m[d.Dest] = e
		case merge.Chmod:
			require.Equal(t, core.KindFile, now.Kind)
			now.Mode = e.Mode
			m[d.Dest] = now
		case merge.Copy:
			require.False(t, there && !core.SameContent(&now, &e), "copy over %s", d.Dest)
			m[d.Dest] = e
		case merge.Aside:
			kept[fmt.Sprint(len(kept))] = e
		}
	}
	return kept
}

func done(p *plan.Plan) []merge.Result {
	out := make([]merge.Result, p.Decisions.Len())
	for i := range out {
		out[i].Status = merge.Done
	}
	return out
}

// same compares trees as a sync does: permissions but for the executable bit do
// not count.
func same(t *testing.T, want, got model, why string) {
	t.Helper()
	norm := func(m model) []core.Entry {
		list := m.entries()
		for i := range list {
			if !list[i].Executable() {
				list[i].Mode = 0
			} else {
				list[i].Mode = 0o100
			}
		}
		return list
	}
	require.Empty(t, cmp.Diff(norm(want), norm(got)), why)
}

func (m model) holdsVersion(e core.Entry) bool {
	for _, x := range m {
		if core.SameContent(&x, &e) {
			return true
		}
	}
	return false
}

// TestInvariants plans and applies random histories of small trees.
func TestInvariants(t *testing.T) {
	policies := []merge.Policy{merge.KeepBoth, merge.Remote, merge.Local}
	for seed := range uint64(6000) {
		rng := rand.New(rand.NewPCG(seed, 7))
		b := randomModel(rng, rng.IntN(7))
		l, r := b.mutate(rng), b.mutate(rng)
		base := &core.Base{Marker: markerA, Entries: core.TreeOf(b.entries())}
		policy := policies[seed%3]
		why := fmt.Sprintf("seed %d, policy %s\nbase   %v\nlocal  %v\nremote %v", seed, policy, b.entries(), l.entries(), r.entries())
		if seed%10 == 9 {
			base = nil
		}
		p := ask(t, merge.Pull, base, l, r, policy)
		final := l.clone()
		kept := final.apply(t, p.Decisions.List())
		require.NoError(t, (&core.Snapshot{Entries: core.TreeOf(final.entries())}).Validate(), why)
		for _, side := range []model{l, r} {
			for path, e := range side {
				if old, ok := b[path]; e.Kind != core.KindDir && (!ok || !core.SameContent(&old, &e)) && !unsafe(p, path) {
					require.True(t, final.holdsVersion(e) || kept.holdsVersion(e), "%s is lost: %v\n%s", path, e, why)
				}
			}
		}
		next, err := plan.Commit(base, p, done(p))
		require.NoError(t, err, why)
		again := ask(t, merge.Pull, next, final, r, policy)
		require.Empty(t, again.Decisions.List(), "a second pull does something\n%s", why)
		require.Empty(t, again.Conflicts, why)

		q := ask(t, merge.Push, next, final, r, policy)
		require.Empty(t, q.Conflicts, "a push after a pull conflicts\n%s", why)
		far := r.clone()
		require.Empty(t, far.apply(t, q.Decisions.List()), why)
		if len(p.Problems) == 0 {
			same(t, final, far, why)
		}
		next, err = plan.Commit(next, q, done(q))
		require.NoError(t, err, why)
		require.Empty(t, changing(ask(t, merge.Push, next, final, far, policy)), "a second push does something\n%s", why)
	}
}

// TestPrefixesEndAsTheWhole kills each apply after each of its steps. Base stays as it
// was; planning and applying anew ends where the uninterrupted apply ends (invariant 6).
func TestPrefixesEndAsTheWhole(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 10))
		b := randomModel(rng, rng.IntN(7))
		l, r := b.mutate(rng), b.mutate(rng)
		base := &core.Base{Marker: markerA, Entries: core.TreeOf(b.entries())}
		op, target, policy := merge.Pull, l, []merge.Policy{merge.KeepBoth, merge.Local, merge.Remote}[seed/3%3]
		if seed%3 == 0 {
			op, target, policy = merge.Push, r, merge.KeepBoth
		}
		replan := func(now model) *plan.Plan {
			if op == merge.Push {
				return ask(t, op, base, l, now, policy)
			}
			return ask(t, op, base, now, r, policy)
		}
		list := replan(target).Decisions.List()
		whole := target.clone()
		whole.apply(t, list)
		for steps := range list {
			why := fmt.Sprintf("seed %d, %s killed after %d steps\nbase   %v\nlocal  %v\nremote %v", seed, op, steps, b.entries(), l.entries(), r.entries())
			got := target.clone()
			got.applySteps(t, list, steps)
			got.apply(t, replan(got).Decisions.List())
			same(t, whole, got, why)
		}
	}
}

func unsafe(p *plan.Plan, path string) bool {
	return slices.ContainsFunc(p.Problems, func(x core.Problem) bool { return x.Path == path })
}

func changing(p *plan.Plan) []merge.Decision {
	return slices.DeleteFunc(slices.Clone(p.Decisions.List()), func(d merge.Decision) bool { return d.Action == merge.Keep })
}

// TestOneSideAlone has only one side changed: the result is that side.
func TestOneSideAlone(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 8))
		b := randomModel(rng, rng.IntN(8))
		x := b.mutate(rng)
		base := &core.Base{Marker: markerA, Entries: core.TreeOf(b.entries())}
		at := fmt.Sprint("seed ", seed)
		p := ask(t, merge.Pull, base, b, x, merge.Fail)
		got := b.clone()
		got.apply(t, p.Decisions.List())
		same(t, x, got, at)
		require.Empty(t, p.Conflicts, at)
		require.Empty(t, changing(ask(t, merge.Pull, base, x, b, merge.Fail)), "only the workspace changed: a pull leaves it; %s", at)
		require.Empty(t, changing(ask(t, merge.Push, base, b, x, merge.Fail)), "only the sandbox changed: a push leaves it; %s", at)
		p = ask(t, merge.Push, base, x, b, merge.Fail)
		got = b.clone()
		got.apply(t, p.Decisions.List())
		same(t, x, got, at)
		p = ask(t, merge.Pull, base, x, x, merge.Fail)
		require.Empty(t, changing(p), "equal sides, seed %d", seed)
	}
}

// TestGapsNeverDestroy makes parts of the sandbox unknown: nothing below them is
// deleted or replaced.
func TestGapsNeverDestroy(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 9))
		b := randomModel(rng, 2+rng.IntN(7))
		l, r := b.mutate(rng), b.mutate(rng)
		gap := randomName(rng)
		s := core.Snapshot{}
		if r[gap].Kind == core.KindDir {
			s.Incomplete = []string{gap}
			for p := range r {
				if core.Under(p, gap) && rng.IntN(2) == 0 {
					r.remove(p)
				}
			}
		} else {
			r.remove(gap)
			s.Problems = []core.Problem{{Path: gap, Code: core.ProblemUnreadable}}
			if parent := core.Parent(gap); parent != "" && r[parent].Kind != core.KindDir {
				continue
			}
		}
		s.Entries = core.TreeOf(r.entries())
		p, err := plan.Next(&plan.Request{Op: merge.Pull, Run: testRun, Root: "/w", Adapter: "planner", Marker: markerB,
			Base: &core.Base{Marker: markerA, Entries: core.TreeOf(b.entries())}, Local: core.Snapshot{Entries: core.TreeOf(l.entries())}, Remote: &plan.Remote{Marker: markerA, Snapshot: s},
			Options: plan.Options{NoTextMerge: true, Allow: []plan.Guard{plan.GuardEmptied, plan.GuardMassDelete}}})
		require.NoError(t, err)
		for _, d := range p.Decisions.List() {
			if d.Action == merge.Delete || d.Action == merge.Write && d.Expect != nil {
				inGap := d.Path == gap && len(s.Problems) > 0 || core.Under(d.Path, gap)
				// What lies below a file or link that is listed is known to be gone.
				known := slices.ContainsFunc(s.Entries.List(), func(e core.Entry) bool {
					return e.Path == d.Path || e.Kind != core.KindDir && core.Under(d.Path, e.Path)
				})
				require.False(t, inGap && !known, "seed %d: %s of %s in the gap %s", seed, d.Action, d.Path, gap)
				require.False(t, d.Action == merge.Delete && core.Under(gap, d.Path), "seed %d: %s above the gap %s", seed, d.Path, gap)
			}
		}
	}
}

func FuzzCall(f *testing.F) {
	f.Add([]byte(`{"call":"quote","words":["a"]}`))
	f.Add([]byte(`{"call":"next","request":{"format_version":1,"op":"pull","run":"run00001","root":"/w","adapter":"planner","marker":"00000000000000000000000000000002","local":{"entries":[{"path":"a","kind":"dir","mode":493}]},"remote":{"marker":"00000000000000000000000000000001","snapshot":{}}}}`))
	f.Add([]byte(`{"call":"merge_text","text_base":"YQ==","text_local":"Yg==","text_remote":"Yw=="}`))
	f.Add([]byte(`{"call":"match","path":"a/b","exclude":["{a,b}/**"],"ignores":[{"text":"!a\n"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		out := plan.Call(data)
		require.True(t, len(out) > 2 && out[0] == '{' && out[len(out)-1] == '}')
	})
}
