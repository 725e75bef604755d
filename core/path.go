package core

import (
	"strings"
	"unicode/utf8"
)

// MaxPath is the longest path that travels, in bytes. It is the limit that the
// tools in a sandbox have on Linux; a host reports a longer one as a problem.
const MaxPath = 4095

// RuntimeDir is the folder at the root of both trees that belongs to syncplan.
// It is excluded in both, always.
const RuntimeDir = ".paperclip-runtime"

// ValidatePath returns nil if p is a path that may travel: relative,
// "/"-separated, valid UTF-8, at most [MaxPath] bytes, without NUL and without
// empty, "." or ".." segments. Otherwise it returns an *[Error] of
// [CodeInvalidPath].
func ValidatePath(p string) error {
	if why := pathFault(p); why != "" {
		return &Error{Code: CodeInvalidPath, Path: p, Message: why}
	}
	return nil
}

func pathFault(p string) string {
	switch {
	case p == "":
		return "path is empty"
	case len(p) > MaxPath:
		return "path is longer than " + itoa(MaxPath) + " bytes"
	}
	// A segment fault can only sit beside a '/', and NUL and non-ASCII bytes are
	// seen in the same pass, so a plain path costs one comparison a byte.
	ascii, start := true, 0
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '/':
			if why := segmentFault(p[start:i]); why != "" {
				return why
			}
			start = i + 1
		case c == 0:
			return "path holds a NUL byte"
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if why := segmentFault(p[start:]); why != "" {
		if start == 0 || start < len(p) {
			return why
		}
		return "path ends in a slash"
	}
	if !ascii && !utf8.ValidString(p) {
		return "path is not valid UTF-8"
	}
	return ""
}

func segmentFault(s string) string {
	switch {
	case len(s) == 0:
		return "path is absolute or has an empty segment"
	case s == ".":
		return "path has a \".\" segment"
	case s == "..":
		return "path has a \"..\" segment"
	}
	return ""
}

// ComparePaths orders paths bytewise with "/" below every other byte, so that
// a directory is followed by its whole subtree. It returns -1, 0 or 1.
func ComparePaths(a, b string) int { return comparePaths(a, b) }

func comparePaths[A, B string | []byte](a A, b B) int {
	n := min(len(a), len(b))
	for i := 0; i < n; i++ {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		case a[i] < b[i]:
			return -1
		}
		return 1
	}
	switch {
	case len(a) < len(b):
		return -1
	case len(a) > len(b):
		return 1
	}
	return 0
}

// Under reports whether p lies below dir. Every path lies below the root, "".
func Under(p, dir string) bool {
	if dir == "" {
		return p != ""
	}
	return len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == dir
}

// Parent returns the directory that holds p, "" for a name at the root.
func Parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

// Name returns the last segment of p.
func Name(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// Join returns name below dir, or name itself where dir is the root, "".
func Join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// DisplayPath returns p as a person may safely see it: control characters,
// bidirectional and invisible formatting characters and bytes that are not
// UTF-8 become \xNN or \u{N}, a backslash is doubled (promise S8). Distinct
// names stay distinct.
func DisplayPath(p string) string {
	plain := true
	for i := 0; i < len(p) && plain; i++ {
		plain = p[i] >= 0x20 && p[i] < 0x7f && p[i] != '\\'
	}
	if plain {
		return p
	}
	b := make([]byte, 0, len(p)+16)
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRuneInString(p[i:])
		switch {
		case r == '\\':
			b = append(b, '\\', '\\')
		case r == utf8.RuneError && n == 1, r < 0x20, r == 0x7f:
			b = append(b, '\\', 'x', hexDigits[p[i]>>4], hexDigits[p[i]&15])
		case invisible(r):
			b = append(b, '\\', 'u', '{')
			for shift := 20; shift >= 0; shift -= 4 {
				if d := r >> shift; d > 0 {
					b = append(b, hexDigits[d&15])
				}
			}
			b = append(b, '}')
		default:
			b = append(b, p[i:i+n]...)
		}
		i += n
	}
	return string(b)
}

// DisplayText returns a text for people as [DisplayPath] does a name, but leaves its
// backslashes: names in it are escaped already.
func DisplayText(s string) string {
	parts := strings.Split(s, `\`)
	for i := range parts {
		parts[i] = DisplayPath(parts[i])
	}
	return strings.Join(parts, `\`)
}

// invisible holds for C1 controls and for characters that reorder or hide text
// on a terminal.
func invisible(r rune) bool {
	return 0x80 <= r && r < 0xa0 || r == 0xad || r == 0x61c || r == 0x180e || 0x200b <= r && r <= 0x200f ||
		0x2028 <= r && r <= 0x202e || 0x2060 <= r && r <= 0x206f || r == 0xfeff || 0xfff9 <= r && r <= 0xfffb ||
		0xe0000 <= r && r <= 0xe007f
}
