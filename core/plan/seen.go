package plan

import (
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// seen returns what is known of the sandbox from earlier runs, or nil. It says
// nothing under other exclude rules than those it was made with.
func (r *Request) seen() *core.Seen {
	if r.Forget || r.Base == nil || r.Base.Seen == nil || r.Base.Seen.ID == "" || r.Base.Seen.Rules != rulesDigest(&r.Options) {
		return nil
	}
	return r.Base.Seen
}

// lastSeen returns the run after which the sandbox was as base says, or "". It counts
// under any rules: a sandbox that knows nothing of it was set back (promise D4).
func (r *Request) lastSeen() string {
	if r.Base == nil || r.Base.Seen == nil {
		return ""
	}
	return r.Base.Seen.ID
}

// assume returns what a push may take the sandbox to hold without looking: what
// was seen last, or nothing in one that was never met. The steps of the plan
// prove it before they change anything. Nil means that it must be surveyed.
func (r *Request) assume(rules *core.Rules) *Remote {
	if r.Op != merge.Push || r.Look || r.Preview || len(r.Resume) > 0 {
		return nil
	}
	if r.Base == nil {
		return &Remote{Partial: true}
	}
	seen := r.seen()
	if seen == nil {
		return nil
	}
	remote := &Remote{Marker: r.Base.Marker, ID: seen.ID, Partial: true, Left: seen.Left, Repos: seen.Repos}
	remote.Snapshot.Entries = seen.Entries(r.Base.Entries, r.Local.Entries)
	l := newLeftovers(rules)
	for i := range seen.Left {
		l.left(seen.Left[i])
	}
	l.finish(&remote.Snapshot)
	var err error
	if remote.Snapshot.Entries, err = remote.Snapshot.Entries.Validated(r.Base.Entries); err != nil || remote.Snapshot.Validate() != nil {
		return nil // a stored state that contradicts itself is not relied on
	}
	return remote
}

// unlisted holds for decisions about something in the sandbox that no line of a
// listing proves, because its name holds a newline: an edit there would be lost.
func unlisted(list merge.Decisions) bool {
	decisions := list.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Expect != nil && strings.Contains(d.Path, "\n") {
			return true
		}
	}
	return false
}

// proof returns what a push can do while the workspace is read: look whether the
// sandbox is as it was seen. To one that does not stream it costs no call more: the
// folder that the upload goes into is then known to be there.
func (r *Request) proof(rules *core.Rules) *Plan {
	p := &Plan{Op: r.Op, Run: r.Run, Phase: PhaseSurvey}
	if r.Dialect != Classic && !r.Look && !r.Preview && len(r.Resume) == 0 && r.seen() != nil {
		p.Steps = []Step{{Do: StepRun, Command: checkCommand(r, rules)}}
	}
	return p
}

// proven reports whether the step of proof succeeded in this run.
func (r *Request) proven() bool { return r.Checked && r.seen() != nil }

// describe tells the sandbox as the difference from base. It is nil where the
// next comparison could not rely on it: a listing was not left, as never in classic, or some name
// there is not known well.
func (r *Request) describe(base *core.Base) *core.Seen {
	snap := &r.Remote.Snapshot
	if r.Dialect == Classic || r.Remote.ID == "" && (r.Op == merge.Pull || r.Base != nil) || len(snap.Incomplete) > 0 {
		return nil
	}
	for i := range snap.Problems {
		if c := snap.Problems[i].Code; c == core.ProblemUnreadable || c == core.ProblemChanging {
			return nil
		}
	}
	s := &core.Seen{ID: r.Remote.ID, Rules: rulesDigest(&r.Options), Left: r.Remote.Left, Repos: r.Remote.Repos}
	s.SeenFrom(entriesOf(base), snap.Entries)
	return s
}

func entriesOf(base *core.Base) core.Tree {
	if base == nil {
		return core.Tree{}
	}
	return base.Entries
}

// seenAfter tells what the sandbox holds after a plan as the difference from the
// next base.
func seenAfter(old core.Tree, next *core.Base, p *Plan, results []merge.Result) *core.Seen {
	if p.Seen == nil || p.Seen.ID == "" || len(results) < p.Decisions.Len() {
		return nil
	}
	out := *p.Seen
	there := p.Seen.Entries(old, next.Entries)
	if p.Op == merge.Push {
		var made core.Entry
		there = rewrite(there, next.Entries, p.Decisions, results, func(e *core.Entry, d *merge.Decision, r *merge.Result) *core.Entry {
			return pushedOne(e, d, r, &made)
		})
		out.Repos = pushedRepos(p, results)
	}
	out.SeenFrom(next.Entries, there)
	return &out
}

// pushedOne returns what stands at the path of a decision of a push where e stood.
// What is new it writes to made.
func pushedOne(e *core.Entry, d *merge.Decision, r *merge.Result, made *core.Entry) *core.Entry {
	if r.Status != merge.Done {
		return e
	}
	switch {
	case d.Action == merge.Delete:
		return nil
	case d.Action == merge.Write:
		*made = *d.Want
		if made.Kind == core.KindFile && !r.Digest.IsZero() {
			made.Digest, made.Size = r.Digest, r.Size
		}
		return made
	case d.Action == merge.Chmod && e != nil:
		*made = *e
		made.Mode = made.Mode&^0o111 | d.Want.Mode&0o111
		return made
	}
	return e
}

// pushedRepos returns the states of the repositories after a push: its own
// where it wrote one, else what was found.
func pushedRepos(p *Plan, results []merge.Result) []core.Repo {
	wrote := map[string]bool{}
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Action != merge.Keep && results[i].Status == merge.Done {
			repo, _ := core.RepoPath(d.Path + "/")
			wrote[repo] = true
		}
	}
	out := slices.DeleteFunc(slices.Clone(p.Seen.Repos), func(r core.Repo) bool { return wrote[r.Path] })
	for _, r := range p.Repos {
		if wrote[r.Path] {
			out = append(out, r)
		}
	}
	core.Sort(out, func(a, b core.Repo) int { return core.ComparePaths(a.Path, b.Path) })
	return out
}

// fetches adds the contents that decisions need and that neither came with the
// survey nor lie in the workspace, and reports whether there are any. What was
// fetched once and is still not there changed meanwhile, which Apply reports.
func (r *Request) fetches(p *Plan, out *merge.Outcome) bool {
	if !r.Remote.Partial {
		return false
	}
	have := map[core.Digest]bool{}
	for _, list := range [2][]core.Digest{r.Remote.Bodies, r.Fetched} {
		for _, d := range list {
			have[d] = true
		}
	}
	local := false
	need := func(path string, d core.Digest) {
		if d.IsZero() || have[d] {
			return
		}
		if !local {
			local = true
			for e := range r.Local.Entries.All() {
				have[e.Digest] = true
			}
			if have[d] {
				return
			}
		}
		have[d] = true
		if e := r.Remote.Snapshot.Entries.Find(path); e != nil && e.Digest == d {
			p.Fetch = append(p.Fetch, Fetch{Path: path, Digest: d})
		}
	}
	decisions := out.Decisions.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Want != nil && d.Merged == nil && d.Action != merge.Chmod {
			need(d.Path, d.Want.Digest)
		}
	}
	for i := range out.Needs {
		need(out.Needs[i].Path, out.Needs[i].Remote)
	}
	if len(p.Fetch) == 0 {
		return false
	}
	p.Phase, p.Steps = PhaseFetch, fetch(r, p.Fetch)
	if !r.Stream {
		p.Download, _ = download(r)
	}
	return true
}
