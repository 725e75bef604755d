package core

// Sort sorts list so that compare is at most 0 for neighbours. It is stable.
//
// The sorts of package slices are compiled anew for each type of element, 20 kB
// of the WebAssembly module each; here only the moving of elements is.
func Sort[T any](list []T, compare func(a, b T) int) {
	order := sortedOrder(len(list), func(i, j int) int { return compare(list[i], list[j]) })
	if order == nil {
		return
	}
	old := append([]T(nil), list...)
	for i, from := range order {
		list[i] = old[from]
	}
}

// sortedOrder returns the indexes of n elements in their order; nil where they
// are in order already, as most lists here are.
func sortedOrder(n int, compare func(i, j int) int) []int {
	sorted := true
	for i := 1; i < n && sorted; i++ {
		sorted = compare(i-1, i) <= 0
	}
	if sorted {
		return nil
	}
	from, to := make([]int, n), make([]int, n)
	for i := range from {
		from[i] = i
	}
	for width := 1; width < n; width *= 2 {
		for start := 0; start < n; start += 2 * width {
			mid, end := min(start+width, n), min(start+2*width, n)
			mergeRuns(to[start:end], from[start:mid], from[mid:end], compare)
		}
		from, to = to, from
	}
	return from
}

func mergeRuns(out, a, b []int, compare func(i, j int) int) {
	for k := range out {
		if len(b) == 0 || len(a) > 0 && compare(a[0], b[0]) <= 0 {
			out[k], a = a[0], a[1:]
		} else {
			out[k], b = b[0], b[1:]
		}
	}
}
