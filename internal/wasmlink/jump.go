package main

// Go's compiler knows jumps between basic blocks, WebAssembly only leaves nested
// blocks. So Go puts all basic blocks of a function into a loop, which begins by
// dispatching on the number of a block, and every jump sets that number and starts
// the loop again:
//
//	loop
//	  block block … block
//	    local.get 0; br_table …   to the end of one of the blocks
//	  end                         here begins basic block 0,
//	  …
//	  end                         here 1, and so on
//	end
//
// A jump forwards can as well leave the blocks up to its target, which is shorter
// and spares the dispatch.

// dispatch is the head of such a function.
type dispatch struct {
	first   int      // the instruction after it
	blocks  int      // how many blocks begin before it, itself not counted
	targets []uint64 // the block where each number begins, the default last
}

// findDispatch returns false for a function of another form, as those written in
// assembly are.
func findDispatch(code []instr) (dispatch, bool) {
	for i := range code {
		if code[i].op != opBrTable {
			continue
		}
		d := dispatch{first: i + 2, targets: code[i].targets}
		at := i - 1
		if at < 0 || code[at].op != opGet || code[at].x != 0 || code[i+1].op != opEnd {
			return d, false
		}
		for at--; at >= 0 && code[at].op == opBlock; at-- {
			d.blocks++
		}
		return d, at >= 0 && code[at].op == opLoop
	}
	return dispatch{}, false
}

// target returns the block where number k begins.
func (d dispatch) target(k int64) int {
	if k < 0 || k >= int64(len(d.targets)) {
		k = int64(len(d.targets) - 1)
	}
	return int(d.targets[k])
}

// directJumps lets forward jumps leave the blocks themselves, in an if that holds
// nothing else with a conditional branch.
func (f *function) directJumps() {
	d, ok := findDispatch(f.code)
	if !ok {
		return
	}
	out := f.code[:d.first]
	ended, depth := 1, 0 // blocks that ended, and depth of what begins inside them
	for i := d.first; i < len(f.code); i++ {
		switch in := f.code[i]; {
		case in.op == opBlock || in.op == opLoop || in.op == opIf:
			depth++
		case in.op == opEnd && depth > 0:
			depth--
		case in.op == opEnd:
			ended++
		case in.op == opBr && in.x == int64(d.blocks-ended+depth) && ended <= d.blocks:
			n := len(out)
			if out[n-2].op != opConst || out[n-1].op != opSet || out[n-1].x != 0 {
				break
			}
			leave := int64(d.target(out[n-2].x) - ended + depth)
			if leave < int64(depth) {
				break // backwards
			}
			out = append(out[:n-2], instr{op: opBr, x: leave})
			if out[n-3].op == opIf && i+1 < len(f.code) && f.code[i+1].op == opEnd {
				out = append(out[:n-3], instr{op: opBrIf, x: leave - 1})
				depth--
				i++
			}
			continue
		}
		out = append(out, f.code[i])
	}
	f.code = out
}
