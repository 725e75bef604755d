package merge

import (
	"slices"

	"github.com/paperclipai/syncplan/core"
)

// Direction says which way changes flow.
type Direction string

// The directions.
const (
	Pull Direction = "pull" // from the sandbox into the workspace
	Push Direction = "push" // from the workspace into the sandbox
)

// Facts are what the host knows about the workspace's file system.
type Facts struct {
	FoldCase     bool // names that differ in case alone are one name
	Normalize    bool // names that are canonically equivalent in Unicode are one name
	NoExecutable bool // files have no executable bit
	Backslash    bool // a backslash separates path segments (Windows)
}

// fold returns what the file system takes a path for.
func (f Facts) fold(path string) string { return FoldKey(path, f.FoldCase, f.Normalize) }

// Input is everything that decides. Nothing else does: no time, no size.
type Input struct {
	Direction   Direction
	Base        *core.Base     // nil: unknown (state lost, or two trees that meet first)
	Local       *core.Snapshot // the workspace
	Remote      *core.Snapshot // the workspace in the sandbox
	LocalRepos  []core.Repo    // sorted by path
	RemoteRepos []core.Repo    // sorted by path
	Rules       *core.Rules    // nil: nothing is excluded
	Preserve    []string       // paths whose absence on one side is never carried to the other
	Policy      Policy         // "" is [KeepBoth]
	Overrides   []Override     // the first that matches wins
	NoTextMerge bool           // what both sides edited is a conflict
	// Contents holds what an earlier outcome needed, by digest; a nil value says
	// that the host does not have it. A nil map asks.
	Contents map[core.Digest][]byte
	Facts    Facts
	// SetAside are the paths of versions that pushes set aside in the sandbox and no pull brought home. Where
	// nothing stands there now, and base does not know the local version, which of a directory would cost much to
	// tell, a push was killed before it put that in place: what is missing in the sandbox at such a path and below
	// it was deleted by nobody.
	SetAside []string
}

// Outcome is what was decided.
type Outcome struct {
	Decisions Decisions      // sorted by path
	Conflicts []Conflict     // sorted by path
	Problems  []core.Problem // refused or unknown, sorted by path
	Flagged   []string       // changed files that make tools run code, sorted
	Needs     []Need         // contents to supply before anything may be applied
	Repos     []core.Repo    // what base takes as the states of repositories
	ModeOnly  int            // entries that differ in other permission bits alone
	Deletable int            // files in the target that base knows, outside .git
	Deletes   int            // files among them that would be deleted, or replaced by what is no file
	// SourceEmpty says that the source holds no file outside .git although the
	// target holds some that base knows.
	SourceEmpty bool
}

// Decide compares the three trees and returns one decision for each path that
// changes something. Snapshots must be valid. Errors are those of a content
// that fails its digest ([core.CodeCorrupt]) and of a bad override.
func Decide(in *Input) (*Outcome, error) {
	w, err := newWalker(in)
	if err != nil {
		return nil, err
	}
	w.walk()
	if w.err != nil {
		return nil, w.err
	}
	w.finish()
	return &w.out, nil
}

// walker holds three cursors over the sorted trees and the directories above
// them that are not settled yet.
type walker struct {
	in         *Input
	out        Outcome
	b, s, t    core.Cursor // what is left of base, source and target
	sGap, tGap gaps
	texts      int64 // size of what is needed
	target     *core.Snapshot
	policies   *Policies
	cut        map[string]bool // those of Input.SetAside at which a push was killed; nil for none
	frames     []frame
	clean      string // a directory known not to be excluded, with its ancestors
	cleanSet   bool
	sFiles     int
	err        error
}

type frameKind uint8

const (
	frameDoomed  frameKind = iota // deleted at the source: goes if nothing in it stays
	frameMissing                  // absent at the target: made when something below is written
)

type frame struct {
	path  string
	kind  frameKind
	entry *core.Entry // the target's for doomed, the source's for missing
	stays bool        // doomed: something in it stays; missing: made already
	at    int         // doomed: number of its decision
}

