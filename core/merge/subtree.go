package merge

import "github.com/paperclipai/syncplan/core"

// conflict keeps both versions. On a pull the policy says which of them stands
// at the path; on a push the local one does and the sandbox's is set aside.
func (w *walker) conflict(path string, row *tableRow, b, s, t *core.Entry) {
	policy, pushed := w.policies.At(path), Local
	if w.in.Direction == Push {
		if policy == Fail {
			pushed = Fail
		}
		policy = Remote // the source, here local, takes the path
	}
	if row.kind == ConflictMounted && policy == Remote {
		policy = KeepBoth
	}
	inSource, _, inBase := w.skipBelow(path)
	sBelow, bBelow := inSource.List(), inBase.List()
	digest := TreeDigest(s, sBelow)
	dest, action := path, Write
	switch policy {
	case Remote:
		w.replace(path, row.row, b, s, t)
	case Local:
		action = Aside
	default:
		dest, action = w.copyPath(s, sBelow, digest), Copy
	}
	if w.in.Direction == Push {
		w.out.Conflicts = append(w.out.Conflicts, Conflict{Path: path, Kind: row.kind, Policy: pushed})
	} else {
		copied := ""
		if action == Copy {
			copied = dest
		}
		w.report(path, row.kind, copied)
		c := &w.out.Conflicts[len(w.out.Conflicts)-1]
		c.Policy, c.NoFile = policy, action == Copy && (!isFile(t) || isDir(s))
	}
	if action != Write {
		w.bit(path, b, s, t)
		w.write(Decision{Path: path, Row: row.row, Action: action, Dest: dest, Want: s, Advance: true, Base: s})
	}
	w.putBelow(path, dest, row.row, action, sBelow)
	w.forgetBelow(s, sBelow, bBelow)
}

// replace writes the source's entry over the target's, which is displaced whole.
func (w *walker) replace(path string, row Row, b, s, t *core.Entry) {
	want := *s
	if isFile(s) && isFile(t) {
		want.Mode = withBit(t.Mode, w.wantBit(b, s, t))
	}
	w.write(Decision{Path: path, Row: row, Action: Write, Dest: path, Expect: t, Want: &want, Displace: true, Advance: true, Base: s})
}

// copyPath names the conflict copy of s. A name that already stands for the same
// content is used again, so that the same conflict adds nothing. In a directory that
// is not known whole any name may be taken: the host finds out, and replaces nothing.
func (w *walker) copyPath(s *core.Entry, below []core.Entry, digest core.Digest) string {
	return CopyName(s.Path, digest, func(p string) bool {
		return holds(w.tGap.problems, p) || !Agrees(w.target.Entries.Find, p, s, below)
	})
}

// Agrees reports whether nothing that stands at dest or below it, as find tells,
// is another entry than the version of e that is to stand there: it may be a part
// of it, as an apply that was cut off leaves it.
func Agrees(find func(path string) *core.Entry, dest string, e *core.Entry, below []core.Entry) bool {
	top := find(dest)
	if top == nil {
		return true
	}
	if !core.SameContent(top, e) {
		return false
	}
	for i := range below {
		other := find(dest + below[i].Path[len(e.Path):])
		if other != nil && !core.SameContent(other, &below[i]) {
			return false
		}
	}
	return true
}

// putBelow writes the source's subtree of path under dest.
func (w *walker) putBelow(path, dest string, row Row, action Action, below []core.Entry) {
	for i := 0; i < len(below); i++ {
		e := &below[i]
		switch {
		case w.excluded(e.Path, isDir(e)):
			i += lenBelow(below[i+1:], e.Path)
		case w.in.Direction == Pull && core.Protected(e.Path):
			w.refuse(e.Path, core.ProblemProtected, "never written from a sandbox")
			i += lenBelow(below[i+1:], e.Path)
		default:
			w.write(Decision{Path: e.Path, Row: row, Action: action, Dest: dest + e.Path[len(path):], Want: e, Advance: true, Base: e})
		}
	}
}

// forgetBelow makes base drop what it had below a path whose source subtree it
// takes over. Below anything but a directory base drops all by itself.
func (w *walker) forgetBelow(s *core.Entry, sBelow, bBelow []core.Entry) {
	if !isDir(s) {
		return
	}
	for i := range bBelow {
		if _, found := core.Find(sBelow, bBelow[i].Path); !found {
			w.emit(Decision{Path: bBelow[i].Path, Row: RowKindConflict, Action: Keep, Dest: bBelow[i].Path, Advance: true})
		}
	}
}

// removeBelow deletes the target's subtree of a directory that is as base has
// it, so that the directory can be replaced.
func (w *walker) removeBelow(path string, row Row) {
	_, inTarget, _ := w.skipBelow(path) // what the other trees have there stays
	tBelow := inTarget.List()
	for i := range tBelow {
		if isFile(&tBelow[i]) {
			w.out.Deletable++
		}
		w.remove(tBelow[i].Path, row, &tBelow[i])
	}
}

// skipBelow moves the cursors past everything below path and returns it.
func (w *walker) skipBelow(path string) (s, t, b core.Cursor) {
	s, t, b = w.s.Below(path), w.t.Below(path), w.b.Below(path)
	w.s.Skip(s.Left())
	w.t.Skip(t.Left())
	w.b.Skip(b.Left())
	w.sFiles += countFiles(&s)
	return s, t, b
}

func countFiles(c *core.Cursor) int {
	_, files := c.Tally(c.Left(), "")
	return files
}

// lenBelow counts the leading entries that lie below path.
func lenBelow(list []core.Entry, path string) int {
	n := 0
	for n < len(list) && core.Under(list[n].Path, path) {
		n++
	}
	return n
}

// sameBelow reports whether what follows below path is the same in both trees,
// executable bits included.
func sameBelow(a, b core.Cursor, path string) bool {
	x, y := a.Below(path), b.Below(path)
	return x.Left() == y.Left() && amongBelow(a, b, path)
}

// amongBelow reports whether all that follows below path in a tree is the same in another
// one, which may have more.
func amongBelow(more, tree core.Cursor, path string) bool {
	more, tree = more.Below(path), tree.Below(path)
	for {
		n := tree.SameRun(&more, tree.Left())
		more.Skip(n)
		tree.Skip(n)
		e := tree.Head()
		if e == nil {
			return true
		}
		more.Skip(more.Before(e.Path))
		if !more.At(e.Path) || !sameEntry(more.Head(), e) {
			return false
		}
		more.Skip(1) // a run ends also at a directory with other permissions
		tree.Skip(1)
	}
}

// TreeDigest names the version that e is, with what lies below it: a file's digest, or a
// digest over the text of a link or the listing of a directory.
func TreeDigest(e *core.Entry, below []core.Entry) core.Digest {
	switch e.Kind {
	case core.KindFile:
		return e.Digest
	case core.KindLink:
		return core.Sum("link\x00", e.Target)
	}
	parts := make([]string, 0, 1+4*len(below))
	parts = append(parts, "dir\x00")
	for i := range below {
		d := below[i].Digest
		parts = append(parts, below[i].Path[len(e.Path):], "\x00", string(d[:]), below[i].Target+"\x00")
	}
	return core.Sum(parts...)
}
