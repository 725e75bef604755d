package plan

import (
	"strconv"

	"github.com/paperclipai/syncplan/core"
)

// A client that takes and gives only whole buffers would hold a whole archive in
// memory. Where Request.Part is set, a body is a row of files instead, none
// longer than that: path, path.0001, path.0002 and so on. The first that is
// shorter ends it, and may be empty.

// PartUnit is what the length of a part is a multiple of, in bytes.
const PartUnit = 4096

// maxParts bounds the numbers that a name has room for.
const maxParts = 9999

// PartPath returns the name of the nth part of a body, counted from 0. More than
// 10,000 parts are an error of [core.CodeLimit].
func PartPath(path string, n int) (string, error) {
	if n > maxParts {
		return "", &core.Error{Code: core.CodeLimit, Message: "the archive has more parts than " + itoa(maxParts+1),
			Hint: "this client takes too little at a time for a workspace of this size"}
	}
	if n == 0 {
		return path, nil
	}
	digits := itoa(n)
	return path + "." + "0000"[len(digits):] + digits, nil
}

// validateTransfer checks what says how bodies travel.
func (r *Request) validateTransfer() error {
	if r.Part < 0 || r.Part%PartUnit != 0 {
		return invalid("part", "the length of a part is a multiple of "+itoa(PartUnit)+" bytes")
	}
	for i, run := range r.Resume {
		if !core.ValidRun(run) || run == r.Run {
			return invalid("resume["+itoa(i)+"]", "not the id of an earlier run")
		}
	}
	return nil
}

// unpack returns the command that unpacks an upload into a folder. A stream is
// read to its end, so that nobody is left writing to a closed pipe. Of a pipe GNU tar
// takes pieces larger than its own 10 KiB: each costs both sides a wait.
func unpack(r *Request, file, dir string) string {
	switch {
	case r.Stream:
		return `TAR_OPTIONS=-b128 tar -xof - -C "` + dir + `" && { ! read -r x || cat >/dev/null; }`
	case r.Part == 0:
		return `TAR_OPTIONS= tar -xof "` + file + `" -C "` + dir + `" && rm -f "` + file + `"`
	}
	return `{ cat "` + file + `"; for p in "` + file + `".*; do [ ! -f "$p" ] || cat "$p"; done; } | TAR_OPTIONS=-b128 tar -xof - -C "` + dir + `" && rm -f "` + file + `" "` + file + `".*`
}

// download returns where a download lies, and what is removed afterwards.
func download(r *Request) (path, remove string) {
	down := RuntimeDir(r.Root, r.Adapter) + "/down-" + r.Run
	if r.Part == 0 || r.Stream {
		return down + ".tar", down + ".tar"
	}
	return down + "/tar", down
}

// downloadVars says the same in a script: O is the file that it writes, B the
// number of units in a part, OUT=1 says that it goes to stdout in the end.
func downloadVars(r *Request) string {
	switch {
	case r.Stream:
		return ` O=$R/down-$ID.tar B= OUT=1`
	case r.Part == 0:
		return ` O=$R/down-$ID.tar B= OUT=`
	}
	return ` O=$R/down-$ID/tar B=` + strconv.FormatInt(r.Part/PartUnit, 10) + ` OUT=`
}

// cutParts are the functions that begin and end a download: out where OUT asks
// for it, into parts where B does. Where dd is missing it stays whole. One that goes
// out is named with its process, so that what a killed one left is swept.
const cutParts = `into() { [ -z "$B" ] || mkdir -p "${O%/*}" || exit 1; [ -z "$OUT" ] || echo $$ >"${O%.tar}.pid" || exit 1; : >"$O" && BRIEF= || exit 1; }
part() {
  k=000$1
  while [ ${#k} -gt 4 ]; do k=${k#0}; done
  k=$O.$k
}
out() { { [ -n "$BRIEF" ] && while IFS= read -r l; do printf '%s\n' "$l"; done; } || cat || exit 1; }
parts() {
  [ -z "$OUT" ] || out <"$O"
  [ -n "$B" ] || return 0
  part 1
  : >"$k" || exit 1
  have dd || return 0
  n=1
  while dd if="$O" of="$k" bs=4096 skip=$((n*B)) count="$B" 2>/dev/null && [ -s "$k" ]; do
    n=$((n+1))
    [ $n -le 9999 ] || exit 1
    part $n
  done
  [ $n = 1 ] || dd if=/dev/null of="$O" bs=4096 seek="$B" 2>/dev/null || exit 1
}
`
