package core

// Seen is what a host last knew of the sandbox, told as the difference from
// base, and the name of the listing that was left there for the next
// comparison. It decides nothing: a sandbox that lost or forged the listing only
// causes a full comparison, or looks as if it had made an edit.
type Seen struct {
	ID      string   // of the run that left the listing
	Rules   Digest   // of the exclude rules under which it was made
	Changed []Entry  // what differs there from base in kind, content or executable bit; sorted
	Gone    []string // paths of base that are not there; sorted
	Left    []Left   // names there that are no entries; sorted
	Repos   []Repo   // states of the repositories there, sorted by path
}

// Left is a name in the sandbox that is no entry. Kind is how the listing calls
// it: "x" for excluded, a letter of find's %y for special files, "n" for a name
// that can't travel.
type Left struct {
	Name string // raw bytes, relative to the workspace
	Kind string // see above
}

// SeenFrom tells entries as the difference from base.
func (s *Seen) SeenFrom(base, entries Tree) {
	s.Changed, s.Gone = nil, nil
	was, is := base.Cursor(), entries.Cursor()
	for was.Left()+is.Left() > 0 {
		if n := was.SameRun(&is, was.Left()); n > 0 {
			was.Skip(n)
			is.Skip(n)
			continue
		}
		b, e := was.Head(), is.Head()
		switch c := compareHeads(b, e); {
		case c < 0:
			s.Gone = append(s.Gone, b.Path)
			was.Skip(1)
		case c > 0:
			s.Changed = append(s.Changed, *e)
			is.Skip(1)
		default:
			if !SameContent(b, e) || b.Executable() != e.Executable() {
				s.Changed = append(s.Changed, *e)
			}
			was.Skip(1)
			is.Skip(1)
		}
	}
}

// Entries returns what [Seen.SeenFrom] was given, but for permissions other
// than the executable bit. Where the outcome is as like is, it shares that.
func (s *Seen) Entries(base, like Tree) Tree {
	if len(s.Changed) == 0 && len(s.Gone) == 0 {
		return base
	}
	out := TreeBuilder{Like: like}
	was, changed, gone := base.Cursor(), s.Changed, s.Gone
	for len(changed)+len(gone) > 0 {
		add := len(gone) == 0 || len(changed) > 0 && ComparePaths(changed[0].Path, gone[0]) <= 0
		path := ""
		if add {
			path = changed[0].Path
		} else {
			path = gone[0]
		}
		out.Take(&was, was.Before(path))
		if was.At(path) {
			was.Skip(1)
		}
		if add {
			out.Add(&changed[0])
			changed = changed[1:]
		} else {
			gone = gone[1:]
		}
	}
	out.Take(&was, was.Left())
	return out.Tree()
}

// compareHeads orders the next entries of two trees, an ended one last.
func compareHeads(a, b *Entry) int {
	switch {
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return ComparePaths(a.Path, b.Path)
}

// ValidRun reports whether s has the form of a run id: 8 to 32 of 0-9 and a-z.
func ValidRun(s string) bool {
	if len(s) < 8 || len(s) > 32 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func (s *Seen) validate() error {
	bad := func(field, why string) error {
		return &Error{Code: CodeInvalidRequest, Field: "seen." + field, Message: why}
	}
	for i := range s.Changed {
		if i > 0 && ComparePaths(s.Changed[i-1].Path, s.Changed[i].Path) >= 0 {
			return bad("changed", "entries are not in path order, or repeat")
		}
	}
	for i, p := range s.Gone {
		if err := ValidatePath(p); err != nil {
			return inField(err, "seen.gone["+itoa(int64(i))+"]")
		}
		if i > 0 && ComparePaths(s.Gone[i-1], p) >= 0 {
			return bad("gone", "paths are not in order, or repeat")
		}
	}
	if s.ID != "" && !ValidRun(s.ID) {
		return bad("id", "a run id is 8 to 32 characters of 0-9 and a-z")
	}
	return validateRepos(s.Repos)
}

// SeenFields lists the fields of what was seen.
func SeenFields(o *Object, s *Seen) {
	o.Str("id", &s.ID)
	o.Digest("rules", &s.Rules, false)
	List(o, "changed", &s.Changed, EntryFields)
	o.Strings("gone", &s.Gone)
	List(o, "left", &s.Left, LeftFields)
	List(o, "repos", &s.Repos, RepoFields)
	if o.Reading() && !o.Failed() {
		o.FailWith(s.validate())
	}
}

// LeftFields lists the fields of a name that is no entry. The name may hold any
// bytes, so it travels in base64.
func LeftFields(o *Object, l *Left) {
	name := []byte(l.Name)
	o.Bytes("name", &name)
	Enum(o, "kind", &l.Kind, true, "x", "p", "s", "b", "c", "n")
	if o.Reading() {
		l.Name = string(name)
	}
}
