package core

import (
	"encoding/binary"
	"math/bits"
)

// The primes of XXH32.
const (
	p1 = 2654435761
	p2 = 2246822519
	p3 = 3266489917
	p4 = 668265263
	p5 = 374761393
)

// lane takes a word into one of the four sums.
func lane(sum uint32, word []byte) uint32 {
	return bits.RotateLeft32(sum+binary.LittleEndian.Uint32(word)*p2, 13) * p1
}

// xxh32 is XXH32 with seed 0, the checksum of the binary form. It finds damage,
// not forgery. Of the common checksums it is the fastest that needs neither a
// table nor 64-bit multiplication, which JavaScript lacks.
func xxh32(data []byte) uint32 {
	length := uint32(len(data))
	h := uint32(p5)
	if len(data) >= 16 {
		// The sums wrap, which constants may not.
		a, b, c, d := uint32(p1), uint32(p2), uint32(0), uint32(0)
		a, d = a+p2, d-p1
		for ; len(data) >= 32; data = data[32:] {
			w := (*[32]byte)(data)
			a, b = lane(a, w[:4]), lane(b, w[4:8])
			c, d = lane(c, w[8:12]), lane(d, w[12:16])
			a, b = lane(a, w[16:20]), lane(b, w[20:24])
			c, d = lane(c, w[24:28]), lane(d, w[28:])
		}
		if len(data) >= 16 {
			a, b = lane(a, data), lane(b, data[4:])
			c, d = lane(c, data[8:]), lane(d, data[12:])
			data = data[16:]
		}
		h = bits.RotateLeft32(a, 1) + bits.RotateLeft32(b, 7) + bits.RotateLeft32(c, 12) + bits.RotateLeft32(d, 18)
	}
	h += length
	for ; len(data) >= 4; data = data[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(data)*p3, 17) * p4
	}
	for _, v := range data {
		h = bits.RotateLeft32(h+uint32(v)*p5, 11) * p1
	}
	h = (h ^ h>>15) * p2
	h = (h ^ h>>13) * p3
	return h ^ h>>16
}
