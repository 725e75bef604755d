package merge

import "bytes"

// Markers have at least minMark characters, as git's have. Beyond maxMark a
// text gets one conflict for the whole.
const (
	minMark = 7
	maxMark = 255
)

// marks says how conflicts are marked in one result.
type marks struct {
	labels Labels
	size   int    // characters of a marker
	eol    string // what ends its line
}

func newMarks(labels Labels, contents ...[]byte) marks {
	k := marks{labels: labels, size: minMark, eol: "\n"}
	crlf, lf := false, false
	for _, c := range contents {
		k.size = max(k.size, longestMark(c)+1)
		if i := bytes.IndexByte(c, '\n'); i > 0 && c[i-1] == '\r' {
			crlf = true
		} else if i >= 0 {
			lf = true
		}
	}
	if crlf && !lf {
		k.eol = "\r\n"
	}
	return k
}

// longestMark returns the length of the longest run of one marker character
// that begins a line of c.
func longestMark(c []byte) int {
	longest := 0
	for len(c) > 0 {
		n := 0
		if bytes.IndexByte([]byte("<|=>"), c[0]) >= 0 {
			for n < len(c) && c[n] == c[0] {
				n++
			}
		}
		longest = max(longest, n)
		i := bytes.IndexByte(c, '\n')
		if i < 0 {
			break
		}
		c = c[i+1:]
	}
	return longest
}
