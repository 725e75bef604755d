package plan

import (
	"strconv"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// push adds the archive and the steps to a plan whose decisions are made.
func (p *Plan) push(r *Request, base *core.Base, rules *core.Rules) {
	p.Found, p.Compare = r.Remote.Marker, r.Remote.ID
	p.listKept(r, base)
	p.Uploads = uploads(p.Decisions)
	p.reuse(r)
	rt := RuntimeDir(r.Root, r.Adapter)
	archive := rt + "/up-" + r.Run + ".tar"
	switch {
	case p.changes() || base == nil:
		if !r.Stream && !r.proven() { // what was seen there lies in that folder
			p.Steps = append(p.Steps, Step{Do: StepMakeDir, Path: rt})
		}
		p.Steps = append(p.Steps, transfer(r, Step{Path: archive, Command: applyCommand(r, rt)})...)
		if p.Seen != nil {
			p.Seen.ID = r.Run
		}
	case p.Assumed:
		p.Steps = append(p.Steps, Step{Do: StepRun, Command: checkCommand(r, rules)})
	}
	for i := range r.Assets {
		key := r.Assets[i].Key
		p.Steps = append(p.Steps, transfer(r, Step{Path: rt + "/up-" + key + "-" + r.Run + ".tar", Command: assetCommand(r, rt, key), Asset: key})...)
	}
}

// transfer returns the steps that bring an archive to the command that unpacks
// it: one, or two with a file between them.
func transfer(r *Request, s Step) []Step {
	if r.Stream {
		return []Step{{Do: StepSend, Command: s.Command, Asset: s.Asset}}
	}
	return []Step{{Do: StepUpload, Path: s.Path, Asset: s.Asset}, {Do: StepRun, Command: s.Command, Asset: s.Asset}}
}

// changes reports whether the sandbox has anything to do.
func (p *Plan) changes() bool {
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Action != merge.Keep {
			return true
		}
	}
	return len(p.Delivered) > 0
}

// listKept names what a first push leaves standing in a sandbox that already
// held something.
func (p *Plan) listKept(r *Request, base *core.Base) {
	if base != nil {
		return
	}
	for e := range r.Remote.Snapshot.Entries.All() {
		if e.Kind != core.KindDir && r.Local.Entries.Find(e.Path) == nil {
			p.Kept = append(p.Kept, e.Path)
		}
	}
}

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

func (s *applyScript) check(p *Plan, bad map[int]bool) {
	kinds := map[string][]string{}
	fresh, above := "\x00", map[string]bool{"": true}
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		if d.Action == merge.Keep || bad[i] || core.Under(d.Path, fresh) {
			continue
		}
		// What lies below a new directory moves with it; its absence is implied, also where
		// a link stands that leads to another one.
		if d.Action == merge.Write && d.Want.Kind == core.KindDir {
			fresh = d.Path
		}
		// Where a link stands above, every check and every change would go through it.
		for dir := core.Parent(d.Path); !above[dir]; dir = core.Parent(dir) {
			above[dir], kinds["dir"] = true, append(kinds["dir"], at(dir))
		}
		s.expect(d.Path, d.Expect, kinds)
	}
	s.writeChecks(kinds)
}

// remove takes away what is deleted, displaced, or of another kind than what
// comes; deepest first.
func (s *applyScript) remove(r *Request, p *Plan, bad map[int]bool) {
	var files, dirs []string
	decisions := p.Decisions.Reader()
	for i := decisions.Len() - 1; i >= 0; i-- {
		d := decisions.At(i)
		switch {
		case bad[i] || d.Expect == nil || d.Displace:
		case d.Action == merge.Delete && d.Expect.Kind == core.KindDir:
			dirs = append(dirs, at(d.Path))
		case d.Action == merge.Delete:
			files = append(files, at(d.Path))
		case d.Action == merge.Write && d.Expect.Kind == core.KindDir && d.Want.Kind != core.KindDir:
			dirs = append(dirs, at(d.Path))
		case d.Action == merge.Write && d.Expect.Kind != d.Want.Kind:
			files = append(files, at(d.Path))
		}
	}
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Displace && !bad[i] {
			s.displace(d.Path, displacedID(r, d.Path))
		}
	}
	commands(&s.changes, "rm -f --", files, "")
	// A directory may hold what no plan lists, such as an excluded folder.
	commands(&s.changes, "rmdir --", dirs, " 2>/dev/null || :")
}

