package core

import "slices"

// Bounds of a snapshot. They stop a hostile listing, not a large workspace.
const (
	MaxEntries = 10_000_000
	MaxSize    = 1<<53 - 1 // bytes of one file, and the largest integer that travels
	MaxTarget  = 4095      // bytes of a link's text
	MaxMode    = 0o777
)

// ProblemCode says why a path is not an ordinary entry, or was refused.
type ProblemCode string

// The problem codes.
const (
	ProblemInvalidName  ProblemCode = "invalid_name"  // the name is not valid UTF-8; Path shows it escaped
	ProblemTooLong      ProblemCode = "path_too_long" // longer than MaxPath
	ProblemSpecial      ProblemCode = "special_file"  // FIFO, socket or device
	ProblemUnreadable   ProblemCode = "unreadable"    // the system refused to read it
	ProblemChanging     ProblemCode = "changing"      // it changed while it was read
	ProblemUnsafeLink   ProblemCode = "unsafe_link"   // the link leads out of the workspace
	ProblemProtected    ProblemCode = "protected"     // a path that is never written from a sandbox
	ProblemGitKept      ProblemCode = "git_kept"      // commits or staged changes stayed in the sandbox
	ProblemGitFile      ProblemCode = "git_file"      // a .git file or borrowed objects lie outside; git may not work in the sandbox
	ProblemNotEmpty     ProblemCode = "not_empty"     // a directory was kept because something unlisted is in it
	ProblemWriteFailed  ProblemCode = "write_failed"  // a decided change could not be made
	ProblemMode         ProblemCode = "mode_kept"     // a permission could not be set
	ProblemStaleStaging ProblemCode = "stale_staging" // an earlier run under another state folder left files behind
)

// ProblemCodes returns the closed list in a fixed order.
func ProblemCodes() []ProblemCode {
	return []ProblemCode{ProblemInvalidName, ProblemTooLong, ProblemSpecial, ProblemUnreadable, ProblemChanging,
		ProblemUnsafeLink, ProblemProtected, ProblemGitKept, ProblemGitFile, ProblemNotEmpty, ProblemWriteFailed,
		ProblemMode, ProblemStaleStaging}
}

// Problem is something the scan or the plan could not treat as an entry.
type Problem struct {
	Path   string // as it is on disk; with \xNN escapes where Code is ProblemInvalidName
	Code   ProblemCode
	Detail string // one sentence for people; may be empty
}

// Snapshot is the state of one tree. What it does not list is absent, unless
// one of these says that it is unknown:
//
//   - a problem with a valid path: that path and all below it are unknown
//   - an incomplete directory: every absence below it is unknown
//
// An occupied directory holds something that has no path here (an excluded
// entry, an invalid name), or is one at which something is mounted. Absence of
// other names in it is known, but the directory itself must not be removed or replaced.
// So it is with an occupied file: one at which something is mounted.
type Snapshot struct {
	// Unread says that files may lack a digest: a first push hashes what it sends.
	Unread     bool
	Entries    Tree      // strictly increasing in the order of ComparePaths; each parent directory is listed
	Problems   []Problem // sorted by path, then code
	Incomplete []string  // directories, sorted; "" is the root
	Occupied   []string  // directories and files, sorted; "" is the root
}

// Validate checks everything the planner relies on. The error is an *[Error]
// whose Field names the element.
func (s *Snapshot) Validate() error {
	if err := s.Entries.validate(s.Unread, Tree{}); err != nil {
		return err
	}
	return s.validateLists()
}

