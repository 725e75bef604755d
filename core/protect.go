package core

import "strings"

// IsGitName reports whether some file system takes this path segment for
// ".git": in another case, with trailing dots or spaces, with an NTFS stream
// behind it, as a DOS alias (git~1, GI7EBA~1), or with code points that a file
// system ignores. A name taken for .git by mistake costs a refusal; one that is
// missed lets a sandbox install hooks.
func IsGitName(segment string) bool {
	n := bareName(segment)
	return n == ".git" || isAlias(n, "git", "gi")
}

// Protected reports whether nothing from a sandbox may be written at path: a
// segment is a [IsGitName], or the first one is [RuntimeDir] as some file
// system spells it. A backslash counts as a separator too, as it does on
// Windows.
func Protected(path string) bool {
	if strings.IndexByte(path, '\\') >= 0 {
		path = strings.ReplaceAll(path, "\\", "/")
	}
	for first := true; ; first = false {
		segment, rest, more := strings.Cut(path, "/")
		if IsGitName(segment) || first && isRuntimeName(segment) {
			return true
		}
		if !more {
			return false
		}
		path = rest
	}
}

func isRuntimeName(segment string) bool {
	n := bareName(segment)
	return n == RuntimeDir || isAlias(n, "paperc", "pa")
}

// isAlias reports whether name is a DOS alias: stem~N, or the first two letters
// with four hexadecimal digits, which follows once four names share a stem.
func isAlias(name, stem, letters string) bool {
	head, number, ok := strings.Cut(name, "~")
	if !ok || len(number) != 1 || number[0] < '1' || number[0] > '9' {
		return false
	}
	if head == stem {
		return true
	}
	if len(head) != len(letters)+4 || head[:len(letters)] != letters {
		return false
	}
	for i := len(letters); i < len(head); i++ {
		if unhex(head[i]) > 15 {
			return false
		}
	}
	return true
}

// bareName strips from a segment what one file system or another does not look
// at: case, ignored code points, a stream, and trailing dots and spaces.
func bareName(segment string) string {
	if plainName(segment) {
		return segment
	}
	b := make([]byte, 0, len(segment))
	for _, r := range segment {
		switch {
		case ignorable(r):
		case 'A' <= r && r <= 'Z':
			b = append(b, byte(r)+'a'-'A')
		case r == 0x130 || r == 0x131:
			// Simple case mapping takes both the dotted I and the dotless i to I or i.
			b = append(b, 'i')
		default:
			b = append(b, string(r)...)
		}
	}
	s := string(b)
	if i := strings.IndexByte(s, ':'); i >= 0 {
		s = s[:i]
	}
	return strings.TrimRight(s, ". ")
}

// plainName holds for the names that bareName leaves as they are, without
// looking further: nearly all of them.
func plainName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 0x80 || c == ':' || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return s != "" && s[len(s)-1] != '.' && s[len(s)-1] != ' '
}

// ignorable holds for the code points that HFS+ drops from names, and for the
// other default ignorable ones, which ext4 and F2FS drop under case folding.
func ignorable(r rune) bool {
	switch {
	case r < 0xad:
		return false
	case r == 0xad, r == 0x34f, r == 0x61c, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x3164,
		r == 0xfeff, r == 0xffa0:
		return true
	case 0x180b <= r && r <= 0x180f, 0x200b <= r && r <= 0x200f, 0x202a <= r && r <= 0x202e,
		0x2060 <= r && r <= 0x206f, 0xfe00 <= r && r <= 0xfe0f, 0xfff0 <= r && r <= 0xfffb,
		0x1bca0 <= r && r <= 0x1bca3, 0x1d173 <= r && r <= 0x1d17a, 0xe0000 <= r && r <= 0xe0fff:
		return true
	}
	return false
}
