package merge

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/paperclipai/syncplan/core"
)

//go:generate go run ../../internal/genfold fold_tables.go

// FoldKey returns a key under which the names (or whole paths) that a file
// system takes for one are equal: with foldCase those that differ in case alone
// (Unicode's full case folding, without the Turkish exceptions), with normalize
// those that are canonically equivalent. Bytes that are not UTF-8 stay as they
// are. A name that is its own key costs no allocation where it is ASCII.
func FoldKey(name string, foldCase, normalize bool) string {
	if ascii, upper := scan(name); ascii {
		if foldCase && upper {
			return strings.ToLower(name)
		}
		return name
	}
	// Folding can bring forth decomposable characters and the other way round
	// (Unicode, definition D145), so normalisation comes before and after.
	if normalize {
		name = decompose(name)
	}
	if foldCase {
		name = fold(name)
		if normalize {
			name = decompose(name)
		}
	}
	return name
}

// scan reports whether s is ASCII, and whether it holds an ASCII capital.
func scan(s string) (ascii, upper bool) {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false, false
		}
		upper = upper || 'A' <= s[i] && s[i] <= 'Z'
	}
	return true, upper
}

// fold returns the full case folding of s.
func fold(s string) string {
	out := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if to, ok := lookup(foldedFullKeys[:], foldedFullTexts, r); ok {
			out = append(out, to...)
		} else if to := foldSimple(r); to != r {
			out = utf8.AppendRune(out, to)
		} else {
			out = append(out, s[i:i+n]...)
		}
		i += n
	}
	return string(out)
}

func foldSimple(r rune) rune {
	lo, hi := 0, len(foldedSimple)
	for lo < hi {
		mid := (lo + hi) / 2
		switch f := &foldedSimple[mid]; {
		case r < rune(f.lo):
			hi = mid
		case r > rune(f.hi):
			lo = mid + 1
		case (r-rune(f.lo))%f.step == 0:
			return r + f.delta
		default:
			return r
		}
	}
	return r
}

// lookup finds the text of r in a generated map.
func lookup(keys []uint32, texts string, r rune) (string, bool) {
	if r >= 1<<18 {
		return "", false
	}
	i, _ := slices.BinarySearch(keys, uint32(r)<<14) // whether it is found is compared below
	if i == len(keys) || keys[i]>>14 != uint32(r) {
		return "", false
	}
	start, end := keys[i]&(1<<14-1), uint32(len(texts))
	if i+1 < len(keys) {
		end = keys[i+1] & (1<<14 - 1)
	}
	return texts[start:end], true
}

// decompose returns the canonical decomposition of s (NFD).
func decompose(s string) string {
	out := make([]byte, 0, len(s)+8)
	var marks []mark // combining marks not written yet
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		text, ok := lookup(decomposedKeys[:], decomposedTexts, r)
		switch {
		case ok:
		case hangulFirst <= r && r < hangulFirst+hangulCount:
			text = hangul(r)
		default:
			text = s[i : i+n]
		}
		for j := 0; j < len(text); {
			r, n := utf8.DecodeRuneInString(text[j:])
			c := combiningClass(r)
			if c == 0 {
				out, marks = flush(out, marks), marks[:0]
				out = append(out, text[j:j+n]...)
			} else {
				marks = append(marks, mark{text[j : j+n], c})
			}
			j += n
		}
		i += n
	}
	return string(flush(out, marks))
}

// mark is a combining mark and its class.
type mark struct {
	text  string
	class uint8
}

// flush appends marks in canonical order: by class, equal ones as they came.
func flush(out []byte, marks []mark) []byte {
	core.Sort(marks, func(a, b mark) int { return int(a.class) - int(b.class) })
	for _, m := range marks {
		out = append(out, m.text...)
	}
	return out
}

func combiningClass(r rune) uint8 {
	if r < 0x300 || r >= 1<<17 {
		return 0
	}
	// The last range that begins at or before r.
	i, _ := slices.BinarySearch(combiningClasses[:], uint32(r+1)<<15) // found or not, the one before it is meant
	if i == 0 {
		return 0
	}
	w := combiningClasses[i-1]
	if uint32(r)-w>>15 > w>>8&127 {
		return 0
	}
	return uint8(w)
}

// Hangul syllables decompose by arithmetic (Unicode, section 3.12).
const (
	hangulFirst  = 0xac00
	hangulCount  = 11172
	hangulVowels = 21
	hangulTails  = 28
	leadFirst    = 0x1100
	vowelFirst   = 0x1161
	tailBefore   = 0x11a7
)

func hangul(r rune) string {
	i := r - hangulFirst
	b := utf8.AppendRune(nil, leadFirst+i/(hangulVowels*hangulTails))
	b = utf8.AppendRune(b, vowelFirst+i/hangulTails%hangulVowels)
	if t := i % hangulTails; t > 0 {
		b = utf8.AppendRune(b, tailBefore+t)
	}
	return string(b)
}
