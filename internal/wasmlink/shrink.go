package main

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Shrink returns the module without its custom sections (build id, producers,
// names), without what only traces, profiles and debugging need, with its data in
// fewer segments, and with one table of the runtime made by a start function
// instead of written down.
//
// The linker starts a data segment after every few zeros, some 30,000 in all,
// each with a header of its own. Most of them are that table, which in a
// WebAssembly module has one entry for each 4 kB of imaginary program text and
// only counts upwards.
func Shrink(module []byte) ([]byte, error) {
	sections, err := parse(module)
	if err != nil {
		return nil, err
	}
	if err := stub(sections); err != nil {
		return nil, err
	}
	sections = slices.DeleteFunc(sections, func(s section) bool { return s.id == sectionCustom })
	data := slices.IndexFunc(sections, func(s section) bool { return s.id == sectionData })
	if data < 0 || slices.ContainsFunc(sections, func(s section) bool { return s.id == sectionStart || s.id == sectionDataCount }) {
		return nil, errForm
	}
	memory, err := render(sections[data].body)
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
	t, found := findTable(memory)
	if found {
		clear(memory[t.at:t.end()])
		if sections, err = addStart(sections, t.code()); err != nil {
			return nil, err
		}
		data = slices.IndexFunc(sections, func(s section) bool { return s.id == sectionData })
	}
	sections[data].body = segments(memory)
	return encode(sections), nil
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

// The instructions that the start function consists of.
const (
	opLoop   = 0x03
	opBrIf   = 0x0d
	opEnd    = 0x0b
	opGet    = 0x20
	opTee    = 0x22
	opStore  = 0x36
	opConst  = 0x41
	opLess   = 0x49 // unsigned
	opAdd    = 0x6a
	opMul    = 0x6c
	opShift  = 0x76 // right, unsigned
	typeVoid = 0x40
	typeI32  = 0x7f
)

// code is a function that writes the table.
func (t table) code() []byte {
	code := []byte{1, 1, typeI32, opLoop, typeVoid} // one local: the row
	code = append(code, opGet, 0, opConst, rowSize, opMul)
	code = append(code, opGet, 0, opConst, 4, opShift, opConst, 1, opAdd)
	code = binary.AppendUvarint(append(code, opStore, 2), uint64(t.at))
	code = append(code, opGet, 0, opConst, 1, opAdd, opTee, 0, opConst)
	code = append(appendInt(code, int64(t.rows)), opLess, opBrIf, 0)
	return append(code, opEnd, opEnd)
}

// addStart adds a function without parameters and results, and makes it the one
// that runs first.
func addStart(sections []section, code []byte) ([]section, error) {
	kind, imports, functions := -1, uint64(0), uint64(0)
	var out []section
	for _, s := range sections {
		var err error
		switch s.id {
		case sectionType:
			kind, err = plainType(s.body)
		case sectionImport:
			r := &reader{rest: s.body}
			imports = r.uint()
		case sectionFunction:
			r := &reader{rest: s.body}
			functions = r.uint()
			s.body = binary.AppendUvarint(nil, functions+1)
			s.body = binary.AppendUvarint(append(s.body, r.rest...), uint64(max(kind, 0)))
		case sectionCode:
			r := &reader{rest: s.body}
			s.body = binary.AppendUvarint(nil, r.uint()+1)
			s.body = binary.AppendUvarint(append(s.body, r.rest...), uint64(len(code)))
			s.body = append(s.body, code...)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
		if s.id == sectionExport {
			// Go's linker imports functions alone, so they are numbered before its own.
			out = append(out, section{sectionStart, binary.AppendUvarint(nil, imports+functions)})
		}
	}
	if kind < 0 || len(out) != len(sections)+1 {
		return nil, errForm
	}
	return out, nil
}

// plainType returns the index of the type of functions that take and give
// nothing.
func plainType(body []byte) (int, error) {
	r := &reader{rest: body}
	for i, n := 0, int(r.uint()); i < n && !r.failed; i++ {
		form, in := r.byte(), r.uint()
		r.bytes(in)
		out := r.uint()
		r.bytes(out)
		if form == 0x60 && in == 0 && out == 0 && !r.failed {
			return i, nil
		}
	}
	return 0, errForm
}
