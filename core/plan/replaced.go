package plan

import (
	"slices"

	"github.com/paperclipai/syncplan/core"
)

// putting is the part of an apply script that puts entries in their places. What
// somebody wrote there after it was checked must not be lost (promise D15): a file that
// stands in a place gets a second name first, and once all are in place, a replaced file
// that is not what the plan expects is set aside, as a version that a plan sets aside
// is. A save that renames between that link and the move, and an edit of a file that is
// about to be deleted, stay unseen: a shell can't exchange two entries. So does any edit
// where there is no sha256sum.
//
// $I/old mirrors the workspace. $I/was says what the plan expects there, in WAS lines; for
// names that have no line there, odd does.
//
// put DIR FILES links what stands in the places of files to be moved into a directory, which
// ends in a slash or is empty, and moves them. fill DIR FILES does that for places from which something
// was set aside: what could not be, and stands there still, must not be replaced. unchanged DIGEST FILE
// removes a second name of what the plan expects. replaced removes those of $I/was, then has odd remove the others,
// and sets aside what is left.
const putting = `KEPT=0
put() {
  d=$1 hit=; shift
  for n do o=$W/$d${n##*/}; [ ! -f "$o" ] || [ -L "$o" ] || hit=1 KEPT=$((KEPT+1)); done
  [ -z "$hit" ] || (
    for n do shift; o=./$d${n##*/}; [ ! -f "$W/$o" ] || [ -L "$W/$o" ] || set -- "$@" "$o"; done
    [ -d "old/$d" ] || mkdir -p "old/$d"
    cd "$W" && { ln -- "$@" "$I/old/$d" || cp -p -- "$@" "$I/old/$d"; }
  ) 2>/dev/null || :
  if near "$d"; then
    mv -f -- "$@" "$n/" || :
    for o do shift
      if [ -e "$o" ] || [ -L "$o" ]; then rm -rf -- "$n/${o##*/}"; stuck "./$d${o##*/}"; else set -- "$@" "$n/${o##*/}"; fi
    done
  fi
  [ $# = 0 ] || mv -f -- "$@" "$W/$d" || left "$d" "$@"
}
fill() {
  d=$1; shift
  [ -z "$STUCK" ] || for n do shift; o=$d${n##*/}; if [ -e "$W/$o" ] || [ -L "$W/$o" ]; then stuck "./$o"; else set -- "$@" "$n"; fi; done
  [ $# = 0 ] || put "$d" "$@"
}
unchanged() { [ ! -f "$2" ] || [ "$(sha256sum <"$2")" != "$1  -" ] || rm -f -- "$2"; }
replaced() {
  [ -d "$I/old" ] && have sha256sum && cd "$I/old" || return 0
  sha256sum -c "$I/was" >"$D.kept" 2>/dev/null && [ $KEPT = $WAS ] && return
  while IFS= read -r l; do case $l in *': OK') rm -f -- "${l%: OK}" ;; esac; done <"$D.kept"
  odd
  find . -type f -exec sh -c 'R=$1 ID=$2; shift 2
    mkdir -p "$R/displaced"
    for f do
      d=$(printf "%s\0%s\0late" "${f#./}" "$ID" | sha256sum) d=$R/displaced/${d%% *}
      printf %s "${f#./}" >"$d.path" && mv -f -- "$f" "$d"
    done' sh "$R" "$ID" {} +
}
`

// replace adds what the plan expects of a file that an upload takes the place of.
func (s *applyScript) replace(path string, d core.Digest) {
	if s.sum(&s.was, path, d) {
		s.replaced++
		return
	}
	s.odd.WriteString("unchanged " + d.String() + " " + Quote(at(path)) + "\n")
}

// maxPut bounds how many members one put moves, since a shell copies all arguments
// for each that it adds to them.
const maxPut = 500

// putInto begins the command, put or fill, that moves members into a directory of the workspace.
func putInto(tool, parent string) string {
	if parent != "" {
		parent += "/"
	}
	return tool + " " + Quote(parent)
}

// put moves members by a command of [putInto].
func (s *applyScript) put(into string, names []string) {
	for some := range slices.Chunk(names, maxPut) {
		commands(&s.changes, into, some, "")
	}
}
