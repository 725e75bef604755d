package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
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

// header sets the variables of an apply script beyond those of [variables]: ALL=1 says that
// nothing may differ from the listing X, or where there is none that the sandbox must be
// empty; else only what the plan touches must be as it was listed. COPIES=1 says that
// contents are taken from the workspace there, S is the script's name.
func header(r *Request, p *Plan, scriptName string) string {
	copies := false
	for _, from := range p.Uploads.from {
		copies = copies || !inRuntime(from)
	}
	return variables(r, "apply") + ` MARKER=` + Quote(p.Found) + ` NEW=` + Quote(r.Marker) + ` X=` + Quote(p.Compare) + ` ALL=` + flag(p.Assumed) +
		` COPIES=` + flag(copies) + ` OLD=` + Quote(strings.Join(r.Resume, " ")) + ` S=` + scriptName + "\n" + opening
}

// opening takes the lock, proves that the sandbox is the one that the plan is
// about, and sweeps what runs of days ago left. LISTED=1 says from then on that a
// listing proves what stands there.
//
// The checks that follow use its functions. file, dir, link and none PATHS end the script as stale
// unless that stands at each; holds DIGEST PATH does unless the file has that content.
// at and from PATHS list what is going to change, and what contents are copied from; new
// PATHS lists what was written.
const opening = `I=$R/in-$ID
. "$I/$S"
empty() { [ -r . ] || return 1; for p in * .[!.]* ..?*; do [ ! -e "$p" ] && [ ! -L "$p" ] || [ "$p" = ` + core.RuntimeDir + ` ] || return 1; done; }
` + mounting + sticking + putting + `umask 022
cd "$R" || exit 1
if ! mkdir lock 2>/dev/null; then
  if held; then leave busy ` + exitBusy + `; fi
  rm -rf lock; mkdir lock || leave busy ` + exitBusy + `
fi
echo $$ >lock/pid
trap 'set +e; replaced; bare; [ ! -d "$R/lock" ] || rm -rf "$R/lock"' EXIT
sweep
begin
mounts >"$D.mounts" 2>/dev/null & mounting=$!
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

// middle ends the checks: what "at" and "from" listed must stand in the earlier listing, line
// for line, or where that proves nothing have the digests of $I/expect. From here on the
// workspace changes. One path that can't be changed is noted, see [sticking]; any other failure stops
// it, and the next push completes what this one began.
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
mounted
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
//
// settle takes the script and the digests of what was sent over from the archive.
//
// ticked waits until the clock has moved on, and fails where it does not soon. Most shells can
// tell; where one compares whole seconds, or no times at all, a tool is asked.
//
// rows prints the lines of what was written, and marked puts the mark before those that
// need one: all of them where the clock stood still. listed puts the new listing together.
const footer = `if [ -z "$MARKER" ]; then own "$R/marker"; own "${R%/*}/.gitignore"; printf '%s\n' "$NEW" >"$R/marker"; echo '*' >"${R%/*}/.gitignore"; [ ! -e "$R/synced" ] || rm -f "$R/synced"; fi
synced
set +e
umask 077
bare
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
[ -z "$LISTED" ] || [ -n "$STUCK" ] || listed
wait $settling || N=
wait $keeping
trap - EXIT
[ -z "$STUCK" ] || mv -f "$D.stuck" "$R/why-$ID"
tidy "in-$ID" lock &
[ "$N" != "$ID" ] || keep
wait
[ -z "$STUCK" ] || exit ` + exitStuck + `
exit 0
`

func (s *applyScript) text(r *Request, p *Plan, scriptName string) string {
	return header(r, p, scriptName) + "WAS=" + itoa(s.replaced) + "\nodd() {\n:\n" + s.odd.String() + "}\nwritten() {\n:\n" + s.after.String() + "}\n" +
		s.checks.String() + `: >"$D.before"; : >"$D.sources"` + "\n" + `if [ -n "$LISTED" ]; then` + "\n:\n" + s.before.String() + "fi\n" +
		middle + s.changes.String() + footer
}
