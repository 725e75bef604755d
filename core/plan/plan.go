package plan

import (
	"strconv"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Phase says what a host does with a plan.
type Phase string

// The phases.
const (
	PhaseSurvey  Phase = "survey"  // look at the sandbox
	PhaseFetch   Phase = "fetch"   // bring contents that the survey did not
	PhaseContent Phase = "content" // supply contents for text merges
	PhaseBlocked Phase = "blocked" // a guard refused; write nothing
	PhaseApply   Phase = "apply"   // do it
)

// Plan is what a host does next. Phase says which fields count: those that name
// phases are empty in the others.
type Plan struct {
	Op    merge.Direction // as in the request
	Run   string          // as in the request
	Phase Phase

	Steps    []Step // client calls, in order; each waits for the one before
	Download string // survey, fetch: the file that the read step fetches, if there is one

	Fetch []Fetch // fetch: the contents to bring, each once; never empty then

	Needs []merge.Need // content: what to answer in Request.Contents; never empty then

	Guard  Guard  // blocked: what refused
	Reason string // blocked: one sentence for people
	Hint   string // blocked: what would unlock it

	Uploads   Uploads          // apply of a push: members of the archive, in order
	Decisions merge.Decisions  // apply: what happens at each path, sorted by it
	Conflicts []merge.Conflict // apply, blocked: sorted by path
	Problems  []core.Problem   // apply, blocked: what was refused or could not be read, sorted by path
	Flagged   []string         // apply, blocked: changed files that make tools run code, sorted
	Kept      []string         // first push into a sandbox that is not empty: what stays there
	ModeOnly  int              // entries that differ in permissions other than the executable bit
	// BaseReset says that the stored base speaks of another sandbox, or of none,
	// and was not used.
	BaseReset bool
	// Waived lists the promises of DESIGN section 6 that the dialect does not keep.
	Waived []string
	// Lacks says why the sandbox was looked at as a whole; see [LacksText].
	Lacks []string
	// DropBase says that the steps clear the sandbox. A host removes the stored base
	// before the first of them that runs a command: if that is stopped half way,
	// nothing that the sandbox then lacks counts as deleted there.
	DropBase bool

	// Assumed says that a push was planned without looking: the sandbox is taken
	// to be as it was seen, and the steps prove it before anything changes there.
	Assumed bool
	Found   string // the marker that the sandbox must have now
	Compare string // the listing that the sandbox must still agree with
	// Seen is what the sandbox holds before the plan, told as the difference from
	// base, under the name of the listing that is there afterwards; nil if none is.
	Seen *core.Seen

	// What Commit needs to know. A host passes it through.
	Marker    string       // of the sandbox, once the plan is carried out
	Repos     []core.Repo  // the states of repositories that base takes, sorted by path
	Delivered []core.Aside // versions set aside in the sandbox that the plan brings home

	like core.Tree // a push: what most of the next base is; empty in a plan that was decoded
}

// StepKind is one call of the sandbox client.
type StepKind string

// The kinds of step.
const (
	StepMakeDir StepKind = "make_dir"
	StepWrite   StepKind = "write"  // write Data to Path
	StepUpload  StepKind = "upload" // write the archive of Uploads, or of an asset, to Path
	StepRun     StepKind = "run"
	StepRead    StepKind = "read"    // fetch Path
	StepRemove  StepKind = "remove"  // remove Path; a failure is ignored
	StepSend    StepKind = "send"    // run Command; its stdin is the archive of Uploads, or of an asset
	StepReceive StepKind = "receive" // run Command; its stdin is Data, its stdout the download
)

// Step is one call of the sandbox client.
type Step struct {
	Do      StepKind // which call; the other fields are its arguments
	Path    string   // of all kinds but run
	Command string   // run, send, receive: a whole command line for sh
	Data    string   // write, receive: the content of a script
	Asset   string   // upload, run, send: the key of the asset they are about, if any
}

// Fetch is a content that a pull needs and that did not come with the survey.
type Fetch struct {
	Path   string      // where it stands in the sandbox
	Digest core.Digest // of its content; what arrives is held to it
}

// Next returns what the host does next. The error is an *[core.Error].
func Next(asked *Request) (*Plan, error) {
	if err := asked.Validate(); err != nil {
		return nil, err
	}
	rules, err := asked.Options.Rules()
	if err != nil {
		return nil, err
	}
	if asked.Early {
		return asked.proof(rules), nil
	}
	if asked.Dialect == Classic && asked.Op == merge.Push {
		asked = asked.wiped()
	}
	r, looked := *asked, asked.Remote != nil
	if !looked {
		if r.Remote = r.assume(rules); r.Remote == nil {
			return survey(asked, rules), nil
		}
	}
	p := &Plan{Op: r.Op, Run: r.Run, Marker: r.Remote.Marker, Assumed: !looked && !r.proven(), Waived: r.waived(), Lacks: r.Remote.Lacks}
	base, refused := p.bind(&r)
	if refused != nil {
		return p.block(refused), nil
	}
	out, err := merge.Decide(r.input(base, rules))
	if err != nil {
		return nil, err
	}
	if !looked && unlisted(out.Decisions) {
		return survey(asked, rules), nil
	}
	if err := p.follow(&r, base, rules, out); err != nil {
		return nil, err
	}
	return p, nil
}

// bind returns the base that counts in the sandbox that was found: none where
// the stored one speaks of another (promise D4). A sandbox without a marker gets
// one.
func (p *Plan) bind(r *Request) (base *core.Base, refused *refusal) {
	known := r.Base != nil && r.Base.Marker == r.Remote.Marker
	switch {
	case r.Base == nil:
	case !known && r.Op == merge.Pull && !r.Options.allows(GuardReplaced):
		return nil, &refusal{GuardReplaced, "the sandbox is not the one that the last sync spoke to, or it was emptied or set back " +
			"to an earlier state: its marker is missing, another one, or older",
			"push to it again, or use --allow sandbox_replaced to merge without knowing what was deleted"}
	case !known, r.Op == merge.Push && r.Options.allows(GuardEmptied) && emptied(r):
		p.BaseReset = true
	default:
		base = r.Base
	}
	if p.Marker == "" {
		p.Marker = r.Marker
	}
	return base, nil
}

// follow makes the outcome of the decisions a plan: one that is blocked, that
// asks for contents, or that carries them out. base is the one that counts.
func (p *Plan) follow(r *Request, base *core.Base, rules *core.Rules, out *merge.Outcome) error {
	p.Conflicts, p.Problems, p.Flagged, p.ModeOnly = out.Conflicts, out.Problems, out.Flagged, out.ModeOnly
	p.Repos = out.Repos
	p.flagIgnores(r, out)
	p.addScanProblems(r)
	judged := *r
	judged.Base = base
	if refused := judged.judge(out); refused != nil {
		p.Decisions = out.Decisions
		p.block(refused)
		return nil
	}
	if r.Op == merge.Pull && r.fetches(p, out) {
		return nil
	}
	if len(out.Needs) > 0 {
		p.Phase, p.Needs = PhaseContent, out.Needs
		return nil
	}
	p.Phase, p.Decisions = PhaseApply, out.Decisions
	if base != nil {
		p.Delivered = base.Delivered
	}
	p.Seen = r.describe(base)
	switch {
	case r.Op == merge.Pull:
		return p.pull(r)
	case r.Dialect == Classic:
		p.classicPush(r)
	default:
		p.push(r, base, rules)
	}
	p.like = r.Local.Entries
	return nil
}

// pull adds what pushes set aside, which may be conflicts too.
func (p *Plan) pull(r *Request) error {
	if err := p.deliver(r); err != nil {
		return err
	}
	if failing(p.Conflicts) {
		p.Delivered, p.Seen = nil, nil
		p.block(conflicting())
	}
	return nil
}

// input is what the decisions about r depend on.
func (r *Request) input(base *core.Base, rules *core.Rules) *merge.Input {
	var setAside []string
	if base != nil && len(r.Remote.Aside) > 0 {
		home := setOf(base.Delivered)
		for i := range r.Remote.Aside {
			if v := &r.Remote.Aside[i]; !home[v.name()] {
				setAside = append(setAside, v.Path)
			}
		}
	}
	return &merge.Input{Direction: r.Op, Base: base, Local: &r.Local, Remote: &r.Remote.Snapshot,
		LocalRepos: r.LocalRepos, RemoteRepos: r.Remote.Repos, Rules: rules, Preserve: r.Options.Preserve,
		Policy: r.Options.Policy, Overrides: r.Options.Overrides, NoTextMerge: r.Options.NoTextMerge,
		Contents: contentMap(r.Contents), Facts: r.Options.Facts, SetAside: setAside}
}

func (p *Plan) block(why *refusal) *Plan {
	p.Phase, p.Guard, p.Reason, p.Hint = PhaseBlocked, why.guard, why.reason, why.hint
	return p
}

// addScanProblems lists what the scans of both trees could not treat as
// entries, so that a person sees every path that did not travel.
func (p *Plan) addScanProblems(r *Request) {
	s, detail := &r.Local, "the directory could not be listed here, so nothing below it was deleted in the sandbox"
	if r.Op == merge.Pull {
		s, detail = &r.Remote.Snapshot, "the directory could not be listed in the sandbox, so nothing below it was deleted here"
	}
	p.Problems = append(p.Problems, s.Problems...)
	for _, dir := range s.Incomplete {
		if dir == "" {
			dir = "."
		}
		p.Problems = append(p.Problems, core.Problem{Path: dir, Code: core.ProblemUnreadable, Detail: detail})
	}
	p.Problems = core.SortProblems(p.Problems)
}

// flagIgnores points out the changes of .gitignore files by which the next push may send what the
// last ones left out, such as a secret.
func (p *Plan) flagIgnores(r *Request, out *merge.Outcome) {
	if r.Op != merge.Pull || len(r.Options.Ignores) == 0 {
		return
	}
	decisions := out.Decisions.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); core.Name(d.Dest) == ignoreName && (d.Action == merge.Write || d.Action == merge.Delete) {
			p.Flagged = append(p.Flagged, d.Dest)
		}
	}
	core.Sort(p.Flagged, core.ComparePaths)
}

const ignoreName = ".gitignore"

func contentMap(list []Content) map[core.Digest][]byte {
	if list == nil {
		return nil
	}
	m := make(map[core.Digest][]byte, len(list))
	for i := range list {
		c := &list[i]
		switch {
		case c.Missing:
			m[c.Digest] = nil
		case c.Data == nil:
			m[c.Digest] = []byte{}
		default:
			m[c.Digest] = c.Data
		}
	}
	return m
}
