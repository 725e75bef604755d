package merge

import (
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// maxHops is the number of links that a resolution follows before the kernel
// would give up.
const maxHops = 40

// Bounds of what links may cost: a sandbox can make each lead a long way, and each depend
// on another that is refused. What passes them is refused as if it led out.
const (
	maxSteps  = 256 // names on the way of one link
	maxRounds = 16  // judgements, each without what the one before refused
)

// judgeLinks refuses links that lead out of the root in the planned final tree
// (promise S2). It also looks at links that stand already: a new entry may turn
// one that led inside into one that leads out, and then it is the new entry
// that goes. Refusing changes the tree, so it is judged again until it holds.
func (w *walker) judgeLinks() {
	if !w.out.touchLinks() {
		return
	}
	before := (&Planned{target: w.target.Entries}).spelled(w.in.Facts)
	for range maxRounds {
		bad := w.leadingOut(before, PlannedOf(w.target.Entries, w.out.Decisions).spelled(w.in.Facts))
		if len(bad) == 0 {
			return
		}
		w.drop(bad)
	}
	all := map[int]bool{}
	decisions := w.out.Decisions.Reader()
	for i := range decisions.Len() {
		if touchesLinks(decisions.At(i)) {
			all[i] = true
		}
	}
	w.drop(all)
}

// leadingOut returns the decisions because of which a link would lead out.
func (w *walker) leadingOut(before, after *Planned) map[int]bool {
	bad := map[int]bool{}
	decisions := w.out.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		if (puts(d) || d.Action == Aside) && d.Want.Kind == core.KindLink && after.escapes(d.Dest, d.Want.Target, w.in.Facts, nil) {
			bad[i] = true
		}
	}
	for e := range w.target.Entries.Links() {
		if _, changes := after.wants[e.Path]; changes || before.escapes(e.Path, e.Target, w.in.Facts, nil) {
			continue
		}
		var through []int
		if after.escapes(e.Path, e.Target, w.in.Facts, &through) {
			for _, k := range through {
				bad[k] = true
			}
		}
	}
	return bad
}

// touchLinks spares the common pull, which neither brings a link nor changes
// the kind of anything, the second look.
func (o *Outcome) touchLinks() bool {
	decisions := o.Decisions.Reader()
	for i := range decisions.Len() {
		if touchesLinks(decisions.At(i)) {
			return true
		}
	}
	return false
}

// touchesLinks holds for all that can change where a link leads.
func touchesLinks(d *Decision) bool {
	return d.Want != nil && d.Want.Kind == core.KindLink || d.Expect != nil && d.Expect.Kind == core.KindLink ||
		puts(d) && d.Expect != nil && d.Expect.Kind != d.Want.Kind
}

// escapes reports whether the way of the link at path leaves the root at any
// point. The decisions whose entries it passes are added to through.
func (p *Planned) escapes(path, target string, facts Facts, through *[]int) bool {
	_, inside := p.resolve(path, target, facts, through)
	return !inside
}

// resolve returns where the link at path leads, which need not exist, and whether it stays
// in the root all the way.
func (p *Planned) resolve(path, target string, facts Facts, through *[]int) (at string, inside bool) {
	at = core.Parent(path)
	if facts.Backslash && strings.ContainsAny(target, `\:`) {
		return "", false
	}
	todo := []string{target}
	for hops, steps := 1, 0; len(todo) > 0; steps++ {
		rest := todo[len(todo)-1]
		if strings.HasPrefix(rest, "/") || steps > maxSteps {
			return "", false
		}
		seg, tail, more := strings.Cut(rest, "/")
		todo = todo[:len(todo)-1]
		if more {
			todo = append(todo, strings.TrimLeft(tail, "/"))
		}
		switch seg {
		case "", ".":
			continue
		case "..":
			if at == "" {
				return "", false
			}
			at = core.Parent(at)
			continue
		}
		next := p.spelling(core.Join(at, seg), facts)
		if i, ok := p.taken[next]; ok && through != nil {
			*through = append(*through, i)
		}
		if e := p.At(next); e != nil && e.Kind == core.KindLink {
			if hops++; hops > maxHops {
				return path, true // the kernel follows it nowhere
			}
			todo = append(todo, e.Target)
			continue
		}
		at = next
	}
	return at, true
}

// drop refuses decisions by index, and whatever was to be written below them.
func (w *walker) drop(bad map[int]bool) {
	roots := map[string]bool{}
	decisions := w.out.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		if bad[i] && !roots[d.Path] {
			roots[d.Path] = true
			w.refuse(d.Path, core.ProblemUnsafeLink, "it would lead out of the workspace")
		}
	}
	under := func(p string) bool {
		for p != "" && !roots[p] {
			p = core.Parent(p)
		}
		return p != ""
	}
	w.out.Decisions = DecisionsOf(slices.DeleteFunc(w.out.Decisions.List(), func(d Decision) bool { return under(d.Path) }))
	w.out.Conflicts = slices.DeleteFunc(w.out.Conflicts, func(c Conflict) bool { return under(c.Path) })
}
