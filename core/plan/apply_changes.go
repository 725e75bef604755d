package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

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
	defined := false
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Displace && !bad[i] {
			if !defined {
				s.changes.WriteString(aside)
				defined = true
			}
			s.displace(d.Path, displacedID(r, d.Path))
		}
	}
	commands(&s.changes, "gone", files, "")
	// A directory may hold what no plan lists, such as an excluded folder.
	commands(&s.changes, "rmdir --", dirs, " 2>/dev/null || :")
}

// displacedID names a displaced version by where it stood and the run that moved it, so
// that none takes the place of another or passes for one that came home before.
func displacedID(r *Request, path string) core.Digest { return core.Sum(path, "\x00", r.Run) }

// relink replaces a link by another. The mv of busybox looks where the old one leads, and
// gives up where that is through a file or round in a circle.
const relink = `relink() {
  if near "${2#./}"; then mv -f -- "$1" "$n/"; set -- "$n/${1##*/}" "$2"; fi
  mv -f -- "$1" "$W/${2%/*}/" 2>/dev/null || { rm -f -- "$W/$2" && mv -f -- "$1" "$W/${2%/*}/"; } || stuck "$2"
}
`

// place moves the uploaded entries to their paths and sets permissions.
func (s *applyScript) place(p *Plan, sent *Sent, bad map[int]bool) {
	b := &s.changes
	b.WriteString("cd \"$I\"\n")
	var torn []string
	var links strings.Builder
	var into groups
	moved := sent.moved()
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
		tool := "put"
		switch {
		case u.Decision.Displace:
			tool = "fill"
		case replaces(u.Decision, core.KindLink):
			links.WriteString("relink " + Quote(name) + " " + Quote(at(u.Decision.Path)) + "\n")
			continue
		case replaces(u.Decision, core.KindFile):
			s.replace(u.Decision.Path, u.Decision.Expect.Digest)
		}
		into.add(putInto(tool, core.Parent(u.Decision.Path)), name)
	}
	commands(b, "rm -f --", torn, "")
	for _, put := range into.order {
		s.put(put, into.words[put])
	}
	if links.Len() > 0 {
		b.WriteString(relink + links.String())
	}
	b.WriteString("cd \"$W\"\n")
	s.chmod(p)
}

// replaces reports whether an entry of a kind takes the place of one of that kind.
func replaces(d *merge.Decision, k core.Kind) bool {
	return d.Expect != nil && d.Expect.Kind == k && d.Want.Kind == k
}

// chmod sets what could not travel with the entries: the executable bit of
// files whose content stays.
func (s *applyScript) chmod(p *Plan) {
	var on, off []string
	decisions := p.Decisions.Reader()
	for i := decisions.Len() - 1; i >= 0; i-- {
		d := decisions.At(i)
		switch {
		case d.Action == merge.Chmod && d.Want.Executable():
			on = append(on, at(d.Path))
		case d.Action == merge.Chmod:
			off = append(off, at(d.Path))
		}
	}
	commands(&s.changes, "mode +x", on, "")
	commands(&s.changes, "mode a-x", off, "")
}

// displace moves what stands at path to where the next pull looks for it. The
// file beside it says where it stood.
func (s *applyScript) displace(path string, id core.Digest) {
	s.changes.WriteString("aside " + Quote(at(path)) + " " + id.String() + "\n")
}

// aside moves what stands at a path to displaced, or copies it out of what is mounted there: half a copy
// must not come home. Where it can't, nothing says that it did.
const aside = `aside() {
  d=$R/displaced/$2
  mkdir -p "$R/displaced"; rm -rf "$d"
  printf %s "${1#./}" >"$d.path"
  if near "${1#./}"; then cp -pPR -- "$1" "$I/aside" && mv -f -- "$I/aside" "$d" && rm -rf -- "$1"; else mv -f -- "$1" "$d"; fi || {
    if [ -e "$1" ] || [ -L "$1" ]; then [ -d "$1" ] || rm -f "$d"; stuck "$1"; fi
    [ -e "$d" ] || [ -L "$d" ] || rm -f "$d.path"
  }
}
`

// home takes away versions that a pull brought home. A directory may hold what could not come,
// such as a repository or a name that is not UTF-8: it stays, where no survey looks.
const home = `home() {
  for d do
    if [ -d "$R/displaced/$d" ] && [ ! -L "$R/displaced/$d" ]; then mkdir -p "$R/kept" && mv -f -- "$R/displaced/$d" "$R/kept/"; else rm -f "$R/displaced/$d"; fi
    rm -f "$R/displaced/$d.path"
  done
}
`

// clearDelivered takes away versions that a pull brought home.
func (s *applyScript) clearDelivered(list []core.Aside) {
	if len(list) == 0 {
		return
	}
	names := make([]string, 0, len(list))
	for i := range list {
		names = append(names, list[i].Digest.String())
	}
	s.changes.WriteString(home)
	commands(&s.changes, "home", names, "")
}
