package main

import (
	"bytes"
	"encoding/binary"
)

// Shrink returns the module without its custom sections (build id, producers,
// names), without what only traces, profiles and debugging need, with its data in
// fewer segments, with one table of the runtime made by a start function instead
// of written down, and with shorter code that does the same.
//
// The linker starts a data segment after every few zeros, some 30,000 in all,
// each with a header of its own. Most of them are that table, which in a
// WebAssembly module has one entry for each 4 kB of imaginary program text and
// only counts upwards.
func Shrink(module []byte) ([]byte, error) {
	p, err := parseProgram(module)
	if err != nil {
		return nil, err
	}
	data := p.section(sectionData)
	memory, err := render(data.body)
	if err != nil {
		return nil, err
	}
	traces, err := findPcln(memory)
	if err == nil {
		err = traces.strip()
	}
	if err != nil {
		return nil, err
	}
	if t, found := findTable(memory); found {
		clear(memory[t.at:t.end()])
		data.body = segments(memory)
		p.start(p.addFunction([]byte{typeFunction, 0, 0}, t.fill()))
	} else {
		data.body = segments(memory)
	}
	p.stub()
	p.shareColdCalls()
	for _, f := range p.functions {
		f.directJumps()
		f.simplify()
	}
	return p.encode(), nil
}

// maxMemory bounds the memory that a module may fill with data.
const maxMemory = 64 << 20

// render writes the active segments to a memory of zeros.
func render(body []byte) ([]byte, error) {
	r := &reader{rest: body}
	var memory []byte
	for n := r.uint(); n > 0 && !r.failed; n-- {
		kind, op, at, end := r.uint(), r.byte(), r.int(), r.byte()
		data := r.bytes(r.uint())
		if kind != 0 || op != opConst || end != opEnd || at < 0 || at+int64(len(data)) > maxMemory {
			return nil, errForm
		}
		if grow := int(at) + len(data) - len(memory); grow > 0 {
			memory = append(memory, make([]byte, grow)...)
		}
		copy(memory[at:], data)
	}
	if r.failed || len(r.rest) > 0 {
		return nil, errForm
	}
	return memory, nil
}

// maxGap is how many zeros cost no more than the header of another segment.
const maxGap = 12

// segments writes memory down, leaving out what is zero.
func segments(memory []byte) []byte {
	var list []byte
	count := uint64(0)
	for at := 0; at < len(memory); {
		if memory[at] == 0 {
			at++
			continue
		}
		end := segmentEnd(memory, at)
		list = append(list, 0, opConst)
		list = append(appendInt(list, int64(at)), opEnd)
		list = binary.AppendUvarint(list, uint64(end-at))
		list = append(list, memory[at:end]...)
		at, count = end, count+1
	}
	return append(binary.AppendUvarint(nil, count), list...)
}

// segmentEnd returns where the next run of more than maxGap zeros begins.
func segmentEnd(memory []byte, at int) int {
	for {
		end := at + 1
		for end < len(memory) && memory[end] != 0 {
			end++
		}
		at = end
		for at < len(memory) && memory[at] == 0 {
			at++
		}
		if at == len(memory) || at-end > maxGap {
			return end
		}
	}
}

// table is the runtime's findfunctab: buckets of 20 bytes, of which the first
// four are the number of a function and the others zero. Each function has as
// many buckets as its 64 kB of imaginary text have 4 kB.
type table struct{ at, rows int }

const (
	rowSize     = 20
	rowsPerFunc = 16
	minRows     = 64 * rowsPerFunc
)

func (t table) end() int { return t.at + t.rows*rowSize }

// findTable looks for the buckets of functions 1, 2, 3 and so on; those of
// function 0 are zero anyway.
func findTable(memory []byte) (table, bool) {
	var first [rowSize * (rowsPerFunc + 1)]byte
	for i := range rowsPerFunc + 1 {
		first[i*rowSize] = byte(1 + i/rowsPerFunc)
	}
	at := bytes.Index(memory, first[:])
	if at < 0 {
		return table{}, false
	}
	t := table{at: at}
	var row [rowSize]byte
	for {
		binary.LittleEndian.PutUint32(row[:], uint32(1+t.rows/rowsPerFunc))
		if !bytes.HasPrefix(memory[t.end():], row[:]) {
			return t, t.rows >= minRows
		}
		t.rows++
	}
}

// fill is a function that writes the table.
func (t table) fill() *function {
	const row = 0
	return &function{locals: []byte{1, 1, typeI32}, code: []instr{
		{op: opLoop, x: typeVoid},
		{op: opGet, x: row}, {op: opConst, x: rowSize}, {op: opMul},
		{op: opGet, x: row}, {op: opConst, x: 4}, {op: opShift}, {op: opConst, x: 1}, {op: opAdd},
		{op: opStore, x: 2, y: int64(t.at)},
		{op: opGet, x: row}, {op: opConst, x: 1}, {op: opAdd}, {op: opTee, x: row}, {op: opConst, x: int64(t.rows)}, {op: opLess}, {op: opBrIf},
		{op: opEnd},
		{op: opEnd},
	}}
}
