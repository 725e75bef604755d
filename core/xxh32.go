package core

import (
	"encoding/binary"
	"math/bits"
)

// xxh32 is XXH32 with seed 0, the checksum of the binary form. It finds damage,
// not forgery. Of the common checksums it is the fastest that needs neither a
// table nor 64-bit multiplication, which JavaScript lacks.
func xxh32(data []byte) uint32 {
	const p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	length := uint32(len(data))
	h := uint32(p5)
	if len(data) >= 16 {
		// The sums wrap, which constants may not.
		a, b, c, d := uint32(p1), uint32(p2), uint32(0), uint32(0)
		a, d = a+p2, d-p1
		for len(data) >= 16 {
			w := (*[16]byte)(data)
			a = bits.RotateLeft32(a+binary.LittleEndian.Uint32(w[:4])*p2, 13) * p1
			b = bits.RotateLeft32(b+binary.LittleEndian.Uint32(w[4:8])*p2, 13) * p1
			c = bits.RotateLeft32(c+binary.LittleEndian.Uint32(w[8:12])*p2, 13) * p1
			d = bits.RotateLeft32(d+binary.LittleEndian.Uint32(w[12:])*p2, 13) * p1
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
