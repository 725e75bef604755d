package plan

import (
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Member is a file that the host adds to the archive as it is.
type Member struct {
	Name string // in the archive; relative to where the sandbox unpacks it
	Data []byte // its content
}

// lastMember proves that an archive came whole: tools differ in what they say of
// one that ends early, and half a script must never run.
const lastMember = "end"

// Seal returns the last members of the archive, made once it is known what was
// really packed: a file that changed while it was read, or vanished, is left
// out of the script and so never applied (promises D9, D16). A repository that was
// used while it was sent ends the push, before anything changes in the sandbox, with an
// error of [core.CodeStalePlan] that has its path. Classic has no script: its archive ends
// in the marker alone.
func Seal(r *Request, p *Plan, sent *Sent) ([]Member, error) {
	if err := sent.check(p); err != nil {
		return nil, err
	}
	if p.Op != merge.Push || p.Phase != PhaseApply {
		return nil, invalid("plan", "only the apply phase of a push is sealed")
	}
	if r.Dialect == Classic {
		return classicSeal(r, p), nil
	}
	if err := sent.checkRepos(p); err != nil {
		return nil, err
	}
	rules, err := r.Options.Rules()
	if err != nil {
		return nil, err
	}
	s := &applyScript{}
	bad := sent.bad(p)
	s.check(p, bad)
	s.copyAll(p)
	s.remove(r, p, bad)
	s.place(p, sent, bad)
	s.clearDelivered(p.Delivered)
	s.list(p, sent, bad)
	lib, name := scriptFor(rules)
	return []Member{{Name: "expect", Data: []byte(s.sums.String())}, {Name: "was", Data: []byte(s.was.String())}, {Name: "sums", Data: s.sentList()},
		{Name: name, Data: []byte(lib)}, {Name: "apply.sh", Data: []byte(s.text(r, p, name))}, {Name: lastMember, Data: []byte{}}}, nil
}

// list adds what was written to the listing, a new directory with all that moved
// there with it.
func (s *applyScript) list(p *Plan, sent *Sent, bad map[int]bool) {
	var paths []string
	top := "\x00"
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		if d.Action != merge.Write && d.Action != merge.Chmod || bad[i] || core.Under(d.Path, top) || strings.Contains(d.Path, "\n") {
			continue
		}
		if d.Action == merge.Write && d.Want.Kind == core.KindDir {
			top = d.Path
		}
		if n := len(paths); n == 0 || paths[n-1] != at(d.Path) {
			paths = append(paths, at(d.Path))
		}
	}
	commands(&s.after, "new", paths, " || return 1")
	s.sent = make([]core.Digest, 0, p.Uploads.Len())
	uploads := p.UploadReader()
	for i := range uploads.Len() {
		u := uploads.At(i)
		digest, _ := sent.record(u.Number)
		if u.Decision.Want.Kind == core.KindFile && !bad[u.Index] && !digest.IsZero() {
			s.sent = append(s.sent, digest)
		}
	}
}

// sentList returns the digests of what was sent, a line each, sorted.
func (s *applyScript) sentList() []byte {
	core.Sort(s.sent, func(a, b core.Digest) int { return slices.Compare(a[:], b[:]) })
	s.sent = slices.Compact(s.sent)
	text := make([]byte, 0, 65*len(s.sent))
	for i := range s.sent {
		text = append(append(text, s.sent[i].String()...), '\n')
	}
	return text
}
