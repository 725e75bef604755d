package merge

import (
	"math/rand/v2"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

func TestFoldKey(t *testing.T) {
	for _, c := range []struct {
		a, b           string
		fold, nfd, one bool
	}{
		{"README", "readme", true, false, true},
		{"README", "readme", false, true, false},
		{"README", "README", false, false, true},
		{"stra\u00dfe", "STRASSE", true, false, true},
		{"\u1e9e", "ss", true, false, true},
		{"\u017f", "S", true, false, true}, // long s
		{"\u212a", "k", true, false, true}, // Kelvin sign
		{"\u03a3", "\u03c2", true, false, true},
		{"\ufb03", "FFI", true, false, true},
		{"\u0130", "i", true, true, false}, // no Turkish rules
		{"\u00e9", "e\u0301", false, true, true},
		{"\u00e9", "e\u0301", true, false, false},
		{"\u00c9", "e\u0301", true, true, true},
		{"\u1ea4", "\u00c2\u0301", false, true, true},
		{"a\u0323\u0307", "a\u0307\u0323", false, true, true}, // marks of different classes commute
		{"a\u0301\u0300", "a\u0300\u0301", false, true, false},
		{"\uac01", "\u1100\u1161\u11a8", false, true, true},
		{"\u212b", "\u00e5", true, true, true},
		{"\u03b1\u0345", "\u0391\u03b9", true, true, true}, // the iota below
		{"\ufb01", "fi", false, true, false},               // a compatibility equivalent is another name
		{"a\xff", "a\xfe", true, true, false},
		{"\uff21", "A", true, true, false},
		{"\u13a0\u13f0", "\uab70\u13f8", true, false, true}, // Cherokee, whose small letters came later
		{"dir/\u00c4", "DIR/a\u0308", true, true, true},
	} {
		got := FoldKey(c.a, c.fold, c.nfd) == FoldKey(c.b, c.fold, c.nfd)
		require.Equal(t, c.one, got, "%+q and %+q, fold %v, normalize %v", c.a, c.b, c.fold, c.nfd)
	}
}

// The tables and the arithmetic agree with x/text for every code point, but for Cherokee,
// where its folding only exchanges small and capital letters.
func TestFoldKeyAgreesWithXTextOnEveryCodePoint(t *testing.T) {
	fold := cases.Fold()
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		s := string(r)
		if want, got := norm.NFD.String(s), FoldKey(s, false, true); want != got {
			require.Equal(t, want, got, "NFD of %U", r)
		}
		if want, got := fold.String(s), FoldKey(s, true, false); want != got && !unicode.Is(unicode.Cherokee, r) {
			require.Equal(t, want, got, "folding of %U", r)
		}
		if want, got := norm.NFD.PropertiesString(s).CCC(), combiningClass(r); want != got {
			require.Equal(t, want, got, "class of %U", r)
		}
	}
}

// Whatever Unicode takes for one letter has one key, which is its own.
func TestLettersThatDifferInCaseAloneHaveOneKey(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) || unicode.SimpleFold(r) == r {
			continue
		}
		key, other := FoldKey(string(r), true, false), FoldKey(string(unicode.SimpleFold(r)), true, false)
		if key != other || FoldKey(key, true, false) != key {
			require.Equal(t, key, other, "%U and %U", r, unicode.SimpleFold(r))
			require.Equal(t, key, FoldKey(key, true, false), "the key of %U", r)
		}
	}
}

func TestFoldKeyAgreesWithXTextOnText(t *testing.T) {
	alphabet := []rune("aAzZ.\u00c5\u00e9\u00df\u0130\u0131\u0301\u0300\u0323\u0307\u0345\u05b0\u0f71\u1ea4\u1fb7\u03b9\uac00\uac01\u1100\u1161\u11a8\ufb03\U0001d15f\U0001e921\u3099\u304b")
	rng := rand.New(rand.NewPCG(7, 8))
	fold := cases.Fold()
	for range 20000 {
		var s []rune
		for range rng.IntN(12) {
			s = append(s, alphabet[rng.IntN(len(alphabet))])
		}
		in := string(s)
		nfd := norm.NFD.String
		require.Equal(t, nfd(in), FoldKey(in, false, true), "%+q", in)
		require.Equal(t, fold.String(in), FoldKey(in, true, false), "%+q", in)
		both := FoldKey(in, true, true)
		require.Equal(t, nfd(fold.String(nfd(in))), both, "%+q", in)
		require.Equal(t, both, FoldKey(both, true, true), "a key is its own key: %+q", in)
	}
}

func TestFoldKeyOfPlainNamesDoesNotAllocate(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() { FoldKey("src/internal/file_name-1.go", true, true) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { FoldKey("src/Internal/README.md", false, true) }))
}

// The tables travel in the WebAssembly module, whose size has a budget.
func TestFoldTablesAreSmall(t *testing.T) {
	size := 4*(len(decomposedKeys)+len(foldedFullKeys)+len(combiningClasses)) + len(decomposedTexts) + len(foldedFullTexts) + 16*len(foldedSimple)
	require.Less(t, size, 25_000)
	t.Log(size, "bytes")
}

func FuzzFoldKey(f *testing.F) {
	f.Add("e\u0301\xff\u0323")
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range [][2]bool{{true, false}, {false, true}, {true, true}} {
			key := FoldKey(s, c[0], c[1])
			require.Equal(t, key, FoldKey(key, c[0], c[1]))
		}
	})
}
