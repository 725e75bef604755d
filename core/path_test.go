package core

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPathOrderPutsASubtreeBehindItsDirectory(t *testing.T) {
	want := []string{"a", "a/b", "a/b/c", "a/z", "a\x01", "a-b", "a.b", "ab", "é", "\U0001F600"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, ComparePaths)
	require.Equal(t, want, got)
}

func TestValidatePath(t *testing.T) {
	for _, p := range []string{"a", "a/b", "...", "..a", "a b", "-", "*", "a\nb", `a\b`, "é", strings.Repeat("d/", 2047) + "f"} {
		require.NoError(t, ValidatePath(p), "%q", p)
	}
	for _, p := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/..", "../a", "a\x00", "\xff", "a/\xc3", strings.Repeat("d/", 2048) + "f"} {
		require.ErrorIs(t, ValidatePath(p), CodeInvalidPath, "%q", p)
	}
}

// Promise S8: what a person sees holds no control character, and two names
// never look the same because of the escaping.
func TestS8DisplayEscapesControlCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"plain/name.txt":  "plain/name.txt",
		"a\x1b[2Jb":       `a\x1b[2Jb`,
		"line\nbreak":     `line\x0abreak`,
		"bad\xffutf8":     `bad\xffutf8`,
		`back\slash`:      `back\\slash`,
		"rtl\u202etxt":    `rtl\u{202e}txt`,
		"c1\u009bx":       `c1\u{9b}x`,
		"zero\u200bwidth": `zero\u{200b}width`,
		"é😀":              "é😀",
		"\\x0a":           `\\x0a`,
		"del\x7f":         `del\x7f`,
	} {
		require.Equal(t, want, DisplayPath(in), "%q", in)
	}
}
