package core

import "bytes"

// The JSON form of the types of this package. The compact one of snapshots stands
// in binary.go.

// EntryFields lists the fields of an entry.
func EntryFields(o *Object, e *Entry) {
	o.Str("path", &e.Path)
	kind := e.Kind.String()
	Enum(o, "kind", &kind, true, kindWords...)
	if o.Reading() {
		e.Kind = KindOf(kind)
	}
	mode := int64(e.Mode)
	o.Int("mode", &mode, false, 0, MaxMode)
	e.Mode = uint16(mode)
	o.Int("size", &e.Size, false, 0, MaxSize)
	o.Digest("digest", &e.Digest, false)
	o.OptStr("target", &e.Target)
}

// ProblemFields lists the fields of a problem.
func ProblemFields(o *Object, p *Problem) {
	o.Str("path", &p.Path)
	Enum(o, "code", &p.Code, true, ProblemCodes()...)
	o.OptStr("detail", &p.Detail)
}

// RepoFields lists the fields of a repository's state.
func RepoFields(o *Object, r *Repo) {
	o.Path("path", &r.Path)
	o.Digest("state", &r.State, true)
}

// AsideFields lists the fields of a version set aside.
func AsideFields(o *Object, a *Aside) {
	o.Path("path", &a.Path)
	o.Digest("digest", &a.Digest, true)
}

// SnapshotFields lists the fields of a snapshot and validates what was read.
func SnapshotFields(o *Object, s *Snapshot) {
	if o.binary(s) {
		return
	}
	o.Bool("unread", &s.Unread)
	treeField(o, &s.Entries)
	listFields(o, s)
	if o.Reading() && !o.Failed() {
		o.FailWith(s.Validate())
	}
}

// BaseFields lists the fields of a base and validates what was read.
func BaseFields(o *Object, b *Base) {
	version := int64(BaseFormat)
	o.Int("format_version", &version, true, 0, MaxSize)
	if o.Reading() && !o.Failed() {
		o.FailWith(CheckFormat("format_version", version, BaseFormat))
	}
	o.Str("marker", &b.Marker)
	if !o.entrySection("entries", &b.Entries) {
		treeField(o, &b.Entries)
	}
	List(o, "repos", &b.Repos, RepoFields)
	List(o, "delivered", &b.Delivered, AsideFields)
	Opt(o, "seen", &b.Seen, SeenFields)
	if o.Reading() && !o.Failed() {
		o.FailWith(b.Validate())
	}
}

// treeField lists the entries of a tree. Whoever reads them validates them.
func treeField(o *Object, t *Tree) {
	list := t.List()
	List(o, "entries", &list, EntryFields)
	if o.Reading() {
		*t = TreeOf(list)
	}
}

// EncodeSnapshot returns the canonical JSON of s.
func EncodeSnapshot(s *Snapshot) []byte {
	return EncodeJSON(func(o *Object) { SnapshotFields(o, s) })
}

// DecodeSnapshot reads and validates a snapshot.
func DecodeSnapshot(data []byte) (*Snapshot, error) {
	s := new(Snapshot)
	return s, DecodeJSON(data, func(o *Object) { SnapshotFields(o, s) })
}

// EncodeBase returns the document that a host stores: a frame whose entries are
// in the binary form of snapshots. There is one form only.
func EncodeBase(b *Base) []byte { return bytes.Join(BaseParts(b), nil) }

// BaseParts returns what [EncodeBase] does, in parts, most of which are those of
// b.Entries.
func BaseParts(b *Base) [][]byte {
	with := &Attached{Write: true}
	return frameParts(EncodeWith(with, func(o *Object) { BaseFields(o, b) }), with.Written)
}

// DecodeBase reads and validates a stored base, or one in JSON. A newer format is
// refused with [CodeNewerVersion], never read as far as it goes.
// The base is made of parts of data, which must not change any more.
func DecodeBase(data []byte) (*Base, error) {
	b, with := new(Base), (*Attached)(nil)
	// A frame begins with its length, which is a multiple of 8 here.
	if len(data) > 0 && data[0] != '{' {
		var err error
		if data, with, err = ReadFrame(data); err != nil {
			return b, err
		}
		with.Borrow = true
	}
	return b, DecodeWith(with, data, func(o *Object) { BaseFields(o, b) })
}
