package main

// Before a call Go moves the stack pointer down and stores there the address to
// return to. Two in five calls only happen where the program fails or the stack
// has to grow: those go through a function that does this once for each that is called.
var (
	cold = []string{"runtime.sigpanic", "runtime.morestack", "runtime.goPanic", "runtime.gopanic", "runtime.panic", "runtime.print", "runtime.throw",
		"runtime.fatal", "runtime.traceAcquireEnabled", "runtime.traceRelease", "internal_runtime_maps.fatal"}
	// lost never return; the stack is unwound instead.
	lost = []string{"runtime.sigpanic", "runtime.morestack"}
)

// callLength is the number of instructions of a call; see isCall.
const callLength = 13

// isCall reports whether code begins with a call of a compiled function:
//
//	SP -= 8; store of the return address at SP; call, which begins at block 0;
//	SP as it is now; branch to the function's end if the stack is unwound
func isCall(code []instr) bool {
	return len(code) >= callLength && code[0].is(opGet, localSP) && code[1].is(opConst, 8) && code[2].op == opSub &&
		code[3].is(opTee, localSP) && code[4].is(opGlobalSet, globalSP) && code[5].is(opGet, localSP) && code[6].op == opConst64 &&
		code[7].op == opStore64 && code[7].y == 0 && code[8].is(opConst, 0) && code[9].op == opCall &&
		code[10].is(opGlobalGet, globalSP) && code[11].is(opSet, localSP) && code[12].op == opBrIf
}

// shareColdCalls makes the calls of functions that are cold shorter.
func (p *program) shareColdCalls() {
	shared := map[int64]int64{}
	for _, f := range p.functions[:len(p.functions):len(p.functions)] {
		if !f.reloadsSP() {
			continue
		}
		out := f.code[:0]
		for i := 0; i < len(f.code); i++ {
			rest := f.code[i:]
			if !isCall(rest) || !begins(p.names[rest[9].x], cold) {
				out = append(out, rest[0])
				continue
			}
			called := rest[9].x
			if shared[called] == 0 {
				shared[called] = p.addColdCall(called)
			}
			out = append(out, rest[0], rest[6], instr{op: opCall, x: shared[called]})
			i += callLength - 1
			if begins(p.names[called], lost) || len(rest) > callLength+1 && rest[callLength].op == opEnd && rest[callLength+1].op == opUnreachable {
				out = append(out, instr{op: opReturn})
			} else {
				out = append(out, rest[10:callLength]...)
			}
		}
		f.code = out
	}
}

// isLost reports whether code begins with the address that a call of
// [program.shareColdCalls] is given to return to, and never does. Growing the
// stack starts the function again there.
func (p *program) isLost(code []instr) bool {
	return len(code) > 2 && code[0].op == opConst64 && code[1].op == opCall && code[2].op == opReturn && !begins(p.names[code[1].x], []string{"runtime.morestack"})
}

// addColdCall adds the function that calls another, given the stack pointer and
// the address to return to.
func (p *program) addColdCall(called int64) int64 {
	const sp, back = 0, 1
	return p.addFunction(p.names[called], []byte{typeFunction, 2, typeI32, typeI64, 1, typeI32}, &function{locals: []byte{0}, code: []instr{
		{op: opGet, x: sp}, {op: opConst, x: 8}, {op: opSub}, {op: opTee, x: sp}, {op: opGlobalSet, x: globalSP},
		{op: opGet, x: sp}, {op: opGet, x: back}, {op: opStore64, x: 3}, {op: opConst}, {op: opCall, x: called}, {op: opEnd},
	}})
}
