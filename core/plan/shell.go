package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Every shell string of the hardened dialect is made of quoted words and fixed
// text alone, here, in script*.go, apply_*.go, replaced.go, reuse.go and parts.go. The scripts use the
// tools of DESIGN R2 with options that GNU, busybox and toybox share. Names reach
// a tool only behind "./" or "--", so that none is taken for an option, and
// results travel as files, because output may be cut or mangled on its way. GNU
// tar takes a backslash in an argument for the start of an escape unless it is
// told not to, which the other tars neither do nor understand.

// Quote returns s as one word of a POSIX shell. Single quotes protect all
// bytes but the single quote itself.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Word returns s as one word of a command line that a person can paste, in quotes only
// where it needs them. What could steer the terminal it is shown on stands in the $'…' of
// bash, ksh, zsh and POSIX 2024 as octal numbers (promise S8); any other shell makes of it
// a name that does not exist.
func Word(s string) string {
	plain := func(c rune) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.ContainsRune("_-./+,:@%", c)
	}
	switch {
	case s != "" && !strings.ContainsFunc(s, func(c rune) bool { return !plain(c) }):
		return s
	case core.DisplayPath(s) == strings.ReplaceAll(s, `\`, `\\`):
		return Quote(s)
	}
	b := []byte("$'")
	for _, c := range []byte(s) {
		switch {
		case c == '\'' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c > '~':
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '\''))
}

// shc wraps a script into a command line.
func shc(script string) string { return "sh -c " + Quote(script) }

// Script returns what a command line of the form that a plan's have runs in a
// shell of its own, so that a client which starts a shell itself need not start
// two. Any other command line is returned as it is.
func Script(command string) string {
	body, ok := strings.CutPrefix(command, "sh -c '")
	body, closed := strings.CutSuffix(body, "'")
	if !ok || !closed || strings.Contains(strings.ReplaceAll(body, `'\''`, ""), "'") {
		return command
	}
	return strings.ReplaceAll(body, `'\''`, "'")
}

// maxWords bounds one command's argument list in bytes, below what any system
// takes for all arguments together (131,071 for a single one on Linux).
const maxWords = 60_000

// commands writes "tool word word ... tail" lines, cut so that no list of
// arguments grows too long.
func commands(b *strings.Builder, tool string, words []string, tail string) {
	for len(words) > 0 {
		b.WriteString(tool)
		n, size := 0, 0
		for n < len(words) && (n == 0 || size+len(words[n]) < maxWords) {
			b.WriteByte(' ')
			b.WriteString(Quote(words[n]))
			size += len(words[n]) + 3
			n++
		}
		b.WriteString(tail)
		b.WriteByte('\n')
		words = words[n:]
	}
}

// groups gathers words for [commands] that are alike, in the order in which they began. The zero value is empty.
type groups struct {
	words map[string][]string
	order []string
}

func (g *groups) add(key, word string) {
	if g.words == nil {
		g.words = map[string][]string{}
	}
	if g.words[key] == nil {
		g.order = append(g.order, key)
	}
	g.words[key] = append(g.words[key], word)
}

// Exit statuses of the scripts. The host reads why-RUN where a client gives
// none.
const (
	ExitStale = 9  // the sandbox is not as the plan expects; nothing was changed
	ExitStuck = 10 // some paths could not be changed; why-RUN lists them, see [Stuck]
	ExitBusy  = 75 // another sync applies to this sandbox
	exitStale = "9"
	exitStuck = "10"
	exitBusy  = "75"
)

// WhyFile returns the file in which a script that refused leaves the reason:
// "stale", "busy", or "script" where the script itself is missing or altered; or of
// an apply script the list of what it could not change, see [Stuck].
func WhyFile(r *Request) string { return RuntimeDir(r.Root, r.Adapter) + "/why-" + r.Run }

// variables sets what all scripts know, see [script].
func variables(r *Request, mode string) string {
	return `W=` + Quote(r.Root) + ` A=` + Quote(r.Adapter) + ` R=` + Quote(RuntimeDir(r.Root, r.Adapter)) + ` ID=` + Quote(r.Run) +
		` MODE=` + mode + ` P=` + Quote(r.lastSeen()) + ` Q= EARLY=`
}

// noLinks refuses a runtime folder that is a link. Where the sandbox's file system is
// mounted on another machine, its commands would write there wherever a planted link
// leads; the files of known names in it are made anew where a link stands ("own" in script.go).
const noLinks = `for p in "${R%/*}" "$R"; do [ ! -L "$p" ] || { echo "$p is a link" >&2; exit 1; }; done
`

// byName runs the script that an earlier run left, if it is still what it was.
func byName(rules *core.Rules, vars, name string) string {
	return shc(vars + ` S=` + Quote(name) + "\n" + noLinks + begun(rules) + `if [ -f "$R/$S" ] && { ! command -v sha256sum >/dev/null 2>&1 || { Q=$(cd "$R" && sha256sum "$S" "seen-$X" 2>/dev/null); [ "${Q%% *}" = "${S#script-}" ]; }; }; then . "$R/$S"; else wait; rm -f "$R/run-$ID".*; mkdir -p "$R"; echo script >"$R/why-$ID"; exit ` + exitStale + `; fi
`)
}

// maxBegun bounds what a command brings along to begin early with, in bytes, since
// little may travel where nothing changed.
const maxBegun = 4096

// begun returns what compares with the earlier listing while the script is checked.
// Under long exclude rules that waits for the script.
func begun(rules *core.Rules) string {
	if text := withPrunes(listing+early, rules); len(text) <= maxBegun {
		return text
	}
	return ""
}

// byText brings the script along and leaves it there, also while another command does, which removes what it takes
// for old scripts. Where that has no room, what uploads that were cut off left makes some.
func byText(vars, text, name string) string {
	return shc(vars + ` S=` + Quote(name) + `
` + noLinks + `umask 077; mkdir -p "$R" || exit 1
[ ! -L "$R/$S" ] && [ ! -d "$R/$S" ] || rm -rf "$R/$S"
for s in "$R"/script-*; do [ "$s" = "$R/$S" ] || rm -f "$s"; done
cat >"$R/run-$ID.new" <<'` + endOfScript + `' && mv -f "$R/run-$ID.new" "$R/$S" || { [ -d "$R/lock" ] || rm -rf "$R"/run-*.new "$R"/in-* "$R"/up-*; exit 1; }
` + text + endOfScript + `
. "$R/$S"
`)
}

// endOfScript is a line that no script holds: excluded names stand in it only
// inside longer lines.
const endOfScript = "SYNCPLAN-END-OF-SCRIPT"

// survey returns the plan that looks at the sandbox: one command that lists,
// compares, hashes where it can and packs, one download, one removal.
func survey(r *Request, rules *core.Rules) *Plan {
	if r.Dialect == Classic {
		return classicSurvey(r)
	}
	rt := RuntimeDir(r.Root, r.Adapter)
	down, remove := download(r)
	vars := surveyVars(r)
	text, name := scriptFor(rules)
	do := StepRun
	if r.Stream {
		do = StepReceive
	}
	steps := []Step{{Do: do, Command: byName(rules, vars, name)}}
	if r.seen() == nil {
		steps[0].Command = byText(vars, text, name)
		if r.Preview { // which leaves nothing behind
			steps[0].Command = shc(vars + "\n" + noLinks + passing + text + "rmdir \"$@\" 2>/dev/null || :\n")
		}
		if len(steps[0].Command) > maxCommand {
			steps = []Step{{Do: StepMakeDir, Path: rt}, {Do: StepWrite, Path: rt + "/" + name, Data: text},
				{Do: do, Command: byName(rules, vars, name)}}
		}
	}
	p := &Plan{Op: r.Op, Run: r.Run, Phase: PhaseSurvey, Steps: steps}
	if !r.Stream {
		p.Download, p.Steps = down, append(steps, Step{Do: StepRead, Path: down}, Step{Do: StepRemove, Path: remove})
	}
	return p
}

// surveyVars sets what a survey knows, see [script].
func surveyVars(r *Request) string {
	vars := variables(r, string(r.Op)) + downloadVars(r) + ` OLD=`
	if r.Op == merge.Push && !r.Preview {
		vars += Quote(strings.Join(r.Resume, " "))
	}
	vars += ` X=`
	if seen := r.seen(); seen != nil {
		vars += Quote(seen.ID)
	}
	vars += ` M=`
	if r.Op == merge.Pull && !r.Preview && (r.Base == nil || r.Options.allows(GuardReplaced)) {
		vars += r.Marker // a pull without a base binds the sandbox to the next one
	}
	return vars + ` V=` + flag(r.Preview)
}

// flag is how a script is told yes or no.
func flag(on bool) string {
	if on {
		return "1"
	}
	return ""
}

// passing makes the runtime directory, and names what it made, innermost first.
const passing = `
umask 077; set --; p=$R; while [ -n "$p" ] && [ ! -d "$p" ]; do set -- "$@" "$p"; p=${p%/*}; done; mkdir -p "$R" || exit 1
`

// maxCommand is the longest command line in bytes: below what Linux takes for
// one argument.
const maxCommand = 120_000

// checkCommand proves that the sandbox is as it was seen.
func checkCommand(r *Request, rules *core.Rules) string {
	_, name := scriptFor(rules)
	return byName(rules, variables(r, "check")+` X=`+Quote(r.Base.Seen.ID)+` MARKER=`+Quote(r.Base.Marker), name)
}

// fetch returns the steps that bring contents which a survey did not: because a
// listing was not believed, or an earlier run had them and lost them.
func fetch(r *Request, list []Fetch) []Step {
	rt := RuntimeDir(r.Root, r.Adapter)
	names := make([]string, len(list))
	for i := range list {
		names[i] = at(list[i].Path)
	}
	var b strings.Builder
	b.WriteString("R=" + Quote(rt) + " ID=" + Quote(r.Run) + downloadVars(r) + `
` + noLinks + `umask 077; LC_ALL=C TAR_OPTIONS=; export LC_ALL
have() { command -v "$1" >/dev/null 2>&1; }
` + cutParts + `trap 'rm -rf "$R/run-$ID.sh" "$R/down-$ID"*' EXIT
into
cd ` + Quote(r.Root) + ` || exit 1
U=; if tar --no-unquote -cf - "$O" >/dev/null 2>&1; then U=--no-unquote; fi
`)
	commands(&b, "tar $U -cf -", names, ` >>"$O" 2>/dev/null`)
	b.WriteString(`echo "` + surveyHead + `fetch $ID" >>"$O"; echo end >>"$O"
T=` + zeroSum + `
if command -v sha256sum >/dev/null 2>&1; then T=$(sha256sum <"$O") || exit 1; T=${T%% *}; fi
printf '%s\n' "$T" >>"$O" || exit 1
parts
[ -n "$OUT" ] || { trap - EXIT; rm -f "$R/run-$ID.sh"; }
`)
	if r.Stream {
		return []Step{{Do: StepReceive, Command: "sh", Data: b.String()}}
	}
	down, remove := download(r)
	file := rt + "/run-" + r.Run + ".sh"
	return []Step{{Do: StepWrite, Path: file, Data: b.String()}, {Do: StepRun, Command: "sh " + Quote(file)},
		{Do: StepRead, Path: down}, {Do: StepRemove, Path: remove}}
}

// applyCommand unpacks the archive beside the workspace and runs its script, which
// exits itself at its end: one that was cut, as by the same command run twice at
// once, must not look done. What arrived stays for the next push, but where the disk is full.
func applyCommand(r *Request, rt string) string {
	return shc(`R=` + Quote(rt) + ` ID=` + Quote(r.Run) + `
` + noLinks + `umask 022
{ [ ! -e "$R/in-$ID" ] || rm -rf "$R/in-$ID"; } && mkdir -p "$R/in-$ID" && cd "$R" && ` + unpack(r, "up-$ID.tar", "in-$ID") + ` && [ -f "in-$ID/` + lastMember + `" ] || {
  printf %4096s x 2>/dev/null | cat 2>/dev/null >"$R/in-$ID/room" && rm -f "$R/in-$ID/room" || rm -rf "$R/in-$ID" "$R/up-$ID".*
  exit 1
}
. "./in-$ID/apply.sh"
exit 1
`)
}

// makeRuntime makes the runtime folder where no step before did.
func makeRuntime(r *Request) string {
	if r.Stream {
		return `mkdir -p "$R" && `
	}
	return ""
}

// assetCommand unpacks an asset and puts it in place of the one before, which may hold directories without
// permission by then.
func assetCommand(r *Request, rt, key string) string {
	return shc(`R=` + Quote(rt) + ` K=` + Quote(key) + ` ID=` + Quote(r.Run) + `
` + noLinks + `umask 022
` + makeRuntime(r) + `cd "$R" && rm -rf "in-$K-$ID" && mkdir "in-$K-$ID" && ` + unpack(r, "up-$K-$ID.tar", "in-$K-$ID") + ` || { rm -rf "$R/in-$K-$ID" "$R/up-$K-$ID".*; exit 1; }
if [ -e "$K" ] || [ -L "$K" ]; then mv -f -- "$K" "in-$K-$ID.old" || exit 1; fi
mv -f -- "in-$K-$ID" "$K" || exit 1
K=in-$K-$ID.old
rm -rf "$K" 2>/dev/null || { chmod -R u+rwx "$K"; rm -rf "$K"; } 2>/dev/null || :
`)
}

// at makes a workspace path safe as an argument of any tool.
func at(path string) string { return "./" + path }