func newWalker(in *Input) (*walker, error) {
	source, target := in.Remote, in.Local
	if in.Direction == Push {
		source, target = in.Local, in.Remote
	}
	policies, err := CompilePolicies(in.Policy, in.Overrides)
	if err != nil {
		return nil, err
	}
	w := &walker{in: in, policies: policies, s: source.Entries.Cursor(), t: target.Entries.Cursor(), target: target}
	w.sGap, w.tGap = gapsOf(source), gapsOf(target)
	if in.Base != nil {
		w.b = in.Base.Entries.Cursor()
		w.out.Repos = in.Base.Repos
		for _, path := range in.SetAside {
			if l := in.Local.Entries.Find(path); in.Remote.Entries.Find(path) == nil && (isDir(l) || !sameEntry(l, in.Base.Entries.Find(path))) {
				if w.cut == nil {
					w.cut = map[string]bool{}
				}
				w.cut[path] = true
			}
		}
	}
	return w, nil
}

func (w *walker) walk() {
	for w.err == nil {
		if w.unchanged() {
			continue
		}
		path, ok := w.next()
		if !ok {
			break
		}
		w.leave(path)
		b, s, t := w.heads(path)
		w.count(b, s, t)
		w.visit(path, b, s, t)
	}
	w.leave("")
}

// sameAtOnce is how many entries are compared before the next look at all trees.
const sameAtOnce = 1024

// unchanged passes over paths that are the same in all trees, as nearly every
// one is, without reading the entries. It stops before a repository.
func (w *walker) unchanged() bool {
	n := w.s.SameRun(&w.t, sameAtOnce)
	n = w.b.SameRun(&w.t, n)
	n, files := w.t.Tally(n, ".git")
	if n == 0 {
		return false
	}
	w.leave("") // what is in all trees lies in no directory that one of them lacks
	w.sFiles += files
	w.out.Deletable += files
	w.out.ModeOnly += w.s.ModesDiffer(&w.t, n)
	w.b.Skip(n)
	w.s.Skip(n)
	w.t.Skip(n)
	return true
}

// next returns the lowest path among the three heads.
func (w *walker) next() (string, bool) {
	path, ok := "", false
	for _, e := range [3]*core.Entry{w.t.Head(), w.s.Head(), w.b.Head()} {
		// Most paths are the same in all trees; equality is far cheaper than order.
		if e != nil && (!ok || e.Path != path && core.ComparePaths(e.Path, path) < 0) {
			path, ok = e.Path, true
		}
	}
	return path, ok
}

// heads returns the entries of a path that next returned, and passes over them.
func (w *walker) heads(path string) (b, s, t *core.Entry) {
	for _, side := range [3]struct {
		cursor *core.Cursor
		entry  **core.Entry
	}{{&w.b, &b}, {&w.s, &s}, {&w.t, &t}} {
		if e := side.cursor.Head(); e != nil && e.Path == path {
			*side.entry = e
			side.cursor.Skip(1)
		}
	}
	return b, s, t
}

func (w *walker) count(b, s, t *core.Entry) {
	if s != nil && s.Kind == core.KindFile {
		w.sFiles++
	}
	if t == nil {
		return
	}
	if t.Kind == core.KindFile && b != nil {
		w.out.Deletable++
	}
	if s != nil && s.Mode != t.Mode && (s.Mode^t.Mode)&0o100 == 0 && core.SameContent(s, t) {
		w.out.ModeOnly++
	}
}

// visit decides one path at which the trees are not all the same.
func (w *walker) visit(path string, b, s, t *core.Entry) {
	if w.excluded(path, isDir(b) || isDir(s) || isDir(t)) {
		w.skipBelow(path)
		if t != nil {
			w.keepAbove()
		}
		return
	}
	if core.IsGitName(core.Name(path)) && w.visitGit(path, b, s, t) {
		return
	}
	if w.in.Direction == Pull && s != nil && core.Protected(path) {
		w.refuse(path, core.ProblemProtected, "never written from a sandbox")
		w.skipBelow(path)
		return
	}
	f := w.facts(path, b, s, t)
	row := firstRow(f)
	if row.verdict == take && s == nil && w.preserved(path) {
		row = &tableRow{row: row.row, verdict: keep}
	}
	w.apply(path, row, b, s, t)
}

// wasCut reports whether a path is, or lies below, one at which a push was killed.
func (w *walker) wasCut(path string) bool {
	for p := path; p != "" && w.cut != nil; p = core.Parent(p) {
		if w.cut[p] {
			return true
		}
	}
	return false
}

