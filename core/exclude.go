package core

import "strings"

// Rules decide what is left out of a sync. One value decides what is scanned,
// sent, deleted in the sandbox, fetched and deleted locally (promise D1). It is
// immutable and safe for concurrent use.
//
// Two things are excluded without being asked: [RuntimeDir] at the root, and
// AppleDouble files, "._*", anywhere (promise D2).
type Rules struct {
	names   literals     // at any depth
	paths   literals     // from the root
	suffix  []suffixRule // "*.log"
	general []*Glob
	ignores map[string][]ignoreRule // by directory
	prunes  []Prune
	pruned  int        // bytes of prunes, as a command's arguments
	seed    *seedRules // nil: none
}

// literals maps a text to whether it excludes directories alone.
type literals map[string]bool

func (l literals) add(text string, dirOnly bool) {
	if old, ok := l[text]; ok {
		dirOnly = dirOnly && old
	}
	l[text] = dirOnly
}

func (l literals) match(text string, dir bool) bool {
	if len(l) == 0 {
		return false
	}
	dirOnly, ok := l[text]
	return ok && (dir || !dirOnly)
}

type suffixRule struct {
	text    string
	dirOnly bool
}

// Prune is a literal that a sandbox's find may leave out early: whatever it
// matches, with all below, is excluded for sure.
type Prune struct {
	Name    string // a name at any depth; or
	Path    string // a path from the root
	DirOnly bool
}

// CompileRules compiles exclude patterns (see [Glob]) and the .gitignore files
// of a tree. A path is left out if either says so. The error names the pattern
// as exclude[n].
func CompileRules(globs []string, ignores []IgnoreFile) (*Rules, error) {
	if len(globs) > maxPatterns || len(ignores) > maxPatterns {
		return nil, &Error{Code: CodeLimit, Field: "exclude", Message: "more than " + itoa(maxPatterns) + " patterns"}
	}
	r := &Rules{names: literals{}, paths: literals{}, ignores: map[string][]ignoreRule{}}
	for i, p := range globs {
		g, err := CompileGlob(p)
		if err != nil {
			return nil, inField(err, "exclude["+itoa(int64(i))+"]")
		}
		r.add(g)
	}
	for i := range ignores {
		dir := ignores[i].Dir
		if dir != "" {
			if err := ValidatePath(dir); err != nil {
				return nil, inField(err, "ignores["+itoa(int64(i))+"].dir")
			}
		}
		rules := parseIgnore(ignores[i].Text)
		if len(rules) > maxPatterns {
			return nil, &Error{Code: CodeLimit, Field: "ignores[" + itoa(int64(i)) + "].text", Path: Join(dir, ".gitignore"),
				Message: "more than " + itoa(maxPatterns) + " patterns", Hint: "make the file shorter, or sync without honouring it"}
		}
		r.ignores[dir] = append(r.ignores[dir], rules...)
	}
	r.pruneIgnores(ignores)
	return r, nil
}

// add puts a pattern where it is cheapest to look up.
func (r *Rules) add(g *Glob) {
	rest := &Glob{anchored: true, dirOnly: g.dirOnly}
	names := &Glob{dirOnly: g.dirOnly}
	for _, segs := range g.alternatives {
		anchored := g.anchored
		if len(segs) == 2 && segs[0].deep && !segs[1].deep {
			segs, anchored = segs[1:], false // "**/x" is x at any depth
		}
		text, isText := literal(segs)
		switch {
		case isText && anchored:
			r.paths.add(text, g.dirOnly)
			r.prune(Prune{Path: text, DirOnly: g.dirOnly})
		case isText:
			r.names.add(text, g.dirOnly)
			r.prune(Prune{Name: text, DirOnly: g.dirOnly})
		default:
			s, ok := segs[0].suffix()
			switch {
			case ok && !anchored:
				r.suffix = append(r.suffix, suffixRule{s, g.dirOnly})
			case anchored:
				rest.alternatives = append(rest.alternatives, segs)
			default:
				names.alternatives = append(names.alternatives, segs)
			}
		}
	}
	for _, g := range [2]*Glob{rest, names} {
		if len(g.alternatives) > 0 {
			r.general = append(r.general, g)
		}
	}
}

