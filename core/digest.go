package core

// Digest is the SHA-256 of a file's content. The zero value means "not known"
// and never equals a content.
type Digest [32]byte

const hexDigits = "0123456789abcdef"

// String returns 64 lower-case hexadecimal digits.
func (d Digest) String() string {
	b := make([]byte, 64)
	for i, v := range d {
		b[2*i], b[2*i+1] = hexDigits[v>>4], hexDigits[v&15]
	}
	return string(b)
}

// IsZero reports whether d is the zero value.
func (d Digest) IsZero() bool { return d == Digest{} }

// ParseDigest reads 64 lower-case hexadecimal digits.
func ParseDigest(s string) (Digest, bool) {
	var d Digest
	if len(s) != 64 {
		return d, false
	}
	for i := range d {
		hi, lo := unhex(s[2*i]), unhex(s[2*i+1])
		if hi > 15 || lo > 15 {
			return Digest{}, false
		}
		d[i] = hi<<4 | lo
	}
	return d, true
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
