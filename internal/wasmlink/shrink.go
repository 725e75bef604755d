package main

import (
	"encoding/binary"
)

// Shrink returns the module without its custom sections (build id, producers,
// names), without what only traces, profiles and debugging need, with its data in
// fewer segments, and with shorter code that does the same.
//
// The linker starts a data segment after every few zeros, some 30,000 in all,
// each with a header of its own.
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
	if err := p.dropBuckets(traces); err != nil {
		return nil, err
	}
	data.body = segments(memory)
	p.stub()
	p.shareColdCalls()
	entries := p.findEntries(traces)
	for i, f := range p.functions {
		f.directJumps()
		if i < len(entries) {
			f.prune(entries[i])
		}
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
