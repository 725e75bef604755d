package main

import "math"

// Go keeps the stack pointer in a global variable and, inside a function, in the
// first local one as well.
const (
	globalSP = 0
	localSP  = 1
)

// is reports whether an instruction is the given one. The tables of branches
// are never asked for.
func (i instr) is(op byte, x int64) bool { return i.op == op && i.x == x }

// reloadsSP tells that the function begins by copying the stack pointer to its
// local, as all do that were compiled.
func (f *function) reloadsSP() bool {
	return len(f.code) > 1 && f.code[0].is(opGlobalGet, globalSP) && f.code[1].is(opSet, localSP)
}

// simplify replaces runs of instructions by shorter ones of the same effect.
func (f *function) simplify() {
	p := &peephole{out: make([]instr, 0, len(f.code)), hasSP: f.reloadsSP()}
	for _, in := range f.code {
		if !p.fold(in) {
			p.out = append(p.out, in)
			p.track(in)
		}
	}
	f.code = p.out
}

// peephole copies instructions, and looks at the end of what it has.
type peephole struct {
	out    []instr
	starts []int // where the expression of each operand that is known to be on the stack begins
	hasSP  bool
}

// last returns the nth instruction from the end, counted from 1.
func (p *peephole) last(n int) *instr {
	if n > len(p.out) {
		return &instr{}
	}
	return &p.out[len(p.out)-n]
}

// ends reports whether the last instructions are these.
func (p *peephole) ends(ops ...byte) bool {
	for i, op := range ops {
		if p.last(len(ops)-i).op != op || len(p.out) < len(ops) {
			return false
		}
	}
	return true
}

func (p *peephole) cut(n int) { p.out = p.out[:len(p.out)-n] }

// fold joins an instruction with what stands before it, or says that it can't.
func (p *peephole) fold(in instr) bool {
	switch op := in.op; {
	case op == opNop:
		return true
	case op == opWrap:
		return p.foldWrap()
	case op == opEqz:
		return p.foldNot()
	case opLoad <= op && op < opStore:
		p.foldAddress(len(p.out), &in)
	case opStore <= op && op <= opStoreEnd && len(p.starts) > 0:
		p.foldAddress(p.starts[len(p.starts)-1], &in)
	case op == opGet && p.last(1).is(opSet, in.x):
		p.last(1).op = opTee
		p.starts = nil
		return true
	case in.is(opGlobalSet, globalSP):
		p.joinSteps()
	case in.is(opSet, localSP) && p.last(1).is(opGlobalGet, globalSP):
		p.shortenCall()
	case op == opReturn && p.ends(opTee, opGlobalSet, opConst):
		// The local is not read again.
		c := *p.last(1)
		*p.last(3) = *p.last(2)
		*p.last(2) = c
		p.cut(1)
	default:
		return false
	}
	p.out = append(p.out, in)
	p.track(in)
	return true
}

// foldWrap computes with 32 bits what is cut to 32 bits.
func (p *peephole) foldWrap() bool {
	switch prev := p.last(1); {
	case prev.op == opExtend:
		p.cut(1)
	case prev.op == opConst64:
		*prev = instr{op: opConst, x: int64(int32(prev.x))}
	case p.ends(opExtend, opConst64, opAdd64):
		k := int64(int32(p.last(2).x))
		p.cut(3)
		p.out = append(p.out, instr{op: opConst, x: k}, instr{op: opAdd})
	case narrow[prev.op] != 0:
		prev.op = narrow[prev.op]
	default:
		return false
	}
	return true
}

// narrow are the loads of 32 bits for those of 64 that read no more memory.
var narrow = map[byte]byte{0x30: 0x2c, 0x31: 0x2d, 0x32: 0x2e, 0x33: 0x2f, 0x34: 0x28, 0x35: 0x28}

