package core

import (
	"strings"
	"unicode/utf8"
)

// TarPatterns are patterns with the meaning that GNU tar's --exclude gives them
// when it packs ".": any wildcard matches a slash too, a pattern may begin at
// any segment, and a match covers everything below. They are immutable.
//
// Whether "?" and a class match a character or a byte depends on the locale of
// tar, which nobody here knows; what either would leave out is matched. Named
// classes are those of ASCII.
type TarPatterns struct {
	texts map[string]bool // without wildcards, at any depth
	roots map[string]bool // without wildcards, from the root: "./x"
	globs []tarGlob
	all   bool // the root itself matches, so nothing is packed
}

// CompileTarPatterns compiles what may stand behind --exclude. Nothing in a
// pattern's form is an error but NUL, bad UTF-8 and too great a length; the
// error names it as seed_exclude[n].
func CompileTarPatterns(patterns []string) (*TarPatterns, error) {
	const name = "seed_exclude"
	if len(patterns) > maxPatterns {
		return nil, &Error{Code: CodeLimit, Field: name, Message: "more than " + itoa(maxPatterns) + " patterns"}
	}
	t := &TarPatterns{texts: map[string]bool{}, roots: map[string]bool{}}
	for i, p := range patterns {
		field := name + "[" + itoa(int64(i)) + "]"
		switch {
		case len(p) > maxPattern:
			return nil, &Error{Code: CodeLimit, Field: field, Message: "pattern is longer than " + itoa(maxPattern) + " bytes"}
		case !utf8.ValidString(p):
			return nil, &Error{Code: CodeInvalidPattern, Field: field, Message: "pattern is not valid UTF-8"}
		case strings.IndexByte(p, 0) >= 0:
			return nil, &Error{Code: CodeInvalidPattern, Field: field, Message: "pattern holds a NUL byte"}
		}
		t.add(p)
	}
	return t, nil
}

func (t *TarPatterns) add(pattern string) {
	if text, ok := tarText(pattern); ok {
		t.all = t.all || text == "."
		if rooted, ok := strings.CutPrefix(text, "./"); ok {
			t.roots[rooted] = true
		} else {
			t.texts[text] = true
		}
		return
	}
	g := tarGlob{fnmatch(pattern, false), fnmatch(pattern, true)}
	t.all = t.all || g.match(".")
	t.globs = append(t.globs, g)
}

// Excludes reports whether tar leaves path itself out. The caller knows that it
// leaves out no directory above.
func (t *TarPatterns) Excludes(path string) bool {
	if t.all || t.roots[path] {
		return true
	}
	for rest := path; ; {
		if t.texts[rest] || t.globMatch(rest, len(rest) < len(path)) {
			return true
		}
		_, tail, more := strings.Cut(rest, "/")
		if !more {
			break
		}
		rest = tail
	}
	return len(t.globs) > 0 && t.globMatch("./"+path, false)
}

// Above returns the topmost of path and the directories above it that tar
// leaves out, and whether there is one.
func (t *TarPatterns) Above(path string) (string, bool) {
	for i := 0; i < len(path); i++ {
		if path[i] == '/' && t.Excludes(path[:i]) {
			return path[:i], true
		}
	}
	return path, t.Excludes(path)
}

// globMatch tries all patterns, but on an inner part of a path none that begins with a
// star: it matches the whole path where it matches a part, and a deep path has many parts.
func (t *TarPatterns) globMatch(text string, inner bool) bool {
	for i := range t.globs {
		if g := &t.globs[i]; !(inner && g.bytes.atoms[0].kind == atomStar) && g.match(text) {
			return true
		}
	}
	return false
}

// tarGlob is a pattern with wildcards, as it is read in a locale of UTF-8 and in
// one of bytes. Its segments are matched against texts with slashes.
type tarGlob struct{ chars, bytes segment }

func (g *tarGlob) match(text string) bool {
	return g.chars.match(text, false) || g.bytes.match(text, true)
}

// tarText returns the text of a pattern without wildcards. There a backslash at
// the end is a backslash; in a pattern with wildcards nothing matches it.
func tarText(pattern string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*' || c == '?' || c == '[':
			return "", false
		case c == '\\' && i+1 < len(pattern):
			i++
		}
		b.WriteByte(pattern[i])
	}
	return b.String(), true
}

// fnmatch compiles a pattern as the function of that name reads it.
func fnmatch(p string, bytewise bool) segment {
	return compileSegment(p, func(p string) (atom, int) {
		a, n := fnmatchClass(p, bytewise)
		if n == 0 { // one that does not end is text
			return atom{kind: atomText, text: "["}, 1
		}
		return a, n
	})
}

// fnmatchClass compiles the class that p begins with, and returns its length, 0
// if it does not end.
func fnmatchClass(p string, bytewise bool) (atom, int) {
	a, i := atom{kind: atomClass}, 1
	if i < len(p) && (p[i] == '!' || p[i] == '^') {
		a.not = true
		i++
	}
	for first := true; i < len(p); first = false {
		if p[i] == ']' && !first {
			return a, i + 1
		}
		if ranges, n, ok := namedClass(p[i:]); n > 0 {
			if !ok {
				a.kind = atomNever
			}
			a.ranges = append(a.ranges, ranges...)
			i += n
			continue
		}
		lo, n := classMember(p[i:], bytewise)
		i += n
		hi := lo
		if i+1 < len(p) && p[i] == '-' && p[i+1] != ']' {
			hi, n = classMember(p[i+1:], bytewise)
			i += 1 + n
		}
		a.ranges = append(a.ranges, charRange{lo, hi})
	}
	return a, 0
}

// classMember reads one character or byte, escaped or not.
func classMember(p string, bytewise bool) (rune, int) {
	escape := 0
	if p[0] == '\\' && len(p) > 1 {
		escape = 1
	}
	if bytewise {
		return rune(p[escape]), escape + 1
	}
	r, n := utf8.DecodeRuneInString(p[escape:])
	return r, escape + n
}

// namedClass reads [:name:], and [=c=] and [.c.] of one character. ok is false
// for a name that there is not.
func namedClass(p string) (ranges []charRange, n int, ok bool) {
	if len(p) < 4 || p[0] != '[' || strings.IndexByte(":=.", p[1]) < 0 {
		return nil, 0, false
	}
	end := strings.Index(p[2:], p[1:2]+"]")
	if end < 0 {
		return nil, 0, false
	}
	name := p[2 : 2+end]
	if p[1] == ':' {
		ranges, ok = posixClass(name)
	} else if r, size := utf8.DecodeRuneInString(name); size > 0 && size == len(name) {
		ranges, ok = []charRange{{r, r}}, true
	}
	return ranges, end + 4, ok
}