// displacedID names a displaced version by where it stood and the run that moved it, so
// that none takes the place of another or passes for one that came home before.
func displacedID(r *Request, path string) core.Digest { return core.Sum(path, "\x00", r.Run) }

// relink replaces a link by another. The mv of busybox looks where the old one leads, and
// gives up where that is through a file or round in a circle.
const relink = `relink() { mv -f -- "$1" "$W/${2%/*}/" 2>/dev/null || { rm -f -- "$W/$2"; mv -f -- "$1" "$W/${2%/*}/"; }; }
`

// place moves the uploaded entries to their paths and sets permissions.
func (s *applyScript) place(p *Plan, sent *Sent, bad map[int]bool) {
	b := &s.changes
	b.WriteString("cd \"$I\"\n")
	var torn, parents []string
	var links strings.Builder
	groups, moved := map[string][]string{}, sent.moved()
	uploads := p.UploadReader()
	for i := range uploads.Len() {
		u := uploads.At(i)
		name := u.Name()
		if bad[u.Index] {
			torn = append(torn, name)
			continue
		}
		if good := moved[u.Number]; good != "" && good != name {
			b.WriteString("mv -f -- " + Quote(good) + " " + Quote(name) + "\n")
		}
		if strings.Count(name, "/") > 2 {
			continue // below a directory that moves whole
		}
		parent := core.Parent(u.Decision.Path)
		if e := u.Decision.Expect; e != nil && e.Kind == core.KindLink && u.Decision.Want.Kind == core.KindLink {
			links.WriteString("relink " + Quote(name) + " " + Quote(at(u.Decision.Path)) + "\n")
			continue
		}
		if e := u.Decision.Expect; e != nil && e.Kind == core.KindFile && u.Decision.Want.Kind == core.KindFile && !u.Decision.Displace {
			s.replace(u.Decision.Path, e.Digest)
		}
		if _, ok := groups[parent]; !ok {
			parents = append(parents, parent)
		}
		groups[parent] = append(groups[parent], name)
	}
	commands(b, "rm -f --", torn, "")
	for _, parent := range parents {
		s.put(parent, groups[parent])
	}
	if links.Len() > 0 {
		b.WriteString(relink + links.String())
	}
	b.WriteString("cd \"$W\"\n")
	s.chmod(p, bad)
}

// chmod sets what could not travel with the entries: the executable bit of
// files whose content stays, and the permissions of directories that their
// owner may not write, which the archive carries writable so that they can be
// filled and moved.
func (s *applyScript) chmod(p *Plan, bad map[int]bool) {
	var on, off []string
	modes := map[uint16][]string{}
	var order []uint16
	decisions := p.Decisions.Reader()
	for i := decisions.Len() - 1; i >= 0; i-- {
		d := decisions.At(i)
		switch {
		case d.Action == merge.Chmod && d.Want.Executable():
			on = append(on, at(d.Path))
		case d.Action == merge.Chmod:
			off = append(off, at(d.Path))
		case d.Action == merge.Write && d.Want.Kind == core.KindDir && d.Want.Mode&0o700 != 0o700 && !bad[i]:
			if modes[d.Want.Mode] == nil {
				order = append(order, d.Want.Mode)
			}
			modes[d.Want.Mode] = append(modes[d.Want.Mode], at(d.Path))
		}
	}
	commands(&s.changes, "chmod +x --", on, "")
	commands(&s.changes, "chmod a-x --", off, "")
	for _, m := range order {
		commands(&s.changes, "chmod 0"+strconv.FormatInt(int64(m), 8)+" --", modes[m], "")
	}
}
