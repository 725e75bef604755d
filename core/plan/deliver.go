package plan

import (
	"slices"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// deliver adds the versions that pushes set aside in the sandbox as conflict
// copies. A copy that stands there already with the same content adds nothing.
func (p *Plan) deliver(r *Request) error {
	if len(r.Remote.Aside) == 0 {
		return nil
	}
	policies, err := merge.CompilePolicies(r.Options.Policy, r.Options.Overrides)
	if err != nil {
		return err
	}
	after, copies := merge.PlannedOf(r.Local.Entries, p.Decisions), map[string]core.Digest{}
	home := setOf(p.Delivered)
	p.Delivered = slices.Clone(p.Delivered) // it is base's
	for i := range r.Remote.Aside {
		v := &r.Remote.Aside[i]
		aside := v.name()
		if len(v.Entries) == 0 || home[aside] {
			continue
		}
		if core.Protected(v.Path) {
			p.Problems = append(p.Problems, core.Problem{Path: v.Path, Code: core.ProblemProtected, Detail: "never written from a sandbox"})
			continue
		}
		p.deliverOne(after, copies, v, policies, r.Adapter)
		home[aside], p.Delivered = true, append(p.Delivered, aside)
	}
	core.Sort(p.Delivered, core.CompareAsides)
	p.Decisions.Sort()
	core.Sort(p.Conflicts, func(a, b merge.Conflict) int {
		if c := core.ComparePaths(a.Path, b.Path); c != 0 {
			return c
		}
		return core.ComparePaths(a.Copy, b.Copy) // versions of one path
	})
	p.Problems = core.SortProblems(p.Problems)
	core.Sort(p.Flagged, core.ComparePaths)
	p.Flagged = slices.Compact(p.Flagged)
	return nil
}

func setOf(versions []core.Aside) map[core.Aside]bool {
	set := map[core.Aside]bool{}
	for _, a := range versions {
		set[a] = true
	}
	return set
}

// deliverOne adds one version. after is the workspace without them, copies what the
// versions before it come to stand as: one that was set aside twice is one copy.
func (p *Plan) deliverOne(after *merge.Planned, copies map[string]core.Digest, v *AsideVersion, policies *merge.Policies, adapter string) {
	top := &v.Entries[0]
	if top.Kind == core.KindLink {
		p.Problems = append(p.Problems, linkLeft(top))
		return
	}
	digest := merge.TreeDigest(top, v.Entries[1:])
	dest := merge.CopyName(after.Near(v.Path), digest, func(path string) bool {
		if other, ok := copies[path]; ok {
			return other != digest
		}
		return !merge.Agrees(after.At, path, top, v.Entries[1:])
	})
	if _, ok := copies[dest]; ok {
		return
	}
	copies[dest] = digest
	policy := merge.KeepBoth // the only way to bring it home
	if policies.At(v.Path) == merge.Fail {
		policy = merge.Fail
	}
	there := after.At(v.Path)
	p.Conflicts = append(p.Conflicts, merge.Conflict{Path: v.Path, Kind: merge.ConflictSetAside, Policy: policy, Copy: dest,
		NoFile: there != nil && there.Kind != core.KindFile || top.Kind == core.KindDir})
	p.copyAside(v, dest, adapter)
}

// copyAside brings home what may come. What else a version holds stays in the sandbox: the
// next push only moves a directory on.
func (p *Plan) copyAside(v *AsideVersion, dest, adapter string) {
	repo := "\x00"
	for i := range v.Entries {
		e := &v.Entries[i]
		switch {
		case core.Under(e.Path, repo):
		case core.Name(e.Path) == ".git":
			repo = e.Path
			where := core.RuntimeDir + "/" + adapter
			p.Problems = append(p.Problems, core.Problem{Path: repo, Code: core.ProblemGitKept,
				Detail: "a push set it aside, so it stayed in the sandbox, in " +
					where + "/displaced/" + v.ID.String() + ", and from the next push on in " + where + "/kept/" + v.ID.String()})
		case i > 0 && core.Protected(e.Path):
			p.Problems = append(p.Problems, core.Problem{Path: e.Path, Code: core.ProblemProtected,
				Detail: "not brought home with the version set aside"})
		case e.Kind == core.KindLink:
			p.Problems = append(p.Problems, linkLeft(e))
		default:
			d := merge.Decision{Path: e.Path, Row: merge.RowSetAside, Action: merge.Copy, Dest: dest + e.Path[len(v.Path):], Want: e}
			if core.Flagged(d.Dest) {
				p.Flagged = append(p.Flagged, d.Dest)
			}
			p.Decisions.Add(d)
		}
	}
}

// linkLeft tells of a link that does not come home: whether it is safe depends on where it
// lies, and its text is what is worth keeping.
func linkLeft(e *core.Entry) core.Problem {
	return core.Problem{Path: e.Path, Code: core.ProblemUnsafeLink,
		Detail: "the sandbox's version was a link to " + core.DisplayPath(e.Target) + "; it was not brought home"}
}
