package core

// Seen is what a host last knew of the sandbox, told as the difference from
// base, and the name of the listing that was left there for the next
// comparison. It decides nothing: a sandbox that lost or forged the listing only
// causes a full comparison, or looks as if it had made an edit.
type Seen struct {
	ID      string  // of the run that left the listing
	Rules   Digest  // of the exclude rules under which it was made
	Changed []Entry // what differs there from base in kind, content or executable bit; sorted
	Gone    []string
	Left    []Left // names there that are no entries; sorted
	Repos   []Repo // states of the repositories there, sorted by path
}

// Left is a name in the sandbox that is no entry. Kind is how the listing calls
// it: "x" for excluded, a letter of find's %y for special files, "n" for a name
// that can't travel.
type Left struct {
	Name string // raw bytes, relative to the workspace
	Kind string
}

// EachEntry hands out the entries of a tree in path order, so that nobody need
// hold them all. An entry may be overwritten by the next.
type EachEntry = func(yield func(*Entry) bool)

// Each hands out the entries of a list.
func Each(entries []Entry) EachEntry {
	return func(yield func(*Entry) bool) {
		for i := range entries {
			if !yield(&entries[i]) {
				return
			}
		}
	}
}

// SeenFrom tells the tree there as the difference from base.
func (s *Seen) SeenFrom(base []Entry, there EachEntry) {
	s.Changed, s.Gone = nil, nil
	i := 0
	for e := range there {
		for ; i < len(base) && ComparePaths(base[i].Path, e.Path) < 0; i++ {
			s.Gone = append(s.Gone, base[i].Path)
		}
		if i == len(base) || base[i].Path != e.Path {
			s.Changed = append(s.Changed, *e)
			continue
		}
		if b := &base[i]; !SameContent(b, e) || b.Executable() != e.Executable() {
			s.Changed = append(s.Changed, *e)
		}
		i++
	}
	for ; i < len(base); i++ {
		s.Gone = append(s.Gone, base[i].Path)
	}
}

// Entries returns what [Seen.SeenFrom] was given, but for permissions other
// than the executable bit.
func (s *Seen) Entries(base []Entry) []Entry {
	if len(s.Changed) == 0 && len(s.Gone) == 0 {
		return base
	}
	out := make([]Entry, 0, len(base)+len(s.Changed))
	for e := range s.Each(base) {
		out = append(out, *e)
	}
	return out
}

// Each hands out what [Seen.Entries] returns.
func (s *Seen) Each(base []Entry) EachEntry {
	return func(yield func(*Entry) bool) {
		gone, k := s.Gone, 0
		for i := range base {
			b := &base[i]
			for ; k < len(s.Changed) && ComparePaths(s.Changed[k].Path, b.Path) < 0; k++ {
				if !yield(&s.Changed[k]) {
					return
				}
			}
			for len(gone) > 0 && ComparePaths(gone[0], b.Path) < 0 {
				gone = gone[1:]
			}
			switch {
			case k < len(s.Changed) && s.Changed[k].Path == b.Path:
				b, k = &s.Changed[k], k+1
			case len(gone) > 0 && gone[0] == b.Path:
				continue
			}
			if !yield(b) {
				return
			}
		}
		for ; k < len(s.Changed); k++ {
			if !yield(&s.Changed[k]) {
				return
			}
		}
	}
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
