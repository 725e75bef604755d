package main

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The sections that matter here, by their ids.
const (
	sectionCustom    = 0
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionExport    = 7
	sectionStart     = 8
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

const moduleHeader = "\x00asm\x01\x00\x00\x00"

var errForm = errors.New("not a WebAssembly module of the form that Go's linker writes")

// section is one part of a module.
type section struct {
	id   byte
	body []byte
}

func parse(module []byte) ([]section, error) {
	if !bytes.HasPrefix(module, []byte(moduleHeader)) {
		return nil, errForm
	}
	var list []section
	for r := (&reader{rest: module[len(moduleHeader):]}); len(r.rest) > 0; {
		id := r.byte()
		body := r.bytes(r.uint())
		if r.failed {
			return nil, errForm
		}
		list = append(list, section{id, body})
	}
	return list, nil
}

func encode(sections []section) []byte {
	out := []byte(moduleHeader)
	for _, s := range sections {
		out = append(out, s.id)
		out = binary.AppendUvarint(out, uint64(len(s.body)))
		out = append(out, s.body...)
	}
	return out
}

// reader takes bytes apart. After a failure it gives zeros.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) fail() {
	r.failed, r.rest = true, nil
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// int reads a signed LEB128 number.
func (r *reader) int() int64 {
	var v int64
	for shift := 0; shift < 64; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if shift += 7; shift < 64 && b&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
	r.fail()
	return 0
}

func appendInt(out []byte, v int64) []byte {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
