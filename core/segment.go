package core

import (
	"strings"
	"unicode/utf8"
)

// segment matches one path segment, or any number of them where deep is set. It
// never sees a '/', so no wildcard can match one.
type segment struct {
	deep   bool // "**"
	atoms  []atom
	simple string // the literal text where there are no wildcards
	isText bool
}

type atomKind uint8

const (
	atomText atomKind = iota
	atomAny           // ?
	atomStar          // *
	atomClass
	atomNever // matches nothing: an unclosed class, a trailing backslash
)

type atom struct {
	kind   atomKind
	text   string
	ranges []charRange
	not    bool
}

type charRange struct{ lo, hi rune }

// match reports whether the whole of s matches. On a mismatch it goes back to
// the last star alone, so the time is at most len(s) × len(atoms). bytewise
// makes ? and classes match one byte, as git does.
func (g *segment) match(s string, bytewise bool) bool {
	if g.isText {
		return s == g.simple
	}
	a, i := 0, 0
	star, from := -1, 0
	for {
		switch {
		case a < len(g.atoms) && g.atoms[a].kind == atomStar:
			star, from = a, i
			a++
			continue
		case a == len(g.atoms) && i == len(s):
			return true
		case a < len(g.atoms):
			if n := g.atoms[a].eat(s[i:], bytewise); n >= 0 {
				a, i = a+1, i+n
				continue
			}
		}
		if star < 0 || from >= len(s) {
			return false
		}
		from += width(s[from:], bytewise)
		a, i = star+1, from
	}
}

func width(s string, bytewise bool) int {
	if bytewise {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// eat returns how many bytes of s the atom matches, or -1.
func (a *atom) eat(s string, bytewise bool) int {
	if a.kind == atomText {
		if strings.HasPrefix(s, a.text) {
			return len(a.text)
		}
		return -1
	}
	if s == "" || a.kind == atomNever {
		return -1
	}
	r, n := rune(s[0]), 1
	if !bytewise {
		r, n = utf8.DecodeRuneInString(s)
	}
	if a.kind == atomAny {
		return n
	}
	for _, c := range a.ranges {
		if c.lo <= r && r <= c.hi {
			if a.not {
				return -1
			}
			return n
		}
	}
	if a.not {
		return n
	}
	return -1
}

// compileSegment compiles what git and fnmatch read alike: stars, question marks and escapes. class
// reads the class that a text begins with, and returns its length in bytes. A backslash at the end
// matches nothing.
func compileSegment(p string, class func(string) (atom, int)) segment {
	var g segment
	for i := 0; i < len(p); {
		switch c := p[i]; c {
		case '*':
			g.addStar()
			i++
		case '?':
			g.atoms = append(g.atoms, atom{kind: atomAny})
			i++
		case '[':
			a, n := class(p[i:])
			g.add(a)
			i += n
		case '\\':
			if i+1 == len(p) {
				g.add(atom{kind: atomNever})
				return g
			}
			g.addText(p[i+1 : i+2])
			i += 2
		default:
			g.addText(p[i : i+1])
			i++
		}
	}
	return g
}

// add appends an atom, a literal joined to one before.
func (g *segment) add(a atom) {
	if a.kind == atomText {
		g.addText(a.text)
		return
	}
	g.atoms = append(g.atoms, a)
}

// addText appends a literal, joining it to one before.
func (g *segment) addText(s string) {
	if n := len(g.atoms); n > 0 && g.atoms[n-1].kind == atomText {
		g.atoms[n-1].text += s
		return
	}
	g.atoms = append(g.atoms, atom{kind: atomText, text: s})
}

// addStar appends a star, unless one stands there already.
func (g *segment) addStar() {
	if n := len(g.atoms); n == 0 || g.atoms[n-1].kind != atomStar {
		g.atoms = append(g.atoms, atom{kind: atomStar})
	}
}

// settle notes where a segment is a plain literal.
func (g *segment) settle() {
	switch {
	case len(g.atoms) == 0:
		g.isText = true
	case len(g.atoms) == 1 && g.atoms[0].kind == atomText:
		g.isText, g.simple = true, g.atoms[0].text
	}
}

// suffix returns the text behind a single leading star, such as ".log".
func (g *segment) suffix() (string, bool) {
	if len(g.atoms) == 2 && g.atoms[0].kind == atomStar && g.atoms[1].kind == atomText {
		return g.atoms[1].text, true
	}
	return "", false
}

// matchSegments matches a path against segments, going back to the last "**"
// alone. lastDeep is how many segments a trailing "**" needs at least.
func matchSegments(pattern []segment, path string, bytewise bool, lastDeep int) bool {
	type mark struct {
		p    int
		rest string
	}
	p, rest, done := 0, path, false
	deep := mark{p: -1}
	for {
		switch {
		case p < len(pattern) && pattern[p].deep:
			if p == len(pattern)-1 {
				return lastDeep == 0 || !done
			}
			deep = mark{p, rest}
			if done {
				deep.p = -1
			}
			p++
			continue
		case p == len(pattern) && done:
			return true
		case p < len(pattern) && !done:
			seg, tail, more := strings.Cut(rest, "/")
			if pattern[p].match(seg, bytewise) {
				p, rest, done = p+1, tail, !more
				continue
			}
		}
		if deep.p < 0 {
			return false
		}
		_, tail, more := strings.Cut(deep.rest, "/")
		if !more {
			return false
		}
		deep.rest = tail
		p, rest, done = deep.p+1, tail, false
	}
}
