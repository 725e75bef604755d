package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// sticking is the part of an apply script that goes on where one path can't be changed: on a
// read-only file system, in a directory without permission, an immutable file, a file that is mounted.
// All others are, and the script ends with [ExitStuck] and the paths in [WhyFile], so that base
// does not claim what is not there (promise R1). It leaves no listing then.
//
// stuck PATHS notes them in $D.stuck, which may get long, so that nothing looks in it; STUCK is 1 then.
// gone FILES removes, mode +x|a-x FILES sets permissions, and left DIR MEMBERS notes what could not be
// moved into a directory of the workspace.
const sticking = `STUCK=
stuck() { STUCK=1; printf '%s\0' "$@" >>"$D.stuck" || exit 1; }
gone() { rm -f -- "$@" || for p do [ ! -e "$p" ] && [ ! -L "$p" ] || stuck "$p"; done; }
mode() { x=$1; shift; chmod $x -- "$@" || for p do case $x in +x) [ -x "$p" ] ;; *) [ ! -x "$p" ] ;; esac || stuck "$p"; done; }
left() { d=$1; shift; for o do [ ! -e "$o" ] && [ ! -L "$o" ] || stuck "./$d${o##*/}"; done; }
`

// Stuck tells a list of paths that an apply script could not change from the other reasons in
// [WhyFile]: each begins with "./" and ends with a NUL.
func Stuck(why string) bool { return strings.HasPrefix(why, "./") }

// Hold marks in the results of a push, one a decision, what the sandbox could not change, as [Stuck] tells. What it lists
// beyond the plan is ignored, so it can claim no more than that something was not done.
func Hold(p *Plan, results []merge.Result, stuck string) {
	held := map[string]bool{} // false for the directories above
	for path, rest := "", stuck; rest != ""; {
		path, rest, _ = strings.Cut(rest, "\x00")
		path = strings.TrimPrefix(path, "./")
		if core.ValidatePath(path) != nil {
			continue
		}
		held[path] = true
		for dir := core.Parent(path); dir != ""; dir = core.Parent(dir) {
			if !held[dir] {
				held[dir] = false
			}
		}
	}
	decisions := p.Decisions.Reader()
	for i := range results {
		d, path := decisions.At(i), ""
		for path = d.Path; path != "" && !held[path]; path = core.Parent(path) {
		}
		_, above := held[d.Path]
		switch {
		case path != "":
			results[i] = merge.Failure(core.ProblemWriteFailed,
				"the sandbox did not let it be changed: it is read-only there, mounted, or lacks a permission; change that or exclude it")
		case above && d.Action == merge.Delete:
			results[i] = merge.Failure(core.ProblemNotEmpty, "something in it could not be deleted in the sandbox")
		}
	}
}
