package merge

import (
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// visitGit decides a .git entry as one unit (promise S3) and reports whether it
// did. On a push only the exact name is special.
func (w *walker) visitGit(path string, b, s, t *core.Entry) bool {
	exact := core.Name(path) == ".git"
	switch {
	case w.in.Direction == Pull:
		w.pullGit(path, exact, b, s, t)
	case exact && isFile(s) && !sameEntry(s, b):
		w.refuse(path, core.ProblemGitFile, "the repository that it names lies elsewhere, so git may not work in the sandbox")
		return false
	case !exact || !isDir(s) && !isDir(t):
		return false
	default:
		w.pushGit(path, b, s, t)
	}
	return true
}

// pullGit never writes: the repository stays in the sandbox, and a difference
// that a person would miss is one problem.
func (w *walker) pullGit(path string, exact bool, b, s, t *core.Entry) {
	if t != nil {
		w.keepAbove()
	}
	unchanged := s == nil || sameEntry(s, b) && sameBelow(w.b, w.s, path) || sameEntry(s, t) && sameBelow(w.t, w.s, path)
	w.uncount(path, b, s, t)
	switch {
	case unchanged:
	case !exact || !isDir(s):
		w.refuse(path, core.ProblemProtected, "git's own files are never written from a sandbox")
	case !w.sameRepo(path):
		w.refuse(path, core.ProblemGitKept,
			"commits, branches or staged changes made in the sandbox stayed there; fetch or copy them before it is removed")
	}
}

// keepsGit reports whether the target's directory at path holds a repository that
// a pull may not take away with it.
func (w *walker) keepsGit(path string) bool {
	return w.in.Direction == Pull && slices.ContainsFunc(w.t.Below(path).List(), func(e core.Entry) bool { return core.IsGitName(core.Name(e.Path)) })
}

// sameRepo reports whether the state of the sandbox's repository is base's, or local's:
// then it holds nothing that is not here.
func (w *walker) sameRepo(path string) bool {
	is, ok := repoState(w.in.RemoteRepos, path)
	var known []core.Repo
	if w.in.Base != nil {
		known = w.in.Base.Repos
	}
	was, had := repoState(known, path)
	here, has := repoState(w.in.LocalRepos, path)
	return ok && (had && is == was || has && is == here)
}

// pushGit sends a repository file by file, and only over one that nobody used
// since base. One that changed while it was read is not known: half a commit would
// be a branch without its objects.
func (w *walker) pushGit(path string, b, s, t *core.Entry) {
	inUse := t != nil && !w.sameRepo(path) || t == nil && b != nil
	idle := s == nil && b == nil || isDir(s) && isDir(b) && sameBelow(w.b, w.s, path)
	sBelow, tBelow, bBelow := w.uncount(path, b, s, t)
	switch {
	case holds(w.sGap.problems, path), s == nil && t != nil && inUse, idle && !inUse:
		w.keepAbove()
		return
	case inUse:
		switch {
		case t == nil:
			w.refuse(path, core.ProblemGitKept, "the sandbox removed its repository since the last sync, so it was not sent again")
		case !idle:
			w.refuse(path, core.ProblemGitKept, "the sandbox's repository was used since the last sync, so it was not updated")
		}
		return
	}
	w.twoWay(sBelow, tBelow, bBelow, b, s, t)
	state, ok := repoState(w.in.LocalRepos, path)
	w.setRepo(path, state, ok && s != nil)
}

// twoWay makes the target's unit equal to the source's, as far as both are known.
func (w *walker) twoWay(sBelow, tBelow, bBelow core.Cursor, b, s, t *core.Entry) {
	stays := s != nil // what is the target's own does, unless all goes
	u := &walker{in: w.in, target: w.target, sGap: w.sGap, tGap: w.tGap, s: withHead(s, sBelow), t: withHead(t, tBelow), b: withHead(b, bBelow)}
	for {
		path, ok := u.next()
		if !ok {
			break
		}
		b, s, t := u.heads(path)
		if isFile(s) && !sameEntry(s, b) && strings.HasSuffix(path, "/objects/info/alternates") {
			w.refuse(path, core.ProblemGitFile, "the repository borrows objects that lie elsewhere, so git may not work in the sandbox")
		}
		switch {
		case s == nil && w.sGap.hides(path), t == nil && w.tGap.hides(path), stays && (b == nil && isLock(path, s, t) || ofSandbox(path, b, s, t)):
			u.keepAbove()
		case sameEntry(s, t):
			if !sameEntry(b, s) {
				u.emit(Decision{Path: path, Row: RowGit, Action: Keep, Dest: path, Advance: true, Base: s})
			}
		default:
			u.takeSource(path, RowGit, b, s, t)
		}
	}
	u.leave("")
	w.out.Decisions.join(u.out.Decisions)
}

// ofSandbox reports whether a path is one that only the sandbox changed and that makes up
// no state, such as a setting or a hook: that is left there, as anywhere else. Objects are
// not: those that only some refs of this side need may be gone there.
func ofSandbox(path string, b, s, t *core.Entry) bool {
	_, name := core.RepoPath(path)
	return isFile(t) && sameEntry(s, b) && !sameEntry(s, t) && !core.RepoStateName(name) && !strings.Contains("/"+name, "/objects/")
}

// isLock reports whether a path is the lock of an operation of git. Elsewhere than where
// that runs it would keep git from working, and there it must not be taken away.
func isLock(path string, s, t *core.Entry) bool {
	return strings.HasSuffix(path, ".lock") && !isDir(s) && !isDir(t)
}

func withHead(e *core.Entry, below core.Cursor) core.Cursor {
	if e == nil {
		return below
	}
	return core.TreeOf(append([]core.Entry{*e}, below.List()...)).Cursor()
}

// uncount skips the unit and takes it out of the counts that guard against
// mass deletion.
func (w *walker) uncount(path string, b, s, t *core.Entry) (sBelow, tBelow, bBelow core.Cursor) {
	if isFile(s) {
		w.sFiles--
	}
	if isFile(t) && b != nil {
		w.out.Deletable--
	}
	sBelow, tBelow, bBelow = w.skipBelow(path)
	w.sFiles -= countFiles(&sBelow)
	return sBelow, tBelow, bBelow
}

func repoState(repos []core.Repo, path string) (core.Digest, bool) {
	for i := range repos {
		if repos[i].Path == path {
			return repos[i].State, true
		}
	}
	return core.Digest{}, false
}

// setRepo records a state without touching the base it came from.
func (w *walker) setRepo(path string, state core.Digest, present bool) {
	repos := make([]core.Repo, 0, len(w.out.Repos)+1)
	added := !present
	for _, r := range w.out.Repos {
		if !added && core.ComparePaths(path, r.Path) <= 0 {
			repos, added = append(repos, core.Repo{Path: path, State: state}), true
		}
		if r.Path != path {
			repos = append(repos, r)
		}
	}
	if !added {
		repos = append(repos, core.Repo{Path: path, State: state})
	}
	w.out.Repos = repos
}
