package plan

import (
	"encoding/binary"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Sent reports how one upload went.
type Sent struct {
	// Name is where the good copy lies in the archive if not under Upload.Name.
	Name string
	// Problem says that no good copy was sent; "" is success.
	Problem core.ProblemCode
	// Detail is one sentence about the problem, for people; may be empty.
	Detail string
	// Digest is that of a file's bytes as they were sent. The sandbox keeps it, so
	// that it need not send back what is already known.
	Digest core.Digest
	// Size of a file as it was sent, in bytes.
	Size int64
}

// Results says how each decision of a push ended whose uploads went as told. A file
// with a problem and a digest was sent all the same, so base speaks of what was sent.
func Results(p *Plan, sent []Sent) []merge.Result {
	results := make([]merge.Result, len(p.Decisions))
	for i := range results {
		results[i].Status = merge.Done
	}
	for i := range sent {
		r, s := &results[p.Uploads[i].Decision], &sent[i]
		if s.Problem != "" && s.Digest.IsZero() {
			*r = merge.Result{Status: merge.Failed, Code: s.Problem, Detail: s.Detail}
			continue
		}
		r.Digest, r.Size = s.Digest, s.Size
	}
	return results
}

// sentList is what a call says of the uploads: a list, or their digests and sizes
// in a row, with notes about the few that have more to tell.
type sentList struct {
	list   []Sent
	packed []byte // a digest and a size, 8 bytes, of each upload; zeros where it is no file
	notes  []sentNote
}

const packedSize = 32 + 8

type sentNote struct {
	upload int
	Sent
}

func (l *sentList) fields(o *core.Object) {
	core.List(o, "sent", &l.list, func(o *core.Object, s *Sent) {
		s.nameAndProblem(o)
		o.Digest("digest", &s.Digest, false)
	})
	o.Bytes("packed", &l.packed)
	core.List(o, "notes", &l.notes, func(o *core.Object, n *sentNote) {
		o.Count("upload", &n.upload)
		n.nameAndProblem(o)
		o.OptStr("detail", &n.Detail)
	})
}

func (s *Sent) nameAndProblem(o *core.Object) {
	o.OptStr("name", &s.Name)
	core.Enum(o, "problem", &s.Problem, false, core.ProblemCodes()...)
}

// of returns one report for each upload of a plan.
func (l *sentList) of(p *Plan) ([]Sent, error) {
	if l.packed == nil {
		return l.list, nil
	}
	if len(l.packed) != packedSize*len(p.Uploads) {
		return nil, invalid("packed", "there must be a digest and a size for each upload")
	}
	list := make([]Sent, len(p.Uploads))
	for i := range list {
		record := l.packed[packedSize*i:]
		size := binary.LittleEndian.Uint64(record[32:])
		if size > core.MaxSize {
			return nil, invalid("packed", "the size of upload "+itoa(i)+" is too large")
		}
		list[i].Digest, list[i].Size = core.Digest(record[:32]), int64(size)
	}
	for i := range l.notes {
		n := &l.notes[i]
		if n.upload >= len(list) {
			return nil, invalid("notes["+itoa(i)+"].upload", "there is no such upload")
		}
		s := &list[n.upload]
		s.Name, s.Problem, s.Detail = n.Name, n.Problem, n.Detail
	}
	return list, nil
}

// outcome returns the results of a plan: those that the call lists, or those that
// follow from what it says of the uploads.
func (c *call) outcome() ([]merge.Result, error) {
	if c.sent.packed == nil {
		return c.results, nil
	}
	sent, err := c.sent.of(c.plan)
	if err != nil {
		return nil, err
	}
	return Results(c.plan, sent), nil
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
