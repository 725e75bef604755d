package main

import (
	"encoding/binary"
	"maps"
	"slices"
)

// A function of Go is entered at its beginning, where it was called from when the
// stack was unwound meanwhile, or where it returns after a panic. The dispatch
// also knows the beginnings of all other blocks, which nothing asks for after
// [function.directJumps].

// entries are the numbers of the blocks where functions may be entered, by the
// place of the function in the program.
type entries []map[int64]bool

// findEntries collects the addresses that the program's code holds, and those
// that its table of functions has for returning after a panic.
func (p *program) findEntries(t *pcln) entries {
	e := make(entries, t.functions)
	for i := range e {
		// Addresses of functions that are not compiled count from the second number.
		e[i] = map[int64]bool{0: true, 1: true, int64(t.word(t.record(i), funcReturn) & (1<<functionShift - 1)): true}
	}
	first := binary.LittleEndian.Uint64(t.memory[t.module+8*moduleFirst:])
	for _, f := range p.functions {
		for n, in := range f.code {
			if p.isLost(f.code[n:]) {
				continue
			}
			if i := uint64(in.x)>>functionShift - first>>functionShift; in.op == opConst64 && i < uint64(len(e)) {
				e[i][in.x&(1<<functionShift-1)] = true
			}
		}
	}
	return e
}

// prune leaves in the dispatch what it is asked for, and drops the blocks that
// nothing leaves. An innermost block comes to it, which the dispatch leaves for any
// other number: behind it the function traps, so that an entry which findEntries
// missed cannot run the wrong code.
func (f *function) prune(entries map[int64]bool) {
	d, ok := f.findDispatch()
	if !ok {
		return
	}
	// Some constants only look like an address in this function. A table that reached so far
	// would keep V8's compiler for seconds.
	maps.DeleteFunc(entries, func(k int64, _ bool) bool { return k >= int64(len(d.targets)) })
	used := d.usedLevels(f.code, entries)
	before := make([]int, d.levels+2) // how many of the levels before each are used
	for i, u := range used {
		before[i+1] = before[i]
		if u {
			before[i+1]++
		}
	}
	out := slices.Clone(f.code[:d.head])
	for i := d.levels - 1; i >= 0; i-- {
		if used[i] {
			out = append(out, f.code[d.table-2-i])
		}
	}
	out = append(out, instr{op: opBlock, x: typeVoid})
	at := place{}
	for i := d.table - 1; i < len(f.code); i++ {
		switch in := f.code[i]; {
		case i == d.table:
			out = append(out, instr{op: opBrTable, targets: d.renumber(entries, before)}, instr{op: opEnd}, instr{op: opUnreachable})
		case in.op == opBr || in.op == opBrIf:
			if level := at.level(in); level >= 0 {
				in.x = int64(at.depth + before[level] - before[at.ended])
			}
			out = append(out, in)
		case !at.pass(in) || at.ended > d.levels || used[at.ended-1]:
			out = append(out, in)
		}
	}
	f.code = out
}

// usedLevels tells which levels anything goes to; entries gets the numbers of jumps that still
// go through the dispatch.
func (d dispatch) usedLevels(code []instr, entries map[int64]bool) []bool {
	used := make([]bool, d.levels+1) // and the function itself
	used[d.levels] = true
	at := place{ended: 1}
	for i := d.table + 2; i < len(code); i++ {
		if in := code[i]; in.op == opBr || in.op == opBrIf {
			if _, jump := d.isJump(code[:i], in, at); jump {
				entries[code[i-2].x] = true
			}
			if level := at.level(in); level >= 0 {
				used[level] = true
			}
		}
		at.pass(code[i])
	}
	for k := range entries {
		used[d.target(k)] = true
	}
	return used
}

// renumber makes the table of branches anew, to the blocks behind the trap. Its last branch, which stands for all
// that it lacks, goes to the trap as do the numbers that nothing asks for.
func (d dispatch) renumber(entries map[int64]bool, before []int) []uint64 {
	var targets []uint64
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		for int64(len(targets)) < k {
			targets = append(targets, 0)
		}
		targets = append(targets, uint64(before[d.target(k)])+1)
	}
	return append(targets, 0)
}