func (s *Snapshot) validateLists() error {
	if err := validateDirs("incomplete", s.Incomplete); err != nil {
		return err
	}
	if err := validateDirs("occupied", s.Occupied); err != nil {
		return err
	}
	codes := ProblemCodes()
	for i := range s.Problems {
		p := &s.Problems[i]
		field := "problems[" + itoa(int64(i)) + "]"
		if !slices.Contains(codes, p.Code) {
			return &Error{Code: CodeInvalidSnapshot, Field: field + ".code", Message: "unknown problem code"}
		}
		if p.Code != ProblemInvalidName && p.Code != ProblemTooLong {
			if err := ValidatePath(p.Path); err != nil {
				return inField(err, field+".path")
			}
		}
		if i > 0 && compareProblems(s.Problems[i-1], *p) >= 0 {
			return &Error{Code: CodeInvalidSnapshot, Field: field, Message: "problems are not sorted by path and code, or repeat"}
		}
	}
	return nil
}

// Find returns the index of path in entries, or where it would be inserted.
func Find(entries []Entry, path string) (int, bool) {
	return slices.BinarySearchFunc(entries, path, func(e Entry, p string) int { return ComparePaths(e.Path, p) })
}

// SortEntries brings entries into the order of [ComparePaths].
func SortEntries(entries []Entry) {
	Sort(entries, func(a, b Entry) int { return ComparePaths(a.Path, b.Path) })
}

// SortProblems brings problems into their order and drops repetitions.
func SortProblems(problems []Problem) []Problem {
	Sort(problems, compareProblems)
	return slices.CompactFunc(problems, func(a, b Problem) bool { return compareProblems(a, b) == 0 })
}

func compareProblems(a, b Problem) int {
	if c := ComparePaths(a.Path, b.Path); c != 0 {
		return c
	}
	switch {
	case a.Code < b.Code:
		return -1
	case a.Code > b.Code:
		return 1
	}
	return 0
}

func orderFault(c int) string {
	if c == 0 {
		return "path is listed twice"
	}
	return "entries are not in path order"
}

func validateEntry(i int, e *Entry, unread bool) error {
	if e.Mode > MaxMode {
		return entryError(i, "mode", e.Path, CodeInvalidSnapshot, "mode has bits beyond 0777")
	}
	switch e.Kind {
	case KindFile:
		switch {
		case e.Size < 0 || e.Size > MaxSize:
			return entryError(i, "size", e.Path, CodeInvalidSnapshot, "size is not between 0 and 2^53-1")
		case e.Digest.IsZero() && !unread:
			return entryError(i, "digest", e.Path, CodeInvalidSnapshot, "a file needs a digest")
		case e.Target != "":
			return entryError(i, "target", e.Path, CodeInvalidSnapshot, "only a link has a target")
		}
	case KindDir:
		if e.Size != 0 || !e.Digest.IsZero() || e.Target != "" {
			return entryError(i, "kind", e.Path, CodeInvalidSnapshot, "a directory has no size, digest or target")
		}
	case KindLink:
		switch {
		case e.Size != 0 || !e.Digest.IsZero():
			return entryError(i, "kind", e.Path, CodeInvalidSnapshot, "a link has no size or digest")
		}
		if why := targetFault([]byte(e.Target)); why != "" {
			return entryError(i, "target", e.Path, CodeInvalidSnapshot, why)
		}
	default:
		return entryError(i, "kind", e.Path, CodeInvalidSnapshot, "kind is not file, dir or link")
	}
	return nil
}

func entryError(i int, field, path string, code Code, why string) error {
	return &Error{Code: code, Path: path, Field: "entries[" + itoa(int64(i)) + "]." + field, Message: why}
}

func validateDirs(field string, dirs []string) error {
	for i, d := range dirs {
		name := field + "[" + itoa(int64(i)) + "]"
		if d != "" {
			if err := ValidatePath(d); err != nil {
				return inField(err, name)
			}
		}
		if i > 0 && ComparePaths(dirs[i-1], d) >= 0 {
			return &Error{Code: CodeInvalidSnapshot, Field: name, Message: "directories are not in path order, or repeat"}
		}
	}
	return nil
}

// inField puts the name of the field in front of an error's own.
func inField(err error, field string) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	if field == "" {
		return err
	}
	c := *e
	if c.Field != "" {
		field += "." + c.Field
	}
	c.Field = field
	return &c
}
