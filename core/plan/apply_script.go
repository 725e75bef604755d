package plan

import (
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// applyScript gathers the parts of an apply script. It runs with the functions
// of script.go, in the workspace.
type applyScript struct {
	checks  strings.Builder // exit ExitStale unless all hold
	sums    strings.Builder // what must stand there, in the form of sha256sum -c
	before  strings.Builder // lists the paths that are going to change
	changes strings.Builder
	after   strings.Builder // lists the paths that were written
	sent    []core.Digest   // of the contents that were sent

	was      strings.Builder // what the replaced files must have been, in the form of sha256sum -c
	odd      strings.Builder // the same for names that have no line there
	replaced int             // number of lines of was
}

// header takes the lock, proves that the sandbox is the one that the plan is
// about, and sweeps what runs of days ago left. With ALL=1 nothing may differ
// from the listing X, or where there is none the sandbox must be empty; else
// only what the plan touches must be as it was listed.
func header(r *Request, p *Plan, scriptName string) string {
	copies := ""
	for _, from := range p.Uploads.from {
		if !inRuntime(from) {
			copies = "1"
		}
	}
	all := ""
	if p.Assumed {
		all = "1"
	}
	return variables(r, "apply") + ` MARKER=` + Quote(p.Found) + ` NEW=` + Quote(r.Marker) + ` X=` + Quote(p.Compare) + ` ALL=` + all + ` COPIES=` + copies + ` OLD=` + Quote(strings.Join(r.Resume, " ")) + ` S=` + scriptName + `
I=$R/in-$ID
. "$I/$S"
empty() { [ -r . ] || return 1; for p in * .[!.]* ..?*; do [ ! -e "$p" ] && [ ! -L "$p" ] || [ "$p" = ` + core.RuntimeDir + ` ] || return 1; done; }
` + putting + `umask 022
cd "$R" || exit 1
if ! mkdir lock 2>/dev/null; then
  if held; then leave busy ` + exitBusy + `; fi
  rm -rf lock; mkdir lock || leave busy ` + exitBusy + `
fi
echo $$ >lock/pid
trap 'set +e; replaced; [ ! -d "$R/lock" ] || rm -rf "$R/lock"' EXIT
sweep
begin
[ "$m" = "$MARKER" ] || stale
LISTED=
if first; then
  empty || stale
  K=$D.none LISTED=1; printf '0 0 x ./` + core.RuntimeDir + `\n' >"$K"
else
  ! known || LISTED=1
  if [ -n "$ALL" ]; then
    [ -n "$LISTED" ] || stale
    now
    same || stale
  fi
fi
file() { for p do [ -f "$p" ] && [ ! -L "$p" ] || stale; done; }
holds() { ! have sha256sum || [ "$(sha256sum <"$2")" = "$1  -" ] || stale; }
dir() { for p do [ -d "$p" ] && [ ! -L "$p" ] || stale; done; }
link() { for p do [ -L "$p" ] || stale; done; }
none() { for p do [ ! -e "$p" ] && [ ! -L "$p" ] || stale; done; }
from() { lines "$@" -maxdepth 0 >>"$D.sources" 2>/dev/null || stale; }
at() { lines "$@" -maxdepth 0 >>"$D.before" 2>/dev/null || stale; }
new() { lines "$@" 2>/dev/null; }
`
}

// middle ends the checks. From here on the workspace changes, and the first
// failure stops it; the next push completes what this one began.
const middle = `if [ -n "$LISTED" ]; then
  : >"$D.was"
  if [ -s "$D.before" ]; then
    sort "$D.before" >"$D.was" && comm -13 "$K" "$D.was" >"$D.diff" 2>/dev/null && [ ! -s "$D.diff" ] || stale
  fi
  if [ -s "$D.sources" ]; then
    sort -u "$D.sources" >"$D.from" && comm -13 "$K" "$D.from" >"$D.diff" 2>/dev/null && [ ! -s "$D.diff" ] || stale
  fi
elif [ -n "$COPIES" ] && ! have sha256sum; then stale
elif [ -s "$I/expect" ] && have sha256sum; then sha256sum -c "$I/expect" >/dev/null 2>&1 || stale; fi
set -e
`

// footer ends a push. A new sandbox gets its marker, and git there is told to ignore
// our folder, which a commit of all that is new would take in.
//
// It leaves the listing of what is there now: the old one, without what
// changed, with what was written. Nothing else is looked at again, because an
// edit that somebody made meanwhile would enter the listing as known. What was
// written is listed only once the clock has moved on, and if its mtime is older
// than this run: the archive's members bring theirs along. Before that goes what
// was left of an upload that was cut off, because a name less is a new ctime.
// Most shells can tell that the clock has moved on; where one compares whole seconds,
// or no times at all, a tool is asked.
const footer = `if [ -z "$MARKER" ]; then own "$R/marker"; own "${R%/*}/.gitignore"; printf '%s\n' "$NEW" >"$R/marker"; echo '*' >"${R%/*}/.gitignore"; rm -f "$R/synced"; fi
synced
set +e
umask 077
replaced & keeping=$!
: >"$D.c1"
for o in $OLD; do rm -rf "$R/in-$o"; done
for s in "$R"/script-*; do [ "$s" = "$R/$S" ] || [ ! -f "$s" ] || rm -f "$s"; done
settle() {
  set -- "$I/$S"
  if [ -z "$LISTED" ] || [ ! -s "$I/sums" ]; then :
  elif [ -f "$R/sums" ]; then learn "$I/sums" || return 1
  else set -- "$@" "$I/sums"; fi
  mv -f -- "$@" "$R/"
}
settle & settling=$!
ticked() {
  n=0
  while : >"$D.c2"; ! [ "$D.c2" -nt "$D.c1" ]; do n=$((n+1)); [ $n -lt 300 ] || break; done 2>/dev/null
  [ $n = 300 ] || return 0
  n=0
  while : >"$D.c2"; t=$(stamp "$D.c1" "$D.c2"); [ "${t%"$NL"*}" = "${t#*"$NL"}" ]; do n=$((n+1)); [ $n -lt 30 ] || return 1; done
}
rows() { sure written; }
marked() { case $LIST$late in
  find0) rows ;; # GNU find has marked it
  *0) rows | sort >"$D.is" && mark m "$D.is" "$C0" ;;
  *) rows | say "?$ID" ;;
esac; }
listed() {
  ! first || ! have comm || { wait $asked; told; }
  [ $LIST != plain ] || return 1
  ticked; late=$?
  NEWER=-newermt
  [ ! -s "$D.was" ] || { comm -23 "$K" "$D.was" >"$D.rest" 2>/dev/null && K=$D.rest; } || return 1
  sure marked | sort -o "$NOW" "$K" - && [ ! -f "$D.fail" ] && N=$ID
}
[ -z "$LISTED" ] || listed
wait $settling || N=
wait $keeping
trap - EXIT
tidy "in-$ID" lock &
[ "$N" != "$ID" ] || keep
wait
exit 0
`

func (s *applyScript) text(r *Request, p *Plan, scriptName string) string {
	return header(r, p, scriptName) + "WAS=" + itoa(s.replaced) + "\nodd() {\n:\n" + s.odd.String() + "}\nwritten() {\n:\n" + s.after.String() + "}\n" +
		s.checks.String() + `: >"$D.before"; : >"$D.sources"` + "\n" + `if [ -n "$LISTED" ]; then` + "\n:\n" + s.before.String() + "fi\n" +
		middle + s.changes.String() + footer
}

// expect adds the checks of what stands at a path now.
func (s *applyScript) expect(path string, e *core.Entry, kinds map[string][]string) {
	switch {
	case e == nil:
		kinds["none"] = append(kinds["none"], at(path))
		return
	case e.Kind == core.KindDir:
		kinds["dir"] = append(kinds["dir"], at(path))
	case e.Kind == core.KindLink:
		kinds["link"] = append(kinds["link"], at(path))
	default:
		kinds["file"] = append(kinds["file"], at(path))
		s.sum(&s.sums, path, e.Digest)
	}
	// A name with a newline has no line.
	switch {
	case !strings.Contains(path, "\n"):
		kinds["at"] = append(kinds["at"], at(path))
	case e.Kind == core.KindFile:
		kinds["holds"] = append(kinds["holds"], "holds "+e.Digest.String()+" "+Quote(at(path))+"\n")
	}
}

// sum adds a line of a checksum list, unless the name holds a byte that the tools
// escape in different ways.
func (s *applyScript) sum(b *strings.Builder, path string, d core.Digest) bool {
	if strings.ContainsAny(path, "\\\n\r") {
		return false
	}
	b.WriteString(d.String() + "  " + at(path) + "\n")
	return true
}

func (s *applyScript) writeChecks(kinds map[string][]string) {
	for _, fn := range [4]string{"none", "dir", "link", "file"} {
		commands(&s.checks, fn, kinds[fn], "")
	}
	s.checks.WriteString(strings.Join(kinds["holds"], ""))
	commands(&s.before, "at", kinds["at"], "")
}

// displace moves what stands at path to where the next pull looks for it. The
// file beside it says where it stood.
func (s *applyScript) displace(path string, id core.Digest) {
	d := `"$R/displaced/` + id.String() + `"`
	b := &s.changes
	b.WriteString(`mkdir -p "$R/displaced"; rm -rf ` + d + "\n")
	b.WriteString("printf %s " + Quote(path) + ` >"$R/displaced/` + id.String() + `.path"` + "\n")
	b.WriteString("mv -f -- " + Quote(at(path)) + " " + d + "\n")
}

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