// Excluded reports whether path itself is left out. The caller knows that no
// directory above it is: what lies below an excluded one is, whatever a rule
// says of it.
func (r *Rules) Excluded(path string, dir bool) bool {
	name := Name(path)
	switch {
	case strings.HasPrefix(name, "._"), path == RuntimeDir:
		return true
	case r.names.match(name, dir), r.paths.match(path, dir):
		return true
	case r.seed != nil && r.seed.excluded(path):
		return true
	}
	for i := range r.suffix {
		if s := &r.suffix[i]; strings.HasSuffix(name, s.text) && (dir || !s.dirOnly) {
			return true
		}
	}
	for _, g := range r.general {
		if g.dirOnly && !dir {
			continue
		}
		text := name
		if g.anchored {
			text = path
		}
		for _, a := range g.alternatives {
			if mayMatch(&a[0], text) && matchSegments(a, text, false, 0) {
				return true
			}
		}
	}
	return len(r.ignores) > 0 && r.ignored(path, dir)
}

// mayMatch rules most paths out by the text that a pattern begins with.
func mayMatch(first *segment, path string) bool {
	return len(first.atoms) == 0 || first.atoms[0].kind != atomText || strings.HasPrefix(path, first.atoms[0].text)
}

// ExcludedBelow reports whether path or a directory above it is left out.
func (r *Rules) ExcludedBelow(path string, dir bool) bool {
	for i := 0; i < len(path); i++ {
		if path[i] == '/' && r.Excluded(path[:i], true) {
			return true
		}
	}
	return r.Excluded(path, dir)
}

// ignored asks the .gitignore files from the deepest up; in each the last rule
// that matches decides.
func (r *Rules) ignored(path string, dir bool) bool {
	for d := Parent(path); ; d = Parent(d) {
		rel := path
		if d != "" {
			rel = path[len(d)+1:]
		}
		rules := r.ignores[d]
		for i := len(rules) - 1; i >= 0; i-- {
			if rules[i].match(rel, dir) {
				return !rules[i].negate
			}
		}
		if d == "" {
			return false
		}
	}
}

// Prunes returns the literals that may be left out early. It is not all that is
// excluded: what it lets through is judged again.
func (r *Rules) Prunes() []Prune { return r.prunes }

// maxPruned bounds the prunes in bytes: they are arguments of one command, of which any
// system takes 128 KiB.
const maxPruned = 64 << 10

// prune notes a literal while there is room. Any other is excluded later.
func (r *Rules) prune(p Prune) {
	const words = len("-o -name '' -type d ./")
	if size := words + len(p.Name) + len(p.Path); r.pruned+size <= maxPruned {
		r.prunes, r.pruned = append(r.prunes, p), r.pruned+size
	}
}

// maxTakenBack bounds the negated rules that each literal is held against.
const maxTakenBack = 256

// pruneIgnores adds the literal rules of .gitignore files that no negated rule
// can take back.
func (r *Rules) pruneIgnores(files []IgnoreFile) {
	negated := r.negated()
	if len(negated) > maxTakenBack {
		return
	}
	for i := range files {
		for _, rule := range parseIgnore(files[i].Text) {
			text, isText := literal(rule.segs)
			if rule.negate || !isText || text == "" || takenBack(negated, Name(text)) {
				continue
			}
			switch {
			case rule.anchored:
				r.prune(Prune{Path: Join(files[i].Dir, text), DirOnly: rule.dirOnly})
			case files[i].Dir == "":
				r.prune(Prune{Name: text, DirOnly: rule.dirOnly})
			}
		}
	}
}

// negated returns the last segments of the negated rules.
func (r *Rules) negated() (out []*segment) {
	for _, rules := range r.ignores {
		for i := range rules {
			if rules[i].negate {
				out = append(out, &rules[i].segs[len(rules[i].segs)-1])
			}
		}
	}
	return out
}

// takenBack reports whether some negated rule could match an entry of this
// name.
func takenBack(negated []*segment, name string) bool {
	for _, last := range negated {
		if last.deep || last.match(name, true) {
			return true
		}
	}
	return false
}
