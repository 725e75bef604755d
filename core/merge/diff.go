package merge

// hunk is one change: lines a0 to a1 of the old text became lines b0 to b1 of
// the new one. Two hunks of a list have at least one unchanged line between
// them.
type hunk struct{ a0, a1, b0, b1 int }

// diffLines returns the changes that turn a into b, in order. A line is a
// number below symbols; equal lines have equal numbers. The same input always
// gives the same hunks.
func diffLines(a, b []int32, symbols int) []hunk {
	head := commonPrefix(a, b)
	a, b = a[head:], b[head:]
	tail := commonSuffix(a, b)
	a, b = a[:len(a)-tail], b[:len(b)-tail]
	if len(a) == 0 && len(b) == 0 {
		return nil
	}
	goneA, goneB := changedLines(a, b, symbols)
	return slideDown(a, b, hunksOf(goneA, goneB), head, tail)
}

// changedLines reports for each line of a whether it is deleted, and for each
// line of b whether it is inserted. Lines that only one side has are changed
// whatever the rest looks like, so the search is spent on the others alone.
func changedLines(a, b []int32, symbols int) (goneA, goneB []bool) {
	keptA, atA := linesIn(a, b, symbols)
	keptB, atB := linesIn(b, a, symbols)
	goneA, goneB = allTrue(len(a)), allTrue(len(b))
	m := newMyers(keptA, keptB)
	m.compare(0, len(keptA), 0, len(keptB))
	for i, at := range atA {
		goneA[at] = m.goneA[i]
	}
	for i, at := range atB {
		goneB[at] = m.goneB[i]
	}
	return goneA, goneB
}

// linesIn returns the lines of a that occur in b, and where they stand in a.
func linesIn(a, b []int32, symbols int) (kept []int32, at []int) {
	in := make([]bool, symbols)
	for _, l := range b {
		in[l] = true
	}
	for i, l := range a {
		if in[l] {
			kept, at = append(kept, l), append(at, i)
		}
	}
	return kept, at
}

func allTrue(n int) []bool {
	s := make([]bool, n)
	for i := range s {
		s[i] = true
	}
	return s
}

// hunksOf turns marks on lines into hunks.
func hunksOf(goneA, goneB []bool) []hunk {
	var hunks []hunk
	i, j := 0, 0
	for i < len(goneA) || j < len(goneB) {
		h := hunk{a0: i, b0: j}
		for i < len(goneA) && goneA[i] {
			i++
		}
		for j < len(goneB) && goneB[j] {
			j++
		}
		if h.a1, h.b1 = i, j; h.a0 < i || h.b0 < j {
			hunks = append(hunks, h)
			continue
		}
		i, j = i+1, j+1
	}
	return hunks
}

// slideDown moves every pure insertion and pure deletion as far down as equal
// lines let it go, joining the hunks it meets, or back up where it completes a
// replacement, and puts back the head lines cut from the front. Where lines
// repeat, a change can be told in several ways; without one rule for both sides
// the same edit would look like two.
//
// The tail lines cut from the end are those behind a and b.
func slideDown(a, b []int32, hunks []hunk, head, tail int) []hunk {
	out := hunks[:0]
	fullA := a[:len(a)+tail]
	fullB := b[:len(b)+tail]
	for k := 0; k < len(hunks); k++ {
		h := hunks[k]
		for {
			if k+1 < len(hunks) && hunks[k+1].a0 == h.a1 {
				k++
				h.a1, h.b1 = hunks[k].a1, hunks[k].b1
			}
			if !canSlide(fullA, fullB, h) {
				break
			}
			h = hunk{h.a0 + 1, h.a1 + 1, h.b0 + 1, h.b1 + 1}
		}
		if n := len(out); n > 0 && canJoin(fullA, fullB, out[n-1], h) {
			gap := h.a0 - out[n-1].a1
			out[n-1].a1, out[n-1].b1 = h.a1-gap, h.b1-gap
			continue
		}
		out = append(out, h)
	}
	for i := range out {
		h := &out[i]
		h.a0, h.a1, h.b0, h.b1 = h.a0+head, h.a1+head, h.b0+head, h.b1+head
	}
	return out
}

// canSlide holds where h only inserts or only deletes, and its first line
// equals the unchanged line behind it.
func canSlide(a, b []int32, h hunk) bool {
	switch {
	case h.a0 == h.a1:
		return h.b1 < len(b) && b[h.b0] == b[h.b1]
	case h.b0 == h.b1:
		return h.a1 < len(a) && a[h.a0] == a[h.a1]
	}
	return false
}

// canJoin holds where h only inserts or only deletes, prev does not do just the
// same, and equal lines let h move up to prev.
func canJoin(a, b []int32, prev, h hunk) bool {
	gap := h.a0 - prev.a1
	switch {
	case h.a0 == h.a1 && prev.a0 < prev.a1:
		return equalLines(b[prev.b1:h.b0], b[h.b1-gap:h.b1])
	case h.b0 == h.b1 && prev.b0 < prev.b1:
		return equalLines(a[prev.a1:h.a0], a[h.a1-gap:h.a1])
	}
	return false
}

func equalLines(a, b []int32) bool { return commonPrefix(a, b) == len(a) }

func commonPrefix(a, b []int32) int {
	n := min(len(a), len(b))
	for i := 0; i < n; i++ {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func commonSuffix(a, b []int32) int {
	n := min(len(a), len(b))
	for i := 0; i < n; i++ {
		if a[len(a)-1-i] != b[len(b)-1-i] {
			return i
		}
	}
	return n
}
