package plan

import (
	"encoding/binary"

	"github.com/paperclipai/syncplan/core"
)

// Session answers calls and keeps what they ask it to keep. It is not safe for
// concurrent use. wasm/ABI.md describes frames and kept values.
type Session struct{ kept map[string]any }

// Call answers one question: JSON in, canonical JSON out. The answer is
// {"result":{…}} or {"error":{…}}; it never panics on input.
func Call(data []byte) []byte {
	out, _ := new(Session).answer(data, nil)
	return out
}

// answer returns the JSON of the answer and its sections.
func (s *Session) answer(data []byte, with *core.Attached) ([]byte, [][]byte) {
	var c call
	if err := core.DecodeWith(with, data, func(o *core.Object) { callFields(o, &c) }); err != nil {
		return failure(err), nil
	}
	out, err := operation(c.name)(&c)
	if err == nil {
		err = s.keep(&c, &out)
	}
	if err != nil {
		return failure(err), nil
	}
	beside := &core.Attached{Write: with != nil && with.Write}
	none := new(struct{})
	json := core.EncodeWith(beside, func(o *core.Object) {
		core.Opt(o, "result", &none, func(o *core.Object, _ *struct{}) { out.fields(o) })
	})
	return json, beside.Sections
}

// keep stores the result of a call that asks for it. Only a plan is answered
// all the same, since the host executes it.
func (s *Session) keep(c *call, out *answer) error {
	if c.name == "drop" {
		for _, key := range c.words {
			delete(s.kept, key)
		}
		if len(c.words) == 0 {
			s.kept = nil
		}
	}
	if c.keep == "" {
		return nil
	}
	if out.value == nil {
		return invalid("keep", "this call has nothing to keep")
	}
	if s.kept == nil {
		s.kept = map[string]any{}
	}
	s.kept[c.keep] = out.value
	if c.name != "next" {
		out.fields = nothing
	}
	return nil
}

func failure(err error) []byte {
	e, ok := err.(*core.Error)
	if !ok {
		e = &core.Error{Code: core.CodeInvalidRequest, Message: err.Error()}
	}
	return core.EncodeJSON(func(o *core.Object) { core.Opt(o, "error", &e, ErrorFields) })
}

const (
	frameHeader  = 16
	mayAttach    = 1 // flag of a request
	maxSections  = 1 << 16
	frameAligned = 8
)

// Frame answers one framed request with a frame. Nothing of the request is kept:
// its bytes may be overwritten afterwards.
func (s *Session) Frame(request []byte) []byte {
	data, with, err := readFrame(request)
	if err != nil {
		return writeFrame(failure(err), nil)
	}
	with.Kept = s.kept
	return writeFrame(s.answer(data, with))
}

func readFrame(frame []byte) ([]byte, *core.Attached, error) {
	bad := func(why string) ([]byte, *core.Attached, error) {
		return nil, nil, &core.Error{Code: core.CodeInvalidRequest, Field: "frame", Message: why}
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
	with := &core.Attached{Write: flags&mayAttach != 0}
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

func writeFrame(json []byte, sections [][]byte) []byte {
	align := func(n int) int { return (n + frameAligned - 1) &^ (frameAligned - 1) }
	start := align(frameHeader + 4*len(sections))
	size := start + len(json)
	for _, s := range sections {
		size = align(size) + len(s)
	}
	out := make([]byte, size)
	le := binary.LittleEndian
	le.PutUint32(out, uint32(size))
	le.PutUint32(out[8:], uint32(len(json)))
	le.PutUint32(out[12:], uint32(len(sections)))
	at := start + copy(out[start:], json)
	for i, s := range sections {
		le.PutUint32(out[frameHeader+4*i:], uint32(len(s)))
		at = align(at)
		at += copy(out[at:], s)
	}
	return out
}
