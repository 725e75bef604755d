package merge

import "github.com/paperclipai/syncplan/core"

// What follows from a row of the decision table: decisions, conflicts and problems.

// apply turns a verdict into decisions.
func (w *walker) apply(path string, row *tableRow, b, s, t *core.Entry) {
	switch row.verdict {
	case keep:
		if row.row == RowFirstKeep && b != nil { // see Input.SetAside
			w.emit(Decision{Path: path, Row: row.row, Action: Keep, Dest: path, Advance: true})
		}
		w.keepTarget(path, b, s, t)
	case converge:
		if !w.bit(path, b, s, t) && !sameEntry(b, s) {
			w.emit(Decision{Path: path, Row: row.row, Action: Keep, Dest: path, Advance: true, Base: s})
		}
	case take:
		w.takeSource(path, row.row, b, s, t)
	case block:
		w.settle(path, ConflictBlocked)
		w.skipBelow(path)
		w.keepAbove()
	case mergeText:
		w.mergeFile(path, row, b, s, t)
	case reportKeep:
		kind := ConflictDeletedR
		if w.in.Direction == Push {
			kind = ConflictDeletedL
		}
		if row.kind != "" {
			kind = row.kind
		}
		w.settle(path, kind)
		// A push leaves base alone, so that the next pull brings the edit home.
		w.emit(Decision{Path: path, Row: row.row, Action: Keep, Dest: path, Advance: w.in.Direction == Pull})
		w.keepAbove()
	case reportRestore:
		kind := ConflictDeletedL
		if w.in.Direction == Push {
			kind = ConflictDeletedR
		}
		w.settle(path, kind)
		w.takeSource(path, row.row, b, s, t)
	case conflict:
		w.conflict(path, row, b, s, t)
	}
}

// keepTarget leaves content alone; the executable bit may still move.
func (w *walker) keepTarget(path string, b, s, t *core.Entry) {
	if t != nil {
		w.keepAbove()
	}
	switch {
	case isDir(s) && t != nil && !isDir(t):
		// The source's directory is as base has it and the target replaced it.
		w.skipBelow(path)
	case isDir(s) && t == nil:
		w.frames = append(w.frames, frame{path: path, kind: frameMissing, entry: s})
	default:
		w.bit(path, b, s, t)
	}
}

// bit decides the executable bit of two files and reports whether it moved.
func (w *walker) bit(path string, b, s, t *core.Entry) bool {
	if !isFile(s) || !isFile(t) {
		return false
	}
	want := w.wantBit(b, s, t)
	if want == t.Executable() {
		return false
	}
	e := *t
	e.Mode = withBit(t.Mode, want)
	w.flag(path)
	w.emit(Decision{Path: path, Row: RowExecutable, Action: Chmod, Dest: path, Expect: t, Want: &e, Advance: true, Base: s})
	return true
}

// wantBit decides the executable bit of two files. A host that has none knows nothing
// of it: its files tell neither that the sandbox set the bit nor that it cleared it.
func (w *walker) wantBit(b, s, t *core.Entry) bool {
	if w.in.Facts.NoExecutable {
		return t.Executable()
	}
	return decideBit(isFile(b), isFile(b) && b.Executable(), s.Executable(), t.Executable())
}

// takeSource makes the target what the source is.
func (w *walker) takeSource(path string, row Row, b, s, t *core.Entry) {
	switch {
	case s == nil && isDir(t):
		// Before what is decided below it, so that the decisions need no sorting.
		w.frames = append(w.frames, frame{path: path, kind: frameDoomed, entry: t, stays: w.tGap.pins(path), at: w.out.Decisions.Len()})
		w.emit(Decision{Path: path, Row: RowTargetUnchanged, Action: Keep, Dest: path, Advance: true})
	case s == nil:
		w.remove(path, row, t)
	case t == nil && w.in.Direction == Push:
		// A pull's are listed: collide and judgeLinks may change them.
		w.makeAbove()
		w.out.Decisions.create(w.s.Passed(), row)
	default:
		if isDir(t) && !isDir(s) {
			w.removeBelow(path, row)
		}
		if isFile(t) && !isFile(s) {
			w.out.Deletes++
		}
		want := s
		if isFile(s) && isFile(t) {
			e := *s
			e.Mode = withBit(t.Mode, w.wantBit(b, s, t))
			want = &e
		}
		w.write(Decision{Path: path, Row: row, Action: Write, Dest: path, Expect: t, Want: want, Advance: true, Base: s})
	}
}

