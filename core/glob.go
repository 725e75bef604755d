package core

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// Bounds of a pattern list. They stop a hostile list, not a long one.
const (
	maxPatterns     = 10_000
	maxPattern      = 4096 // bytes
	maxAlternatives = 256  // that braces of one pattern expand to
)

// Glob is one compiled pattern of the exclude syntax:
//
//   - any characters of one segment
//     **       as a whole segment: any number of segments, none included
//     ?        one character
//     [a-z]    one character of a class; [!a-z] and [^a-z] negate it
//     {a,b}    alternatives
//     \c       c itself
//
// A pattern without a slash matches a name at any depth; one with a slash is
// anchored at the root. A leading "./" or "/" means nothing. A trailing slash
// matches directories alone.
type Glob struct {
	alternatives [][]segment
	anchored     bool
	dirOnly      bool
}

// CompileGlob compiles one pattern. The error has [CodeInvalidPattern] or
// [CodeLimit].
func CompileGlob(pattern string) (*Glob, error) {
	g := &Glob{}
	p, bad := pattern, func(why string) error {
		return &Error{Code: CodeInvalidPattern, Message: "pattern \"" + DisplayPath(pattern) + "\" " + why}
	}
	switch {
	case len(p) > maxPattern:
		return nil, &Error{Code: CodeLimit, Message: "pattern is longer than " + itoa(maxPattern) + " bytes"}
	case !utf8.ValidString(p):
		return nil, bad("is not valid UTF-8")
	case strings.IndexByte(p, 0) >= 0:
		return nil, bad("holds a NUL byte")
	case strings.Contains(strings.ReplaceAll(p, `\\`, ""), `\/`):
		return nil, bad("escapes a slash, which no name can hold")
	}
	g.anchored = strings.HasPrefix(p, "/") || strings.HasPrefix(p, "./")
	p = strings.TrimPrefix(strings.TrimPrefix(p, "."), "/")
	if !g.anchored {
		p = pattern
	}
	if t := strings.TrimSuffix(p, "/"); t != p && !strings.HasSuffix(t, `\`) {
		p, g.dirOnly = t, true
	}
	texts, why := expandBraces(p)
	if why != "" {
		return nil, bad(why)
	}
	for _, t := range texts {
		segs, why := globSegments(t)
		if why != "" {
			return nil, bad(why)
		}
		g.anchored = g.anchored || len(segs) > 1
		g.alternatives = append(g.alternatives, segs)
	}
	return g, nil
}

// Match reports whether the pattern matches path itself, or a directory above
// it: a match covers everything below.
func (g *Glob) Match(path string, dir bool) bool {
	for p := path; p != ""; p = Parent(p) {
		if g.matchOne(p, dir || len(p) < len(path)) {
			return true
		}
	}
	return false
}

// matchOne matches path itself.
func (g *Glob) matchOne(path string, dir bool) bool {
	if g.dirOnly && !dir {
		return false
	}
	if !g.anchored {
		path = Name(path)
	}
	for _, a := range g.alternatives {
		if matchSegments(a, path, false, 0) {
			return true
		}
	}
	return false
}

// literal returns the text of a pattern without wildcards.
func literal(segs []segment) (string, bool) {
	parts := make([]string, 0, len(segs))
	for i := range segs {
		if segs[i].deep || !segs[i].isText {
			return "", false
		}
		parts = append(parts, segs[i].simple)
	}
	return strings.Join(parts, "/"), true
}

// expandBraces writes out the alternatives of a pattern.
func expandBraces(p string) ([]string, string) {
	open := indexMeta(p, 0, '{')
	if open < 0 {
		if indexMeta(p, 0, '}') >= 0 {
			return nil, "has a '}' without a '{'"
		}
		return []string{p}, ""
	}
	var parts []string
	depth, start, end := 0, open+1, -1
	for i := open; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '[':
			if n := classEnd(p[i:]); n > 0 {
				i += n - 1
			}
		case '{':
			depth++
		case ',':
			if depth == 1 {
				parts, start = append(parts, p[start:i]), i+1
			}
		case '}':
			if depth--; depth == 0 {
				parts, end = append(parts, p[start:i]), i
			}
		}
		if end >= 0 {
			break
		}
	}
	if end < 0 {
		return nil, "has a '{' without a '}'"
	}
	var out []string
	for _, part := range parts {
		more, why := expandBraces(p[:open] + part + p[end+1:])
		if why != "" {
			return nil, why
		}
		if out = append(out, more...); len(out) > maxAlternatives {
			return nil, "expands to more than " + itoa(maxAlternatives) + " alternatives"
		}
	}
	return out, ""
}

// indexMeta finds c outside escapes and classes.
func indexMeta(p string, from int, c byte) int {
	for i := from; i < len(p); i++ {
		switch {
		case p[i] == c:
			return i
		case p[i] == '\\':
			i++
		case p[i] == '[':
			if n := classEnd(p[i:]); n > 0 {
				i += n - 1
			}
		}
	}
	return -1
}

// classEnd returns the length of the class that p begins with, 0 if it does
// not end.
func classEnd(p string) int {
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case ']':
			return i + 1
		}
	}
	return 0
}

func globSegments(p string) ([]segment, string) {
	var segs []segment
	for p != "" {
		end := indexMeta(p, 0, '/')
		text := p
		if end >= 0 {
			text, p = p[:end], p[end+1:]
			if p == "" {
				return nil, "has an empty segment"
			}
		} else {
			p = ""
		}
		seg, why := globSegment(text)
		if why != "" {
			return nil, why
		}
		segs = append(segs, seg)
	}
	if len(segs) == 0 {
		return nil, "is empty"
	}
	return segs, ""
}

func globSegment(text string) (segment, string) {
	switch text {
	case "":
		return segment{}, "has an empty segment"
	case ".", "..":
		return segment{}, "has a \".\" or \"..\" segment"
	case "**":
		return segment{deep: true}, ""
	}
	why := ""
	g := compileSegment(text, func(p string) (atom, int) {
		n := classEnd(p)
		if n == 0 {
			why = cmp.Or(why, "has a '[' without a ']'")
			return atom{kind: atomNever}, len(p)
		}
		a, bad := globClass(p[1 : n-1])
		why = cmp.Or(why, bad)
		return a, n
	})
	if n := len(g.atoms); why == "" && g.atoms[n-1].kind == atomNever {
		why = "ends in a backslash"
	}
	g.settle()
	return g, why
}

func globClass(s string) (atom, string) {
	a := atom{kind: atomClass}
	if s != "" && (s[0] == '!' || s[0] == '^') {
		a.not, s = true, s[1:]
	}
	if s == "" {
		return a, "has an empty class"
	}
	next := func() (rune, bool) {
		if s != "" && s[0] == '\\' {
			s = s[1:]
		}
		if s == "" {
			return 0, false
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		return r, true
	}
	for s != "" {
		if s[0] == '-' {
			return a, "has a class with a loose '-'"
		}
		lo, ok := next()
		hi := lo
		if ok && len(s) > 0 && s[0] == '-' {
			s = s[1:]
			if s == "" || s[0] == '-' {
				return a, "has a class with a loose '-'"
			}
			hi, ok = next()
		}
		if !ok {
			return a, "has a class that ends in a backslash"
		}
		if hi < lo {
			return a, "has a class with a range that runs backwards"
		}
		a.ranges = append(a.ranges, charRange{lo, hi})
	}
	return a, ""
}
