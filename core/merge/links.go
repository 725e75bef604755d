package merge

import (
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// maxHops is the number of links that a resolution follows before the kernel
// would give up.
const maxHops = 40

// judgeLinks refuses links that lead out of the root in the planned final tree
// (promise S2). It also looks at links that stand already: a new entry may turn
// one that led inside into one that leads out, and then it is the new entry
// that goes. Refusing changes the tree, so it is judged again until it holds.
func (w *walker) judgeLinks() {
	if !w.touchesLinks() {
		return
	}
	before := &Planned{target: w.target.Entries}
	for {
		after := PlannedOf(w.target.Entries, w.out.Decisions)
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
		if len(bad) == 0 {
			return
		}
		w.drop(bad)
	}
}

// touchesLinks spares the common pull, which neither brings a link nor changes
// the kind of anything, the second look.
func (w *walker) touchesLinks() bool {
	decisions := w.out.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		if d.Want != nil && d.Want.Kind == core.KindLink || d.Expect != nil && d.Expect.Kind == core.KindLink ||
			puts(d) && d.Expect != nil && d.Expect.Kind != d.Want.Kind {
			return true
		}
	}
	return false
}

// escapes resolves the link at path and reports whether the walk leaves the
// root at any point. The decisions whose entries it passes are added to through.
func (p *Planned) escapes(path, target string, facts Facts, through *[]int) bool {
	at := core.Parent(path)
	if facts.Backslash && strings.ContainsAny(target, `\:`) {
		return true
	}
	todo := []string{target}
	for hops := 1; len(todo) > 0; {
		rest := todo[len(todo)-1]
		if strings.HasPrefix(rest, "/") {
			return true
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
				return true
			}
			at = core.Parent(at)
			continue
		}
		next := core.Join(at, seg)
		if i, ok := p.taken[next]; ok && through != nil {
			*through = append(*through, i)
		}
		if e := p.At(next); e != nil && e.Kind == core.KindLink {
			if hops++; hops > maxHops {
				return false // the kernel follows it nowhere
			}
			todo = append(todo, e.Target)
			continue
		}
		at = next
	}
	return false
}

// drop refuses decisions by index, and whatever was to be written below them.
func (w *walker) drop(bad map[int]bool) {
	var roots []string
	decisions := w.out.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		if bad[i] && !slices.Contains(roots, d.Path) {
			roots = append(roots, d.Path)
			w.refuse(d.Path, core.ProblemUnsafeLink, "it would lead out of the workspace")
		}
	}
	under := func(p string) bool {
		return slices.ContainsFunc(roots, func(r string) bool { return p == r || core.Under(p, r) })
	}
	w.out.Decisions = DecisionsOf(slices.DeleteFunc(w.out.Decisions.List(), func(d Decision) bool { return under(d.Path) }))
	w.out.Conflicts = slices.DeleteFunc(w.out.Conflicts, func(c Conflict) bool { return under(c.Path) })
}