// A host holds all texts that are merged at once: beyond maxTexts bytes, each merge counted
// as textCost more, the rest are conflicts.
const (
	maxTexts = 256 << 20
	textCost = 1 << 10
)

// mergeFile merges three texts, or asks for them, or falls back to a conflict.
func (w *walker) mergeFile(path string, row *tableRow, b, s, t *core.Entry) {
	local, remote := t, s
	if w.in.Contents == nil {
		if w.texts += b.Size + local.Size + remote.Size + textCost; w.texts > maxTexts {
			w.conflict(path, row, b, s, t)
			return
		}
		w.out.Needs = append(w.out.Needs, Need{Path: path, Base: b.Digest, Local: local.Digest, Remote: remote.Digest})
		return
	}
	texts := make([][]byte, 0, 3)
	for _, e := range [3]*core.Entry{b, local, remote} {
		data := w.in.Contents[e.Digest]
		if data == nil || !IsText(data) {
			w.conflict(path, row, b, s, t)
			return
		}
		if core.Sum(string(data)) != e.Digest {
			w.err = &core.Error{Code: core.CodeCorrupt, Path: path, Message: "a supplied content does not have the digest it was asked for by"}
			return
		}
		texts = append(texts, data)
	}
	merged, conflicts := MergeText(texts[0], texts[1], texts[2], Labels{Local: "local", Base: "base", Remote: "sandbox"})
	if conflicts > 0 {
		w.conflict(path, row, b, s, t)
		return
	}
	want := *t
	want.Digest, want.Size = core.Sum(string(merged)), int64(len(merged))
	want.Mode = withBit(t.Mode, w.wantBit(b, s, t))
	w.write(Decision{Path: path, Row: row.row, Action: Write, Dest: path, Expect: t, Want: &want, Merged: merged, Advance: true, Base: s})
}

// remove deletes a file or link of the target.
func (w *walker) remove(path string, row Row, t *core.Entry) {
	if t.Kind == core.KindFile {
		w.out.Deletes++
	}
	w.flag(path)
	w.emit(Decision{Path: path, Row: row, Action: Delete, Dest: path, Expect: t, Advance: true})
}

// write emits a decision that puts something under path.
func (w *walker) write(d Decision) {
	w.makeAbove()
	w.flag(d.Path)
	w.emit(d)
}

// makeAbove makes the directories above what is written that the target lacks.
func (w *walker) makeAbove() {
	for i := range w.frames {
		f := &w.frames[i]
		if f.kind == frameMissing && !f.stays {
			f.stays = true
			w.emit(Decision{Path: f.path, Row: RowTargetDeleted, Action: Write, Dest: f.path, Want: f.entry, Advance: true, Base: f.entry})
		}
	}
}

func (w *walker) emit(d Decision) { w.out.Decisions.Add(d) }

func (w *walker) report(path string, kind ConflictKind, copied string) {
	w.out.Conflicts = append(w.out.Conflicts, Conflict{Path: path, Kind: kind, Policy: w.policies.At(path), Copy: copied})
}

// settle reports a conflict of which the table says what stays. No policy decides it, but [Fail] is about any.
func (w *walker) settle(path string, kind ConflictKind) {
	w.report(path, kind, "")
	if c := &w.out.Conflicts[len(w.out.Conflicts)-1]; c.Policy != Fail {
		c.Policy = ""
	}
}

func (w *walker) refuse(path string, code core.ProblemCode, detail string) {
	w.out.Problems = append(w.out.Problems, core.Problem{Path: path, Code: code, Detail: detail})
}