// facts gathers what the table looks at.
func (w *walker) facts(path string, b, s, t *core.Entry) facts {
	var f facts
	set := func(bit facts, on bool) {
		if on {
			f |= bit
		}
	}
	known := w.in.Base != nil && !w.wasCut(path)
	set(baseUnknown, !known)
	set(sourceAbsent, s == nil)
	set(targetAbsent, t == nil)
	set(baseAbsent, b == nil)
	set(sourceUnknown, s == nil && w.sGap.hides(path))
	set(targetUnknown, t == nil && w.tGap.hides(path))
	set(same, core.SameContent(s, t))
	set(kindsDiffer, s != nil && t != nil && s.Kind != t.Kind)
	set(targetMounted, w.in.Direction == Pull && isFile(t) && holds(w.tGap.occupied, path))
	if !known {
		set(sourceUnchanged, s == nil)
		return f
	}
	// Where one side is no directory any more, the other side's directory is unchanged only
	// if all that is left below it is: what is gone there is gone on both sides, such as
	// by an apply that was cut off before it put the file in the directory's place.
	sSame, tSame := core.SameContent(s, b), core.SameContent(t, b)
	if sSame && isDir(s) && t != nil && !isDir(t) {
		sSame = amongBelow(w.b, w.s, path) && !w.sGap.pins(path)
	}
	if tSame && isDir(t) && s != nil && !isDir(s) {
		tSame = amongBelow(w.b, w.t, path) && !w.tGap.pins(path) && !w.keepsGit(path) && !w.preserved(path)
	}
	set(sourceUnchanged, sSame)
	set(targetUnchanged, tSame)
	set(mergeable, w.mergeable(b, s, t))
	return f
}

func (w *walker) mergeable(b, s, t *core.Entry) bool {
	if w.in.NoTextMerge || w.in.Direction == Push || b == nil || s == nil || t == nil {
		return false
	}
	for _, e := range [3]*core.Entry{b, s, t} {
		if e.Kind != core.KindFile || e.Size > MaxTextMerge {
			return false
		}
	}
	return true
}

// leave settles the directories that do not hold path.
func (w *walker) leave(path string) {
	for len(w.frames) > 0 {
		f := &w.frames[len(w.frames)-1]
		if path != "" && core.Under(path, f.path) {
			return
		}
		if f.kind == frameDoomed && !f.stays {
			d := w.out.Decisions.listed(f.at)
			d.Action, d.Expect = Delete, f.entry
		}
		w.frames = w.frames[:len(w.frames)-1]
	}
}

// keepAbove notes that something stays in every doomed directory above.
func (w *walker) keepAbove() {
	for i := range w.frames {
		if w.frames[i].kind == frameDoomed {
			w.frames[i].stays = true
		}
	}
}

func (w *walker) preserved(path string) bool {
	for _, p := range w.in.Preserve {
		if p == path || core.Under(path, p) || core.Under(p, path) {
			return true
		}
	}
	return false
}

// excluded relies on the order of the walk: a directory is met before what is
// in it, and everything below an excluded one is skipped at once.
func (w *walker) excluded(path string, dir bool) bool {
	if w.in.Rules == nil {
		return false
	}
	parent := core.Parent(path)
	if w.cleanSet && w.clean == parent {
		return w.in.Rules.Excluded(path, dir)
	}
	if w.in.Rules.ExcludedBelow(path, dir) {
		return true
	}
	w.clean, w.cleanSet = parent, true
	return false
}

// finish brings the outcome into its canonical order and runs the checks that
// need the whole planned tree.
func (w *walker) finish() {
	w.out.SourceEmpty = w.sFiles == 0 && w.out.Deletable > 0
	w.out.Decisions.Sort()
	if w.in.Direction == Pull {
		w.collide()
		w.judgeLinks()
		w.flagThroughLinks()
	}
	core.Sort(w.out.Conflicts, func(a, b Conflict) int { return core.ComparePaths(a.Path, b.Path) })
	w.out.Problems = core.SortProblems(w.out.Problems)
	core.Sort(w.out.Flagged, core.ComparePaths)
	w.out.Flagged = slices.Compact(w.out.Flagged)
}

func isDir(e *core.Entry) bool  { return e != nil && e.Kind == core.KindDir }
func isFile(e *core.Entry) bool { return e != nil && e.Kind == core.KindFile }

// sameEntry compares content and executable bit.
func sameEntry(a, b *core.Entry) bool {
	return core.SameContent(a, b) && (a == nil || a.Executable() == b.Executable())
}

// withBit sets the executable bits for those who may read, or clears them.
func withBit(mode uint16, on bool) uint16 {
	if on {
		return mode | 0o100 | (mode&0o444)>>2
	}
	return mode &^ 0o111
}
