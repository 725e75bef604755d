package core

import "encoding/binary"

const (
	// fletcherModulus is the largest prime below 2^32. Modulo 2^32-1, which is also
	// usual, a word of zeros and one of ones would be the same.
	fletcherModulus = 1<<32 - 5
	// fletcherWords is after how many words the sums are reduced, before which they
	// stay below 2^62.
	fletcherWords = 1 << 15
)

// fletcher64 is Fletcher's checksum of 32-bit words: their sum in the low half,
// the sum of all sums on the way in the high one. It finds damage, not forgery.
// Bytes behind the last whole word do not count.
func fletcher64(data []byte) uint64 {
	a, b := uint64(0), uint64(0)
	for len(data) > 0 {
		part := data[:min(len(data), 4*fletcherWords)]
		data = data[len(part):]
		i := 0
		for ; i+32 <= len(part); i += 32 {
			w := (*[32]byte)(part[i : i+32])
			s1 := uint64(binary.LittleEndian.Uint32(w[:4]))
			s2 := s1 + uint64(binary.LittleEndian.Uint32(w[4:8]))
			s3 := s2 + uint64(binary.LittleEndian.Uint32(w[8:12]))
			s4 := s3 + uint64(binary.LittleEndian.Uint32(w[12:16]))
			s5 := s4 + uint64(binary.LittleEndian.Uint32(w[16:20]))
			s6 := s5 + uint64(binary.LittleEndian.Uint32(w[20:24]))
			s7 := s6 + uint64(binary.LittleEndian.Uint32(w[24:28]))
			s8 := s7 + uint64(binary.LittleEndian.Uint32(w[28:]))
			b += 8*a + (s1 + s2) + (s3 + s4) + (s5 + s6) + (s7 + s8)
			a += s8
		}
		for ; i+4 <= len(part); i += 4 {
			a += uint64(binary.LittleEndian.Uint32(part[i:]))
			b += a
		}
		a, b = a%fletcherModulus, b%fletcherModulus
	}
	return b<<32 | a
}
