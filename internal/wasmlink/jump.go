package main

import "slices"

// Go's compiler knows jumps between basic blocks, WebAssembly only leaves nested
// blocks. So Go puts all basic blocks of a function into a loop, which begins by
// dispatching on the number of a block, and every jump sets that number and starts
// the loop again:
//
//	block                           to leave where the stack is unwound
//	  loop
//	    block block … block
//	      local.get 0; br_table …   to the end of one of the blocks
//	    end                         here begins basic block 0,
//	    …
//	    end                         here 1, and so on
//	  end
//	end
//
// A jump forwards can as well leave the blocks up to its target, which is shorter
// and spares the dispatch. What is left for the dispatch are jumps backwards and
// the points where a function goes on after its stack was unwound: the others are
// no block's end.

// dispatch is the head of a function.
type dispatch struct {
	head, table int      // where the outermost block begins, and the table of branches
	levels      int      // blocks, the loop and the outermost block, as far as they are there
	blocks      int      // the blocks alone
	loop        bool     // the next level is the loop
	targets     []uint64 // the block where each number begins, the default last
}

// findDispatch returns false for a function of another form, as those written in
// assembly may be.
func (f *function) findDispatch() (d dispatch, ok bool) {
	if !f.reloadsSP() {
		return d, false
	}
	for d.head = 2; d.head+d.levels < len(f.code); d.levels++ {
		if op := f.code[d.head+d.levels].op; op != opBlock && op != opLoop {
			break
		}
	}
	d.table = d.head + d.levels + 1
	if d.table+1 >= len(f.code) || !f.code[d.table-1].is(opGet, 0) || f.code[d.table].op != opBrTable || f.code[d.table+1].op != opEnd {
		return d, false
	}
	d.targets = f.code[d.table].targets
	d.blocks = int(slices.Max(d.targets)) + 1
	for i := range d.levels {
		if f.code[d.table-2-i].op != opLoop {
			continue
		}
		if d.loop = i == d.blocks; !d.loop {
			return d, false
		}
	}
	return d, d.blocks <= d.levels && d.isNested(f.code)
}

// isNested checks that the levels end where the function does, that no branch leaves
// more than the function, and that there is no other table of branches.
func (d dispatch) isNested(code []instr) bool {
	at := place{}
	for i, in := range code[d.table+1:] {
		last := d.table+1+i == len(code)-1
		if (in.op == opBr || in.op == opBrIf) && at.level(in) > d.levels || in.op == opBrTable || at.pass(in) && last != (at.ended > d.levels) {
			return false
		}
	}
	return at.ended == d.levels+1
}

// known returns a number that the table has for k; its last stands for all that it lacks.
func (d dispatch) known(k int64) int {
	if k < 0 || k >= int64(len(d.targets)) {
		return len(d.targets) - 1
	}
	return int(k)
}

// target returns the block where number k begins.
func (d dispatch) target(k int64) int { return int(d.targets[d.known(k)]) }

// place follows the nesting while the code after a dispatch is walked.
type place struct {
	ended int // levels of the dispatch that ended
	depth int // of what begins inside them
}

// pass moves past an instruction, and reports whether it ended a level.
func (at *place) pass(in instr) bool {
	switch {
	case in.op == opBlock || in.op == opLoop || in.op == opIf:
		at.depth++
	case in.op == opEnd && at.depth > 0:
		at.depth--
	case in.op == opEnd:
		at.ended++
		return true
	}
	return false
}

// level returns which level a branch leaves or starts again; it is negative for
// what is inside them.
func (at *place) level(branch instr) int {
	if int(branch.x) < at.depth {
		return -1
	}
	return at.ended + int(branch.x) - at.depth
}

// isJump reports whether the branch that follows out is a jump that goes through
// the dispatch, and the block that it goes to.
func (d dispatch) isJump(out []instr, branch instr, at place) (int, bool) {
	n := len(out)
	if branch.op != opBr || !d.loop || at.level(branch) != d.blocks || out[n-2].op != opConst || !out[n-1].is(opSet, 0) {
		return 0, false
	}
	return d.target(out[n-2].x), true
}

// directJumps lets forward jumps leave the blocks themselves, in an if that holds
// nothing else with a conditional branch.
func (f *function) directJumps() {
	d, ok := f.findDispatch()
	if !ok {
		return
	}
	out := f.code[:d.table+2]
	at := place{ended: 1}
	for i := d.table + 2; i < len(f.code); i++ {
		in := f.code[i]
		target, jump := d.isJump(out, in, at)
		if !jump || target < at.ended {
			at.pass(in)
			out = append(out, in)
			continue
		}
		in.x = int64(target - at.ended + at.depth)
		out = out[:len(out)-2]
		if out[len(out)-1].op == opIf && f.code[i+1].op == opEnd {
			in.op, in.x = opBrIf, in.x-1
			out = out[:len(out)-1]
			at.depth--
			i++
		}
		out = append(out, in)
	}
	f.code = out
}
