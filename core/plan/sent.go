package plan

import (
	"encoding/binary"
	"slices"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// sentList is what a call says of the uploads: a list, or their digests and sizes
// in a row, with notes about the few that have more to tell.
type sentList struct {
	list   []Sent
	packed []byte // a digest and a size, 8 bytes, of each upload; zeros where it is no file
	notes  []sentNote
}

const packedSize = 32 + 8

type sentNote struct {
	upload       int
	name, detail string
	problem      core.ProblemCode
}

func (l *sentList) fields(o *core.Object) {
	core.List(o, "sent", &l.list, func(o *core.Object, s *Sent) {
		o.OptStr("name", &s.Name)
		core.Enum(o, "problem", &s.Problem, false, core.ProblemCodes()...)
		o.Digest("digest", &s.Digest, false)
	})
	o.Bytes("packed", &l.packed)
	core.List(o, "notes", &l.notes, func(o *core.Object, n *sentNote) {
		o.Count("upload", &n.upload)
		o.OptStr("name", &n.name)
		core.Enum(o, "problem", &n.problem, false, core.ProblemCodes()...)
		o.OptStr("detail", &n.detail)
	})
}

// check holds that there is a record for each upload, and that notes are about those.
func (l *sentList) check(p *Plan) error {
	if len(l.packed) != packedSize*len(p.Uploads) {
		return invalid("packed", "there must be a digest and a size for each upload")
	}
	for i := range p.Uploads {
		if _, size := l.record(i); size < 0 || size > core.MaxSize {
			return invalid("packed", "the size of upload "+itoa(i)+" is too large")
		}
	}
	for i := range l.notes {
		if l.notes[i].upload >= len(p.Uploads) {
			return invalid("notes["+itoa(i)+"].upload", "there is no such upload")
		}
	}
	return nil
}

func (l *sentList) record(i int) (core.Digest, int64) {
	r := l.packed[packedSize*i:]
	return core.Digest(r[:32]), int64(binary.LittleEndian.Uint64(r[32:]))
}

// of returns one report for each upload of a plan.
func (l *sentList) of(p *Plan) ([]Sent, error) {
	if l.packed == nil {
		return l.list, nil
	}
	if err := l.check(p); err != nil {
		return nil, err
	}
	list := make([]Sent, len(p.Uploads))
	for i := range list {
		list[i].Digest, _ = l.record(i)
	}
	for _, n := range l.notes {
		list[n.upload].Name, list[n.upload].Problem = n.name, n.problem
	}
	return list, nil
}

// outcome returns the results of a plan: those that the call lists, or those that
// follow from what it says of the uploads. A file with a problem and a digest was
// sent all the same, so base speaks of what was sent.
func (c *call) outcome() ([]merge.Result, error) {
	l := &c.sent
	if l.packed == nil {
		return c.results, nil
	}
	if err := l.check(c.plan); err != nil {
		return nil, err
	}
	results := slices.Repeat([]merge.Result{{Status: merge.Done}}, len(c.plan.Decisions))
	for i, u := range c.plan.Uploads {
		r := &results[u.Decision]
		r.Digest, r.Size = l.record(i)
	}
	for _, n := range l.notes {
		r := &results[c.plan.Uploads[n.upload].Decision]
		if n.problem != "" && r.Digest.IsZero() {
			*r = merge.Failure(n.problem, n.detail)
		}
	}
	return results, nil
}

// shown is what an answer says of a plan: for a brief one not the long lists that
// a host gets from the call uploads.
func (c *call) shown(p *Plan) *Plan {
	if !c.brief || p.Phase != PhaseApply || p.Op != merge.Push {
		return p
	}
	brief := *p
	brief.Uploads, brief.Decisions = nil, nil
	return &brief
}

// uploadBatch is how many uploads one call answers at most.
const uploadBatch = 4096

// uploads returns some uploads of a kept plan as wasm/ABI.md describes them, from
// the one that skip numbers on.
func (c *call) uploads() (answer, error) {
	if err := need("plan", c.plan); err != nil {
		return answer{}, err
	}
	list := c.plan.Uploads[min(c.skip, len(c.plan.Uploads)):]
	out := []byte{}
	for _, u := range list[:min(uploadBatch, len(list))] {
		out = appendUpload(out, &u, &c.plan.Decisions[u.Decision])
	}
	return answer{fields: func(o *core.Object) { o.Blob("uploads", &out) }}, nil
}

// uploadTravels marks an upload that the sandbox has not got already.
const uploadTravels = 0x80

func appendUpload(out []byte, u *Upload, d *merge.Decision) []byte {
	kind := byte(d.Want.Kind)
	if u.From == "" {
		kind |= uploadTravels
	}
	le := binary.LittleEndian
	out = append(out, kind, 0)
	out = le.AppendUint16(out, d.Want.Mode)
	out = le.AppendUint32(out, uint32(len(u.Name)))
	out = le.AppendUint32(out, uint32(len(d.Path)))
	out = le.AppendUint32(out, uint32(len(d.Want.Target)))
	out = le.AppendUint64(out, uint64(d.Want.Size))
	out = append(out, u.Name...)
	out = append(out, d.Path...)
	return append(out, d.Want.Target...)
}
