// Command wasmlink makes the module that Go's linker wrote smaller without
// changing what it does. The linker starts a data segment after every few zeros,
// some 30,000 in all, each with a header; here they are merged. Custom sections
// (build id, producers, names) are left out.
//
// Usage: wasmlink IN OUT
package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
)

// maxGap is how many zeros are worth writing to save a segment's header.
const maxGap = 128

const (
	sectionCustom    = 0
	sectionData      = 11
	sectionDataCount = 12
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "wasmlink:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: wasmlink IN OUT")
	}
	in, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	out, err := Shrink(in)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return os.WriteFile(args[1], out, 0o644)
}

var errForm = errors.New("not a WebAssembly module of the form that Go's linker writes")

// Shrink returns the module with its data segments merged and its custom
// sections left out.
func Shrink(module []byte) ([]byte, error) {
	const header = "\x00asm\x01\x00\x00\x00"
	if !bytes.HasPrefix(module, []byte(header)) {
		return nil, errForm
	}
	out := []byte(header)
	for r := (&reader{rest: module[len(header):]}); len(r.rest) > 0; {
		id := r.byte()
		body := r.bytes(r.uint())
		if r.failed {
			return nil, errForm
		}
		switch id {
		case sectionCustom:
			continue
		case sectionDataCount:
			return nil, errForm // no instruction that needs it is ever written
		case sectionData:
			var err error
			if body, err = mergeSegments(body); err != nil {
				return nil, err
			}
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	return out, nil
}

type segment struct {
	at   int64 // its address
	data []byte
}

// mergeSegments joins active segments that lie close together; memory is zero
// before they are written.
func mergeSegments(body []byte) ([]byte, error) {
	r := &reader{rest: body}
	var list []segment
	for n := r.uint(); n > 0 && !r.failed; n-- {
		kind, op, at, end := r.uint(), r.byte(), r.int(), r.byte()
		list = append(list, segment{at, r.bytes(r.uint())})
		if kind != 0 || op != 0x41 || end != 0x0b || at < 0 {
			return nil, errForm
		}
	}
	if r.failed || len(r.rest) > 0 {
		return nil, errForm
	}
	slices.SortStableFunc(list, func(a, b segment) int { return cmp.Compare(a.at, b.at) })
	var merged []segment
	for _, s := range list {
		if len(merged) == 0 {
			merged = append(merged, segment{s.at, bytes.Clone(s.data)})
			continue
		}
		last := &merged[len(merged)-1]
		switch gap := s.at - last.at - int64(len(last.data)); {
		case gap < 0:
			return nil, errForm // two segments overlap, so their order counts
		case gap <= maxGap:
			last.data = append(append(last.data, make([]byte, gap)...), s.data...)
		default:
			merged = append(merged, segment{s.at, bytes.Clone(s.data)})
		}
	}
	out := binary.AppendUvarint(nil, uint64(len(merged)))
	for _, s := range merged {
		out = appendInt(append(out, 0, 0x41), s.at)
		out = binary.AppendUvarint(append(out, 0x0b), uint64(len(s.data)))
		out = append(out, s.data...)
	}
	return out, nil
}

// reader takes a module apart. After a failure it gives zeros.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed, r.rest = true, nil
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
	r.failed = true
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
