package plan

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/paperclipai/syncplan/core"
)

// listed is one line of a listing; see script.go for its form.
type listed struct {
	kind byte // as find's %y: f d l p s b c; x is excluded, ! some name with a newline
	mode uint16
	size int64
	path string // "./" stripped; may hold any byte but a newline
}

// parseLine reads a line, with or without the mark of a doubtful one.
func parseLine(text string) (listed, bool) {
	if strings.HasPrefix(text, "?") {
		_, text, _ = strings.Cut(text, " ")
	}
	if text == "0 0 !" {
		return listed{kind: '!'}, true
	}
	head, path, ok := strings.Cut(text, " ./")
	if !ok || path == "" {
		return listed{}, false
	}
	l := listed{path: path}
	rest, word := lastWord(head)
	if word == "x" {
		l.kind = 'x'
		return l, true
	}
	if l.kind, l.mode, ok = parseMode(word); !ok {
		return listed{}, false
	}
	if l.kind != 'd' {
		_, word = lastWord(rest)
		var err error
		if l.size, err = strconv.ParseInt(word, 10, 64); err != nil || l.size < 0 || l.size > core.MaxSize {
			return listed{}, false
		}
	}
	return l, true
}

func lastWord(s string) (rest, word string) {
	i := strings.LastIndexByte(s, ' ')
	return s[:max(i, 0)], s[i+1:]
}

// parseMode reads what find calls %y%m, a letter and octal digits, or what stat
// calls %f, the mode in hexadecimal.
func parseMode(word string) (byte, uint16, bool) {
	if word == "" {
		return 0, 0, false
	}
	if i := strings.IndexByte("fdlpsbcD", word[0]); i >= 0 && len(word) > 1 {
		if n, err := strconv.ParseUint(word[1:], 8, 16); err == nil {
			return word[0], uint16(n) & core.MaxMode, true
		}
	}
	n, err := strconv.ParseUint(word, 16, 32)
	if err != nil {
		return 0, 0, false
	}
	const kinds = " pc d b f l s   " // by the first four bits of a mode
	if n>>12 >= uint64(len(kinds)) || kinds[n>>12] == ' ' {
		return 0, 0, false
	}
	return kinds[n>>12], uint16(n) & core.MaxMode, true
}

// leftover returns the name as one that is no entry; Kind is "" for an entry.
func (l *listed) leftover() core.Left {
	switch {
	case l.kind == 'x':
		return core.Left{Name: l.path, Kind: "x"}
	case l.kind != 'f' && l.kind != 'd' && l.kind != 'l':
		return core.Left{Name: l.path, Kind: "p"}
	case core.ValidatePath(l.path) != nil:
		return core.Left{Name: l.path, Kind: "n"}
	}
	return core.Left{}
}

// leftovers turns names that are no entries into what a snapshot says of them.
type leftovers struct {
	rules    *core.Rules
	problems []core.Problem
	blind    map[string]bool // directories that could not be listed
	holds    map[string]bool // occupied directories
}

func newLeftovers(rules *core.Rules) *leftovers {
	return &leftovers{rules: rules, blind: map[string]bool{}, holds: map[string]bool{}}
}

func (s *leftovers) problem(path string, code core.ProblemCode, detail string) {
	s.problems = append(s.problems, core.Problem{Path: path, Code: code, Detail: detail})
}

func (s *leftovers) left(l core.Left) {
	switch {
	case core.ValidatePath(l.Name) != nil:
		s.badName(l.Name)
	case l.Kind == "x":
		s.holds[core.Parent(l.Name)] = true
	default:
		s.problem(l.Name, core.ProblemSpecial, "a FIFO, socket or device")
	}
}

// badName lists a name that can't travel as a problem of its parent. Below a
// bad name only the name itself counts.
func (s *leftovers) badName(p string) {
	if len(p) > core.MaxPath && utf8.ValidString(p) {
		dir := p
		for len(dir) > core.MaxPath {
			dir = core.Parent(dir)
		}
		s.holds[dir] = true
		s.problem(core.DisplayPath(p[:256])+"...", core.ProblemTooLong, "")
		return
	}
	end := 0
	for seg := range strings.SplitSeq(p, "/") {
		if end += len(seg); !utf8.ValidString(seg) {
			s.holds[core.Parent(p[:end])] = true
			s.problem(core.DisplayPath(p[:end]), core.ProblemInvalidName, "the name is not valid UTF-8")
			return
		}
		end++
	}
}

// finish puts the problems and directories into a snapshot, sorted, without
// what the rules exclude.
func (s *leftovers) finish(snap *core.Snapshot) {
	snap.Problems = slices.DeleteFunc(s.problems, func(p core.Problem) bool {
		return core.ValidatePath(p.Path) == nil && s.rules.ExcludedBelow(p.Path, false)
	})
	snap.Problems = core.SortProblems(snap.Problems)
	snap.Incomplete, snap.Occupied = s.sorted(s.blind), s.sorted(s.holds)
}

// sorted lists directories that are valid paths and not excluded.
func (s *leftovers) sorted(set map[string]bool) []string {
	var out []string
	for p := range set {
		if p == "" || core.ValidatePath(p) == nil && !s.rules.ExcludedBelow(p, true) {
			out = append(out, p)
		}
	}
	core.Sort(out, core.ComparePaths)
	return out
}