// Comparisons of integers, and the number of each, whose opposite it names.
var opposite = map[byte]byte{
	0x46: 0x47, 0x47: 0x46, 0x48: 0x4e, 0x49: 0x4f, 0x4a: 0x4c, 0x4b: 0x4d, 0x4c: 0x4a, 0x4d: 0x4b, 0x4e: 0x48, 0x4f: 0x49,
	0x51: 0x52, 0x52: 0x51, 0x53: 0x59, 0x54: 0x5a, 0x55: 0x57, 0x56: 0x58, 0x57: 0x55, 0x58: 0x56, 0x59: 0x53, 0x5a: 0x54,
}

// foldNot turns a comparison that is negated into its opposite.
func (p *peephole) foldNot() bool {
	other := opposite[p.last(1).op]
	if other != 0 {
		p.last(1).op = other
	}
	return other != 0
}

// foldAddress adds a constant step from the stack pointer, which never leaves the
// memory, to the offset of a memory access. end is where the address ends.
func (p *peephole) foldAddress(end int, access *instr) {
	if !p.hasSP || end < 3 || !p.out[end-3].is(opGet, localSP) || p.out[end-2].op != opConst || p.out[end-1].op != opAdd {
		return
	}
	if offset := p.out[end-2].x + access.y; p.out[end-2].x >= 0 && offset <= math.MaxInt16 {
		access.y = offset
		p.out = append(p.out[:end-2], p.out[end:]...)
	}
}

// joinSteps makes one step of two that move the stack pointer.
func (p *peephole) joinSteps() {
	if !p.ends(opGet, opConst, opAdd, opTee, opGlobalSet, opGet, opConst, opAdd, opTee) {
		return
	}
	for _, n := range []int{9, 6, 4, 1} {
		if p.last(n).x != localSP {
			return
		}
	}
	if p.last(5).x != globalSP {
		return
	}
	p.last(8).x += p.last(3).x
	p.cut(5)
}

// shortenCall leaves the local stack pointer alone where it is set, for a call,
// and read again only once.
func (p *peephole) shortenCall() {
	i := len(p.out) - 2
	if i < 0 || p.out[i].op != opCall && p.out[i].op != opCallIndirect {
		return
	}
	for i--; i > 1; i-- {
		switch in := p.out[i]; {
		case in.is(opGet, localSP):
			if p.out[i-1].is(opGlobalSet, globalSP) && p.out[i-2].is(opTee, localSP) {
				p.out[i] = instr{op: opGlobalGet, x: globalSP}
				p.out = append(p.out[:i-2], p.out[i-1:]...)
			}
			return
		case in.op < opGet || in.x == localSP && in.op <= opTee:
			return
		}
	}
}

// track follows what an instruction takes from the stack and puts there. What is
// not certain is forgotten.
func (p *peephole) track(in instr) {
	take, give := in.arity()
	if take < 0 || take > len(p.starts) {
		p.starts = p.starts[:0]
		return
	}
	at := len(p.out) - 1
	if take > 0 {
		at = p.starts[len(p.starts)-take]
	}
	p.starts = p.starts[:len(p.starts)-take]
	if give > 0 {
		p.starts = append(p.starts, at)
	}
}

// arity returns how many operands an instruction takes and gives; take is -1 for
// calls and for what is not in a straight line.
func (i instr) arity() (take, give int) {
	switch op := i.op; {
	case op == opGet || op == opGlobalGet || op == opMemorySize || opConst <= op && op <= opConstF64:
		return 0, 1
	case op == opSet || op == opGlobalSet || op == 0x1a:
		return 1, 0
	case opStore <= op && op <= opStoreEnd:
		return 2, 0
	case op == opTee || opLoad <= op && op < opStore || unary(op):
		return 1, 1
	case opEqz < op && op < opWrap:
		return 2, 1
	}
	return -1, 0
}

// unary reports whether a computation has one operand.
func unary(op byte) bool {
	return op == opEqz || op == 0x50 || 0x67 <= op && op <= 0x69 || 0x79 <= op && op <= 0x7b || 0x8b <= op && op <= 0x91 || 0x99 <= op && op <= 0x9f ||
		opWrap <= op && op <= opLastPlain
}
