package plan

import (
	"encoding/binary"
	"slices"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Sent says how the uploads of a push went.
type Sent struct {
	packed []byte // a digest and a size, 8 bytes, of each upload; zeros where it is no file
	notes  []SentNote
}

const packedSize = 32 + 8

// SentNote is what is to be told of an upload beyond what was sent of it.
type SentNote struct {
	Upload  int              // its number
	Name    string           // where the good copy lies in the archive if not under Upload.Name
	Problem core.ProblemCode // says that no good copy was sent; "" is success
	Detail  string           // of the problem, for people
}

// NewSent returns a report of the uploads of a plan, of which none was sent.
func NewSent(p *Plan) *Sent { return &Sent{packed: make([]byte, packedSize*p.Uploads.Len())} }

// Add notes the digest and size, in bytes, of a file as it was sent. The sandbox
// keeps the digest, so that it need not send back what is already known.
func (s *Sent) Add(upload int, d core.Digest, size int64) {
	r := s.packed[packedSize*upload:]
	copy(r, d[:])
	binary.LittleEndian.PutUint64(r[32:], uint64(size))
}

// Note adds a note.
func (s *Sent) Note(n SentNote) { s.notes = append(s.notes, n) }

func (s *Sent) record(i int) (core.Digest, int64) {
	r := s.packed[packedSize*i:]
	return core.Digest(r[:32]), int64(binary.LittleEndian.Uint64(r[32:]))
}

// check holds that there is a record for each upload, and that notes are about those.
func (s *Sent) check(p *Plan) error {
	if len(s.packed) != packedSize*p.Uploads.Len() {
		return invalid("packed", "there must be a digest and a size for each upload")
	}
	for i := range p.Uploads.Len() {
		if _, size := s.record(i); size < 0 || size > core.MaxSize {
			return invalid("packed", "the size of upload "+itoa(i)+" is too large")
		}
	}
	for i := range s.notes {
		if s.notes[i].Upload >= p.Uploads.Len() {
			return invalid("notes["+itoa(i)+"].upload", "there is no such upload")
		}
	}
	return nil
}

// bad marks the decisions that can't be carried out, since no good copy was sent.
func (s *Sent) bad(p *Plan) map[int]bool {
	bad := map[int]bool{}
	for _, n := range s.notes {
		if n.Problem != "" {
			bad[p.Uploads.index(n.Upload)] = true
		}
	}
	return bad
}

// moved returns where good copies lie that are not under their uploads' names.
func (s *Sent) moved() map[int]string {
	names := map[int]string{}
	for _, n := range s.notes {
		if n.Name != "" {
			names[n.Upload] = n.Name
		}
	}
	return names
}

// Results returns one result a decision of the plan whose uploads s is about. A
// file with a problem and a digest was sent all the same, so base speaks of what
// was sent.
func (s *Sent) Results(p *Plan) []merge.Result {
	results := slices.Repeat([]merge.Result{{Status: merge.Done}}, p.Decisions.Len())
	for i := range p.Uploads.Len() {
		r := &results[p.Uploads.index(i)]
		r.Digest, r.Size = s.record(i)
	}
	for _, n := range s.notes {
		r := &results[p.Uploads.index(n.Upload)]
		if n.Problem != "" && r.Digest.IsZero() {
			*r = merge.Failure(n.Problem, n.Detail)
		}
	}
	return results
}

// sentFields are what a call says of the uploads: a list, or their digests and
// sizes in a row, with notes about the few that have more to tell.
type sentFields struct {
	list []sentNote
	Sent
}

// sentNote is an element of the list.
type sentNote struct {
	SentNote
	digest core.Digest
}

func (l *sentFields) fields(o *core.Object) {
	core.List(o, "sent", &l.list, func(o *core.Object, s *sentNote) {
		o.OptStr("name", &s.Name)
		core.Enum(o, "problem", &s.Problem, false, core.ProblemCodes()...)
		o.Digest("digest", &s.digest, false)
	})
	o.Bytes("packed", &l.packed)
	core.List(o, "notes", &l.notes, func(o *core.Object, n *SentNote) {
		o.Count("upload", &n.Upload)
		o.OptStr("name", &n.Name)
		core.Enum(o, "problem", &n.Problem, false, core.ProblemCodes()...)
		o.OptStr("detail", &n.Detail)
	})
}

// of returns the report of the uploads of a plan.
func (l *sentFields) of(p *Plan) (*Sent, error) {
	if l.packed != nil {
		return &l.Sent, l.check(p)
	}
	if len(l.list) != p.Uploads.Len() {
		return nil, invalid("sent", "there must be one report for each upload")
	}
	sent := NewSent(p)
	for i, s := range l.list {
		sent.Add(i, s.digest, 0)
		if s.Upload = i; s.Name != "" || s.Problem != "" {
			sent.Note(s.SentNote)
		}
	}
	return sent, nil
}

// outcome returns the results of a plan: those that the call lists, or those that
// follow from what it says of the uploads.
func (c *call) outcome() ([]merge.Result, error) {
	if c.sent.packed == nil {
		return c.results, nil
	}
	if err := c.sent.check(c.plan); err != nil {
		return nil, err
	}
	results := c.sent.Results(c.plan)
	if c.stuck != "" {
		Hold(c.plan, results, c.stuck)
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
	brief.Uploads, brief.Decisions = Uploads{}, merge.Decisions{}
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
	out := []byte{}
	uploads := c.plan.UploadReader()
	for i := c.skip; i < min(c.skip+uploadBatch, c.plan.Uploads.Len()); i++ {
		out = appendUpload(out, uploads.At(i))
	}
	return answer{fields: func(o *core.Object) { o.Blob("uploads", &out) }}, nil
}

// uploadTravels marks an upload that the sandbox has not got already.
const uploadTravels = 0x80

func appendUpload(out []byte, u *Upload) []byte {
	d, name := u.Decision, u.Name()
	kind := byte(d.Want.Kind)
	if u.From == "" {
		kind |= uploadTravels
	}
	le := binary.LittleEndian
	out = append(out, kind, 0)
	out = le.AppendUint16(out, d.Want.Mode)
	out = le.AppendUint32(out, uint32(len(name)))
	out = le.AppendUint32(out, uint32(len(d.Path)))
	out = le.AppendUint32(out, uint32(len(d.Want.Target)))
	out = le.AppendUint64(out, uint64(d.Want.Size))
	out = append(out, name...)
	out = append(out, d.Path...)
	return append(out, d.Want.Target...)
}
