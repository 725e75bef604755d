package merge

// The bounds keep hostile texts cheap. One search for a middle point looks
// maxDiffCost edits ahead and then takes the best point so far; once all
// searches have taken maxDiffWork steps, they look lowDiffCost edits ahead. The
// result is still a correct difference, only not the shortest one.
const (
	maxDiffCost = 256
	lowDiffCost = 24
	maxDiffWork = 1 << 24
)

// myers finds a shortest difference in linear space: E. W. Myers, "An O(ND)
// Difference Algorithm and Its Variations", 1986, section 4b.
type myers struct {
	a, b         []int32
	goneA, goneB []bool // the result: line deleted from a, inserted in b
	// fwd and bwd hold, for each diagonal x-y of the box under search, the
	// furthest x reached from the top left and from the bottom right.
	fwd, bwd []int32
	work     int // steps taken
}

func newMyers(a, b []int32) *myers {
	diagonals := len(a) + len(b) + 3
	return &myers{a: a, b: b, goneA: make([]bool, len(a)), goneB: make([]bool, len(b)),
		fwd: make([]int32, diagonals), bwd: make([]int32, diagonals)}
}

// compare marks the changes between a[a0:a1] and b[b0:b1].
func (m *myers) compare(a0, a1, b0, b1 int) {
	for {
		n := commonPrefix(m.a[a0:a1], m.b[b0:b1])
		a0, b0 = a0+n, b0+n
		n = commonSuffix(m.a[a0:a1], m.b[b0:b1])
		a1, b1 = a1-n, b1-n
		if a0 == a1 || b0 == b1 {
			markAll(m.goneA[a0:a1])
			markAll(m.goneB[b0:b1])
			return
		}
		x, y := m.split(m.a[a0:a1], m.b[b0:b1])
		m.compare(a0, a0+x, b0, b0+y)
		a0, b0 = a0+x, b0+y
	}
}

func markAll(s []bool) {
	for i := range s {
		s[i] = true
	}
}

// split returns a point of a shortest path through the box of a and b, or, at
// the bound of the cost, of a good one. It is never a corner that would leave
// the box as it is: a and b are not empty, and their first lines differ, as do
// their last ones, so at least two edits lie ahead.
func (m *myers) split(a, b []int32) (x, y int) {
	n, l := len(a), len(b)
	delta, odd := n-l, (n-l)&1 != 0
	off := l + 1
	m.fwd[off], m.bwd[off+delta] = 0, int32(n)
	limit := maxDiffCost
	if m.work > maxDiffWork {
		limit = lowDiffCost
	}
	for d := 1; d <= limit; d++ {
		m.work += 2 * d
		lo, hi := span(d, n, l)
		m.open(off, lo, hi, d, -1, m.fwd)
		for k := lo; k <= hi; k += 2 {
			x := m.forward(a, b, off, k)
			if odd && x >= 0 && abs(k-delta) < d && x >= int(m.bwd[off+k]) {
				return x, x - k
			}
		}
		lo, hi = span(d, l, n)
		m.open(off+delta, lo, hi, d, int32(n+1), m.bwd)
		for k := delta + lo; k <= delta+hi; k += 2 {
			x := m.backward(a, b, off, k)
			if !odd && x <= n && abs(k) <= d && x <= int(m.fwd[off+k]) {
				return x, x - k
			}
		}
	}
	return m.best(n, l, off, limit)
}

// span returns the diagonals, relative to the start, that d edits reach inside
// a box which extends right and down by the given number of lines.
func span(d, right, down int) (lo, hi int) {
	return -(d - 2*max(0, d-down)), d - 2*max(0, d-right)
}

// open marks the diagonals that a span meets first, at its ends and just
// outside, as not reached: earlier searches may have left values there.
func (m *myers) open(off, lo, hi, d int, none int32, v []int32) {
	if lo == -d {
		v[off+lo-1], v[off+lo] = none, none
	}
	if hi == d {
		v[off+hi+1], v[off+hi] = none, none
	}
}

// forward takes one more edit towards diagonal k and returns the furthest x
// reached on it, -1 where the box ends before.
func (m *myers) forward(a, b []int32, off, k int) int {
	x := int(m.fwd[off+k])
	if v := int(m.fwd[off+k-1]); v >= x && v >= 0 && v < len(a) {
		x = v + 1
	}
	if v := int(m.fwd[off+k+1]); v > x && v-k <= len(b) {
		x = v
	}
	if x >= 0 {
		for y := x - k; x < len(a) && y < len(b) && a[x] == b[y]; y++ {
			x++
		}
	}
	m.fwd[off+k] = int32(x)
	return x
}

// backward is forward from the other end; len(a)+1 where the box ends before.
func (m *myers) backward(a, b []int32, off, k int) int {
	none := len(a) + 1
	x := int(m.bwd[off+k])
	if v := int(m.bwd[off+k+1]); v <= x && v > 0 && v < none {
		x = v - 1
	}
	if v := int(m.bwd[off+k-1]); v < x && v-k >= 0 {
		x = v
	}
	if x < none {
		for y := x - k; x > 0 && y > 0 && a[x-1] == b[y-1]; y-- {
			x--
		}
	}
	m.bwd[off+k] = int32(x)
	return x
}

// best returns the point that covers most of the box after d edits from either
// end.
func (m *myers) best(n, l, off, d int) (x, y int) {
	covered := -1
	delta := n - l
	lo, hi := span(d, n, l)
	for k := lo; k <= hi; k += 2 {
		if v := int(m.fwd[off+k]); v >= 0 && 2*v-k > covered {
			x, y, covered = v, v-k, 2*v-k
		}
	}
	lo, hi = span(d, l, n)
	for k := delta + lo; k <= delta+hi; k += 2 {
		if v := int(m.bwd[off+k]); v <= n && n+l-(2*v-k) > covered {
			x, y, covered = v, v-k, n+l-(2*v-k)
		}
	}
	return x, y
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
