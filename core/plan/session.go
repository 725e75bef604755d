package plan

import "github.com/paperclipai/syncplan/core"

// Session answers calls and keeps what they ask it to keep. It is not safe for
// concurrent use. wasm/ABI.md describes frames and kept values.
type Session struct {
	kept  map[string]any
	known core.Tree // the newest that is kept; later ones mostly repeat it
}

// Call answers one question: JSON in, canonical JSON out. The answer is
// {"result":{…}} or {"error":{…}}; it never panics on input.
func Call(data []byte) []byte {
	out, _ := new(Session).answer(data, new(core.Attached))
	return out
}

// answer returns the JSON of the answer and its sections.
func (s *Session) answer(data []byte, with *core.Attached) ([]byte, []core.Section) {
	var c call
	if err := core.DecodeWith(with, data, func(o *core.Object) { callFields(o, &c) }); err != nil {
		return failure(err), nil
	}
	out, err := operationOf(c.name).run(&c)
	if err == nil {
		err = s.keep(&c, &out)
	}
	if err != nil {
		return failure(err), nil
	}
	beside := &core.Attached{Write: with.Write}
	none := new(struct{})
	json := core.EncodeWith(beside, func(o *core.Object) {
		core.Opt(o, "result", &none, func(o *core.Object, _ *struct{}) { out.fields(o) })
	})
	return json, beside.Written
}

// keep stores the result of a call that asks for it. Only a plan is answered
// all the same, since the host executes it.
func (s *Session) keep(c *call, out *answer) error {
	if c.name == "drop" {
		for _, key := range c.words {
			delete(s.kept, key)
		}
		if len(c.words) == 0 {
			s.kept, s.known = nil, core.Tree{}
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
	switch v := out.value.(type) {
	case *core.Base:
		s.known = v.Entries
	case *core.Snapshot:
		s.known = v.Entries
	}
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

// Frame answers one framed request with a frame. Nothing of the request is kept:
// its bytes may be overwritten afterwards.
func (s *Session) Frame(request []byte) []byte {
	data, with, err := core.ReadFrame(request)
	if err != nil {
		return core.WriteFrame(failure(err), nil)
	}
	with.Kept, with.Known = s.kept, s.known
	return core.WriteFrame(s.answer(data, with))
}
