package main

import (
	"encoding/binary"
	"slices"
)

// The instructions that are looked at.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opGet          = 0x20
	opSet          = 0x21
	opTee          = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opLoad         = 0x28 // the first of those that load
	opLoad64       = 0x29
	opStore        = 0x36 // the first of those that store
	opStore64      = 0x37
	opStoreEnd     = 0x3e // the last
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opConst        = 0x41
	opConst64      = 0x42
	opConstF32     = 0x43
	opConstF64     = 0x44
	opEqz          = 0x45
	opAdd          = 0x6a
	opSub          = 0x6b
	opMul          = 0x6c
	opLess64       = 0x54 // unsigned
	opAdd64        = 0x7c
	opSub64        = 0x7d
	opShift64      = 0x88 // right, unsigned
	opWrap         = 0xa7 // i64 to i32
	opExtend       = 0xad // i32 to i64, unsigned
	opLastPlain    = 0xc4
	opPrefix       = 0xfc
	opMemoryCopy   = 10 // after the prefix
	opMemoryFill   = 11
)

const (
	typeVoid = 0x40
	typeI32  = 0x7f
	typeI64  = 0x7e

	typeFunction = 0x60
)

// instr is one instruction. What x and y are depends on it: the depth of a branch,
// the number of a local, global, function or type, a constant, the type of a
// block; the alignment and the offset of a memory access.
type instr struct {
	op      byte
	x, y    int64
	targets []uint64 // of a table of branches, the default last
}

// function is a body taken apart.
type function struct {
	locals []byte // as they are written
	code   []instr
}

func parseFunction(body []byte) (*function, error) {
	r := &reader{rest: body}
	for n := r.uint(); n > 0 && !r.failed; n-- {
		r.uint()
		r.byte()
	}
	f := &function{locals: body[:len(body)-len(r.rest)]}
	for len(r.rest) > 0 {
		f.code = append(f.code, r.instr())
	}
	if r.failed || len(f.code) == 0 || f.code[len(f.code)-1].op != opEnd {
		return nil, errForm
	}
	return f, nil
}

// operands are what follows the first byte of an instruction.
type operands uint8

const (
	foreign  operands = iota // Go's linker never writes such an instruction
	bare                     // nothing
	typeByte                 // x, the type of a block
	table                    // targets
	index                    // x
	indexes                  // x and y
	integer                  // x, signed
	bits32                   // x, of a float
	bits64                   // x, of a float
	further                  // x, the rest of the instruction's number, and what belongs to that
)

func operandsOf(op byte) operands {
	switch {
	case op == opBlock || op == opLoop || op == opIf:
		return typeByte
	case op == opBrTable:
		return table
	case op == opBr || op == opBrIf || op == opCall || opGet <= op && op <= opGlobalSet || op == opMemorySize || op == opMemoryGrow:
		return index
	case op == opCallIndirect || opLoad <= op && op <= opStoreEnd:
		return indexes
	case op == opConst || op == opConst64:
		return integer
	case op == opConstF32:
		return bits32
	case op == opConstF64:
		return bits64
	case op == opPrefix:
		return further
	case op > opLastPlain || op > opCallIndirect && op < 0x1a || op > 0x1b && op < opGet || opElse < op && op < opEnd:
		return foreign
	}
	return bare
}

// instr reads one instruction. Those that Go's linker never writes are a failure.
func (r *reader) instr() instr {
	i := instr{op: r.byte()}
	switch operandsOf(i.op) {
	case foreign:
		r.fail()
	case typeByte:
		i.x = int64(r.byte())
	case table:
		n := r.uint()
		if n > uint64(len(r.rest)) {
			r.fail()
			return i
		}
		for range n + 1 {
			i.targets = append(i.targets, r.uint())
		}
	case index:
		i.x = int64(r.uint())
	case indexes:
		i.x, i.y = int64(r.uint()), int64(r.uint())
	case integer:
		i.x = r.int()
	case bits32:
		if b := r.bytes(4); b != nil {
			i.x = int64(binary.LittleEndian.Uint32(b))
		}
	case bits64:
		if b := r.bytes(8); b != nil {
			i.x = int64(binary.LittleEndian.Uint64(b))
		}
	case further:
		switch i.x = int64(r.uint()); {
		case i.x == opMemoryCopy && r.byte() == 0 && r.byte() == 0, i.x == opMemoryFill && r.byte() == 0, i.x < 8:
		default:
			r.fail()
		}
	}
	return i
}

func (f *function) encode() []byte {
	out := slices.Clone(f.locals)
	for _, i := range f.code {
		out = i.append(out)
	}
	return out
}

func (i instr) append(out []byte) []byte {
	out = append(out, i.op)
	switch operandsOf(i.op) {
	case typeByte:
		out = append(out, byte(i.x))
	case table:
		out = binary.AppendUvarint(out, uint64(len(i.targets)-1))
		for _, t := range i.targets {
			out = binary.AppendUvarint(out, t)
		}
	case index:
		out = binary.AppendUvarint(out, uint64(i.x))
	case indexes:
		out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(i.x)), uint64(i.y))
	case integer:
		out = appendInt(out, i.x)
	case bits32:
		out = binary.LittleEndian.AppendUint32(out, uint32(i.x))
	case bits64:
		out = binary.LittleEndian.AppendUint64(out, uint64(i.x))
	case further:
		out = binary.AppendUvarint(out, uint64(i.x))
		if i.x == opMemoryCopy {
			out = append(out, 0, 0)
		} else if i.x == opMemoryFill {
			out = append(out, 0)
		}
	}
	return out
}
