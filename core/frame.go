package core

import (
	"bytes"
	"encoding/binary"
)

// A frame is a JSON document and its sections in one row of bytes. wasm/ABI.md
// describes it.
const (
	frameHeader  = 16
	mayAttach    = 1       // flag of a request
	maxSections  = 1 << 20 // three for each of the text merges that a plan asks for at most
	frameAligned = 8
)

// ReadFrame returns the JSON of a frame and what stands beside it, which are parts
// of frame. The error is an *[Error] of [CodeInvalidRequest].
func ReadFrame(frame []byte) ([]byte, *Attached, error) {
	bad := func(why string) ([]byte, *Attached, error) {
		return nil, nil, &Error{Code: CodeInvalidRequest, Field: "frame", Message: why}
	}
	if len(frame) < frameHeader {
		return bad("the frame is shorter than its header")
	}
	le := binary.LittleEndian
	flags, count := le.Uint32(frame[4:]), int64(le.Uint32(frame[12:]))
	switch {
	case int64(le.Uint32(frame)) != int64(len(frame)):
		return bad("the frame has another length than it says")
	case flags&^mayAttach != 0:
		return bad("the frame has unknown flags")
	case count > maxSections || frameHeader+4*count > int64(len(frame)):
		return bad("the frame has too many sections")
	}
	with := &Attached{Write: flags&mayAttach != 0}
	at := frameHeader + 4*count
	var json []byte
	for i := int64(-1); i < count; i++ {
		n := int64(le.Uint32(frame[8:]))
		if i >= 0 {
			n = int64(le.Uint32(frame[frameHeader+4*i:]))
		}
		at = (at + frameAligned - 1) &^ (frameAligned - 1)
		if at+n > int64(len(frame)) {
			return bad("a section reaches beyond the frame")
		}
		if part := frame[at : at+n : at+n]; i < 0 {
			json = part
		} else {
			with.Sections = append(with.Sections, part)
		}
		at += n
	}
	return json, with, nil
}

// WriteFrame returns the frame of a JSON document and its sections.
func WriteFrame(json []byte, sections []Section) []byte {
	return bytes.Join(frameParts(json, sections), nil)
}

// frameParts returns the parts of a frame; those of sections are not copied.
func frameParts(json []byte, sections []Section) [][]byte {
	align := func(n int) int { return (n + frameAligned - 1) &^ (frameAligned - 1) }
	start, le := align(frameHeader+4*len(sections)), binary.LittleEndian
	head, padding := append(make([]byte, start, start+len(json)), json...), make([]byte, frameAligned)
	parts, size := [][]byte{head}, len(head)
	for i, s := range sections {
		n := s.size()
		le.PutUint32(head[frameHeader+4*i:], uint32(n))
		parts = append(append(parts, padding[:align(size)-size]), s...)
		size = align(size) + n
	}
	le.PutUint32(head, uint32(size))
	le.PutUint32(head[8:], uint32(len(json)))
	le.PutUint32(head[12:], uint32(len(sections)))
	return parts
}
