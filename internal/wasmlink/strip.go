package main

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// The runtime's table of functions (pclntab) serves two ends: the collector and
// the growing of stacks need to know what lies where, and traces want names,
// files and lines. A trap of the core is a bug that its vector reproduces in the
// native build, so the module goes without the second.

// pclnMagic is the head of the table that Go 1.20 and later write for a machine
// of 64-bit pointers and instructions of any length.
var pclnMagic = []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}

// Offsets in the record of a function, in words of four bytes; from funcTables
// on come the tables of pcdata.
const (
	funcReturn = 3 // where it goes on after a panic, counted from its beginning
	funcDepth  = 4 // of the stack
	funcFile   = 5
	funcLine   = 6
	funcCount  = 7 // of pcdata
	funcTables = 11
)

// Indexes of pcdata and funcdata that only traces need: the trees of inlined
// calls, 16 bytes a call, and which arguments are live.
const (
	pcdataInlined   = 2
	pcdataArguments = 3
	funcdataInlined = 3
	inlinedSize     = 16
	none            = 1<<32 - 1
)

// moduleGofunc is where the runtime's description of the module, which begins
// with the address of the table, holds the address that funcdata counts from; in
// words of eight bytes.
const moduleGofunc = 40

// pcln is the table in memory: where its parts begin.
type pcln struct {
	memory                               []byte
	functions                            int
	names, units, files, values, records int
	module, gofunc                       int
}

func findPcln(memory []byte) (*pcln, error) {
	at := bytes.Index(memory, pclnMagic)
	if at < 0 || bytes.Contains(memory[at+1:], pclnMagic) || at+72 > len(memory) {
		return nil, errForm
	}
	word := func(i int) int { return int(binary.LittleEndian.Uint64(memory[at+8+8*i:])) }
	p := &pcln{memory: memory, functions: word(0), names: at + word(3), units: at + word(4), files: at + word(5), values: at + word(6), records: at + word(7)}
	if p.functions <= 0 || !(at < p.names && p.names < p.units && p.units <= p.files && p.files < p.values && p.values < p.records && p.records+8*p.functions < len(memory)) {
		return nil, errForm
	}
	le := binary.LittleEndian
	p.module = bytes.Index(memory, le.AppendUint64(le.AppendUint64(nil, uint64(at)), uint64(p.names)))
	if p.module < 0 || p.module+8*moduleGofunc+8 > len(memory) {
		return nil, errForm
	}
	p.gofunc = int(le.Uint64(memory[p.module+8*moduleGofunc:]))
	if p.gofunc <= 0 || p.gofunc >= len(memory) {
		return nil, errForm
	}
	return p, nil
}

// strip zeroes what only traces need.
func (p *pcln) strip() error {
	needed := make([]bool, p.records-p.values) // bytes of the value tables
	needed[0] = true
	for i := range p.functions {
		f := p.record(i)
		if f+4*funcTables > len(p.memory) {
			return errForm
		}
		count, data := int(p.word(f, funcCount)), int(p.memory[f+4*funcTables-1])
		if f+4*(funcTables+count+data) > len(p.memory) {
			return errForm
		}
		if count > pcdataInlined && data > funcdataInlined {
			if err := p.clearInlined(f, count); err != nil {
				return err
			}
		}
		p.clear(f, funcFile)
		p.clear(f, funcLine)
		if count > pcdataArguments {
			p.clear(f, funcTables+pcdataArguments)
		}
		p.need(needed, p.word(f, funcDepth))
		for t := range count {
			p.need(needed, p.word(f, funcTables+t))
		}
	}
	for i := range needed {
		if !needed[i] {
			p.memory[p.values+i] = 0
		}
	}
	clear(p.memory[p.files:p.values])
	p.stripNames()
	return nil
}

// record returns where the record of a function begins.
func (p *pcln) record(i int) int {
	return p.records + int(binary.LittleEndian.Uint32(p.memory[p.records+8*i+4:]))
}

func (p *pcln) word(f, i int) uint32 { return binary.LittleEndian.Uint32(p.memory[f+4*i:]) }
func (p *pcln) clear(f, i int)       { clear(p.memory[f+4*i : f+4*i+4]) }

// clearInlined zeroes the tree of the calls that are inlined in a function.
func (p *pcln) clearInlined(f, count int) error {
	last := -1
	p.table(p.word(f, funcTables+pcdataInlined), func(value int) { last = max(last, value) })
	tree := p.word(f, funcTables+count+funcdataInlined)
	if end := p.gofunc + int(tree) + inlinedSize*(last+1); tree != none {
		if end > len(p.memory) {
			return errForm
		}
		clear(p.memory[p.gofunc+int(tree) : end])
		p.clear(f, funcTables+count+funcdataInlined)
	}
	p.clear(f, funcTables+pcdataInlined)
	return nil
}

// table reads a value table: pairs of a step of the value, in zigzag form, and a
// step of the address, up to a pair that begins with zero, which only the first
// may. It returns the table's length.
func (p *pcln) table(at uint32, each func(value int)) int {
	if at == 0 || int(at) >= p.records-p.values {
		return 0
	}
	all := p.memory[p.values+int(at) : p.records]
	r := &reader{rest: all}
	value := -1
	for first := true; ; first = false {
		v := r.uint()
		if r.failed || v == 0 && !first {
			return len(all) - len(r.rest)
		}
		value += int(int32(v>>1) ^ -int32(v&1))
		each(value)
		r.uint()
	}
}

// need marks the bytes of a value table.
func (p *pcln) need(needed []bool, at uint32) {
	for i := range p.table(at, func(int) {}) {
		needed[int(at)+i] = true
	}
}

// stripNames leaves of each name what the runtime asks for: whether the function
// is one of its own.
func (p *pcln) stripNames() {
	const own = "runtime."
	names := p.memory[p.names:p.units]
	for len(names) > 0 {
		n := bytes.IndexByte(names, 0)
		if n < 0 {
			return
		}
		if keep := 0; n > 0 {
			if strings.HasPrefix(string(names[:n]), own) {
				keep = len(own)
			}
			clear(names[keep:n])
		}
		names = names[n+1:]
	}
}
