package main

import "encoding/binary"

// The runtime finds the function of an address in a table of buckets, one for each
// 4 kB of program text. In a WebAssembly module each function has 64 kB of
// imaginary text, so the table has 700 kB and says nothing: the function's number
// stands in the address. The module goes without it.

// Words of eight bytes in the runtime's description of the module.
const (
	moduleBuckets = 19
	moduleFirst   = 20 // the first address of the text, and after it the end
)

// The bits of an address that number the function, the size of a bucket, and the
// text it stands for.
const (
	functionShift = 16
	bucketSize    = 20
	bucketText    = 4096
)

const lookup = "runtime.findfunc"

// dropBuckets clears the table and replaces the function that reads it.
func (p *program) dropBuckets(t *pcln) error {
	word := func(i int) int { return int(binary.LittleEndian.Uint64(t.memory[t.module+8*i:])) }
	first, end, buckets := word(moduleFirst), word(moduleFirst+1), word(moduleBuckets)
	size := (end - first + bucketText - 1) / bucketText * bucketSize
	if t.functions != len(p.functions) || end <= first || (end-1-first)>>functionShift != t.functions-1 || buckets <= 0 || size < 0 || buckets+size > len(t.memory) {
		return errForm
	}
	for i := range t.functions {
		if binary.LittleEndian.Uint32(t.memory[t.records+8*i:]) != uint32(first>>functionShift+i) {
			return errForm
		}
	}
	for i := range p.functions {
		if p.name(i) == lookup {
			clear(t.memory[buckets : buckets+size])
			p.functions[i] = t.lookup(int64(first), int64(end))
			return nil
		}
	}
	return errForm
}

// lookup is a function that finds the record of an address between first and end.
func (p *pcln) lookup(first, end int64) *function {
	const sp, offset, argument, record, module = 1, 2, 8, 16, 24
	return &function{locals: []byte{2, 1, typeI32, 1, typeI64}, code: []instr{
		{op: opGlobalGet, x: globalSP}, {op: opTee, x: sp}, {op: opLoad64, x: 3, y: argument}, {op: opConst64, x: first}, {op: opSub64}, {op: opTee, x: offset},
		{op: opConst64, x: end - first}, {op: opLess64}, {op: opIf, x: typeVoid},
		{op: opGet, x: sp},
		{op: opGet, x: offset}, {op: opConst64, x: functionShift}, {op: opShift64}, {op: opWrap}, {op: opConst, x: 8}, {op: opMul},
		{op: opLoad, x: 2, y: int64(p.records) + 4}, {op: opConst, x: int64(p.records)}, {op: opAdd}, {op: opExtend}, {op: opStore64, x: 3, y: record},
		{op: opGet, x: sp}, {op: opConst64, x: int64(p.module)}, {op: opStore64, x: 3, y: module},
		{op: opElse},
		{op: opGet, x: sp}, {op: opConst64}, {op: opStore64, x: 3, y: record},
		{op: opGet, x: sp}, {op: opConst64}, {op: opStore64, x: 3, y: module},
		{op: opEnd},
		{op: opGet, x: sp}, {op: opConst, x: 8}, {op: opAdd}, {op: opGlobalSet, x: globalSP}, // return, and
		{op: opConst}, {op: opEnd}, // not because the stack is unwound
	}}
}
