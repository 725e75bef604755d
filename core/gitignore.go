package core

import "strings"

// IgnoreFile is the content of one .gitignore.
type IgnoreFile struct {
	Dir  string // the directory that holds it; "" is the root
	Text string // the whole file
}

// ignoreRule is one line of a .gitignore with git's meaning.
type ignoreRule struct {
	segs     []segment
	negate   bool
	dirOnly  bool
	anchored bool
}

// parseIgnore reads the lines of a .gitignore. No line is an error, as in git.
func parseIgnore(text string) []ignoreRule {
	var rules []ignoreRule
	for _, l := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if r, ok := parseIgnoreLine(strings.TrimSuffix(l, "\r")); ok {
			rules = append(rules, r)
		}
	}
	return rules
}

func parseIgnoreLine(l string) (ignoreRule, bool) {
	var r ignoreRule
	if strings.HasPrefix(l, "#") || strings.IndexByte(l, 0) >= 0 {
		return r, false
	}
	l = trimSpaces(l)
	if strings.HasPrefix(l, "!") {
		r.negate, l = true, l[1:]
	}
	if strings.HasSuffix(l, "/") {
		r.dirOnly, l = true, l[:len(l)-1]
	}
	if l == "" {
		return r, false
	}
	r.anchored = strings.Contains(l, "/")
	l = strings.TrimPrefix(l, "/")
	for {
		end := ignoreSlash(l)
		seg := l
		if end >= 0 {
			seg = l[:end]
		}
		s := ignoreSegment(seg)
		// Without a slash the pattern is a name, and "**" there is no more than "*".
		if s.deep && !r.anchored {
			s = segment{atoms: []atom{{kind: atomStar}}}
		}
		r.segs = append(r.segs, s)
		if end < 0 {
			return r, true
		}
		l = l[end+1:]
	}
}

// trimSpaces drops trailing spaces that no backslash protects.
func trimSpaces(l string) string {
	end := 0
	for i := 0; i < len(l); i++ {
		switch {
		case l[i] == '\\' && i+1 < len(l):
			i++
			end = i + 1
		case l[i] != ' ':
			end = i + 1
		}
	}
	return l[:end]
}

// ignoreSlash finds the end of a segment: a '/' outside classes and escapes.
func ignoreSlash(l string) int {
	for i := 0; i < len(l); i++ {
		switch l[i] {
		case '/':
			return i
		case '\\':
			if i++; i < len(l) && l[i] == '/' {
				return i
			}
		case '[':
			if n := ignoreClassEnd(l[i:]); n > 0 {
				i += n - 1
			}
		}
	}
	return -1
}

// ignoreClassEnd returns the length of a class as git reads it: a ']' that
// comes first is a member, and [:name:] may stand inside.
func ignoreClassEnd(p string) int {
	i := 1
	if i < len(p) && (p[i] == '!' || p[i] == '^') {
		i++
	}
	for first := true; i < len(p); first = false {
		switch {
		case p[i] == ']' && !first:
			return i + 1
		case p[i] == '\\':
			i += 2
		case strings.HasPrefix(p[i:], "[:"):
			end := strings.Index(p[i+2:], ":]")
			if end < 0 || strings.IndexByte(p[i+2:i+2+end], ']') >= 0 {
				i++
				continue
			}
			i += end + 4
		default:
			i++
		}
	}
	return 0
}

func ignoreSegment(text string) segment {
	if len(text) >= 2 && strings.Trim(text, "*") == "" {
		return segment{deep: true}
	}
	g := compileSegment(text, func(p string) (atom, int) {
		n := ignoreClassEnd(p)
		if n == 0 {
			return atom{kind: atomNever}, len(p)
		}
		return ignoreClass(p[1 : n-1]), n
	})
	g.settle()
	return g
}

// ignoreClass compiles the inside of a class, byte by byte as git does.
func ignoreClass(s string) atom {
	a := atom{kind: atomClass}
	if s[0] == '!' || s[0] == '^' {
		a.not, s = true, s[1:]
	}
	prev := rune(-1) // the last single byte, which a '-' may make the low end of a range
	for i := 0; i < len(s); {
		c := rune(s[i])
		switch {
		case c == '-' && prev >= 0 && i+1 < len(s):
			i++
			if s[i] == '\\' && i+1 < len(s) {
				i++
			}
			a.ranges = append(a.ranges, charRange{prev, rune(s[i])})
			prev = -1
			i++
			continue
		case c == '\\' && i+1 < len(s):
			i++
			c = rune(s[i])
		case strings.HasPrefix(s[i:], "[:"):
			if end := strings.Index(s[i+2:], ":]"); end >= 0 {
				ranges, ok := posixClass(s[i+2 : i+2+end])
				if !ok {
					return atom{kind: atomNever}
				}
				a.ranges, prev = append(a.ranges, ranges...), -1
				i += end + 4
				continue
			}
		}
		a.ranges, prev = append(a.ranges, charRange{c, c}), c
		i++
	}
	return a
}

// posixClass returns the ASCII members of a named class.
func posixClass(name string) ([]charRange, bool) {
	switch name {
	case "alnum":
		return []charRange{{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}, true
	case "alpha":
		return []charRange{{'A', 'Z'}, {'a', 'z'}}, true
	case "blank":
		return []charRange{{' ', ' '}, {'\t', '\t'}}, true
	case "cntrl":
		return []charRange{{0, 31}, {127, 127}}, true
	case "digit":
		return []charRange{{'0', '9'}}, true
	case "graph":
		return []charRange{{33, 126}}, true
	case "lower":
		return []charRange{{'a', 'z'}}, true
	case "print":
		return []charRange{{32, 126}}, true
	case "punct":
		return []charRange{{33, 47}, {58, 64}, {91, 96}, {123, 126}}, true
	case "space":
		return []charRange{{9, 13}, {' ', ' '}}, true
	case "upper":
		return []charRange{{'A', 'Z'}}, true
	case "xdigit":
		return []charRange{{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, true
	}
	return nil, false
}

// match reports whether the rule speaks of path, given below the rule's file.
func (r *ignoreRule) match(path string, dir bool) bool {
	if r.dirOnly && !dir {
		return false
	}
	if !r.anchored {
		return r.segs[0].match(Name(path), true)
	}
	return matchSegments(r.segs, path, true, 1)
}
