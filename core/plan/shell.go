package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Every shell string of the hardened dialect is made in this file, from
// quoted words and fixed text alone. The scripts use the tools of DESIGN R2
// with options that GNU, busybox and toybox share. Names reach a tool only
// behind "./" or "--", so that none is taken for an option, and results travel
// as files, because output may be cut or mangled on its way. GNU tar takes a
// backslash in an argument for the start of an escape unless it is told not to,
// which the other tars neither do nor understand.

// Quote returns s as one word of a POSIX shell. Single quotes protect all
// bytes but the single quote itself.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// shc wraps a script into a command line.
func shc(script string) string { return "sh -c " + Quote(script) }

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

// findLiteral returns the find test that matches exactly one literal name or path.
func findLiteral(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(`\*?[]`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return Quote(b.String())
}

// pruneTests returns the find expression of what the exclude rules leave out
// for sure. What they leave out beyond that travels, and the host drops it.
func pruneTests(rules *core.Rules) string {
	tests := []string{"-path " + findLiteral("./"+core.RuntimeDir)}
	for _, p := range rules.Prunes() {
		test := "-name " + findLiteral(p.Name)
		if p.Name == "" {
			test = "-path " + findLiteral("./"+p.Path)
		}
		if p.DirOnly {
			test += " -type d"
		}
		tests = append(tests, test)
	}
	return strings.Join(tests, " -o ")
}

// survey returns the plan that looks at the sandbox: one command that lists,
// hashes where it can and packs, one download, one removal.
func survey(r *Request, rules *core.Rules) *Plan {
	rt := RuntimeDir(r.Root, r.Adapter)
	down := rt + "/down-" + r.Run + ".tar"
	return &Plan{Op: r.Op, Run: r.Run, Phase: PhaseSurvey, Download: down, Steps: []Step{
		{Do: StepRun, Command: shc(surveyScript(r, rules))},
		{Do: StepRead, Path: down},
		{Do: StepRemove, Path: down},
	}}
}

// surveyScript lists the workspace into files, packs them with the contents
// (a pull, or where nothing can hash there) or with what repositories need (a
// push), and closes with the digests of the lists, the exit status of every
// stage and a digest of it all. See ReadSurvey for the form.
func surveyScript(r *Request, rules *core.Rules) string {
	newMarker := ""
	if r.Op == merge.Pull && !r.Preview && (r.Base == nil || r.Options.allows(GuardReplaced)) {
		newMarker = r.Marker // a pull without a base binds the sandbox to the next one
	}
	prunes := pruneTests(rules)
	return `W=` + Quote(r.Root) + ` A=` + Quote(r.Adapter) + ` ID=` + Quote(r.Run) + ` M=` + Quote(newMarker) + ` MODE=` + Quote(string(r.Op)) + `
` + `umask 077; LC_ALL=C; export LC_ALL
R=$W/` + core.RuntimeDir + `/$A L=` + core.RuntimeDir + `/$A/run-$ID
D=$W/$L O=$R/down-$ID.tar E=$W/$L/end
mkdir -p "$R" && rm -rf "$D" && mkdir "$D" && cd "$W" || exit 1
if [ -n "$M" ] && [ ! -f "$R/marker" ]; then printf %s "$M" >"$R/marker" || exit 1; fi
if [ -f "$R/marker" ]; then cat "$R/marker" >"$D/marker"; else : >"$D/marker"; fi
walk() { find . -mindepth 1 \( ` + prunes + ` \) -prune -o "$@"; }
list() { n=$1; shift; walk "$@" -print0 >"$D/$n" 2>/dev/null; echo "$n $?" >>"$E"; }
U=; if tar --no-unquote -cf - "$L/marker" >/dev/null 2>&1; then U=--no-unquote; fi
pack() { n=$1; shift; walk "$@" -exec tar $U -cf - {} + >>"$O" 2>/dev/null; echo "$n $?" >>"$E"; }
echo "` + surveyHead + `$MODE $ID" >"$E"
list dirs -type d
list files -type f
list execs -type f -perm -0100
list links -type l
list others ! -type d ! -type f ! -type l
find . -mindepth 1 \( ` + prunes + ` \) -prune -print0 >"$D/pruned" 2>/dev/null
walk -type d -exec sh -c 'for d do [ -r "$d" ] && [ -x "$d" ] || printf "%s\000" "$d"; done' sh {} + >"$D/blind" 2>/dev/null
: >"$D/sums"; H=
if command -v sha256sum >/dev/null 2>&1; then H=1; walk -type f -exec sha256sum {} + >"$D/sums" 2>/dev/null; echo "sums $?" >>"$E"; fi
tar -cf - "$L/marker" "$L/dirs" "$L/files" "$L/execs" "$L/links" "$L/others" "$L/pruned" "$L/blind" "$L/sums" >"$O" || exit 1
if [ "$MODE" = pull ] || [ -z "$H" ]; then
  pack bodies \( -type f -o -type l \)
  if tar --no-recursion -cf - "$L" >/dev/null 2>&1; then walk -type d -exec tar $U --no-recursion -cf - {} + >>"$O" 2>/dev/null; fi
else
  pack bodies -type l
  pack repos -path '*/.git/objects' -prune -o -path '*/.git/lfs' -prune -o -path '*/.git/*' -type f
fi
if [ -d "$R/displaced" ]; then tar -cf - ` + core.RuntimeDir + `/"$A"/displaced >>"$O" 2>/dev/null; echo "aside $?" >>"$E"; fi
if [ -n "$H" ]; then (cd "$D" && sha256sum marker dirs files execs links others pruned blind sums) >>"$E" || exit 1; fi
echo end >>"$E"
tar -cf - "$L/end" >>"$O" || exit 1
T=` + strings.Repeat("0", 64) + `
if [ -n "$H" ]; then T=$(sha256sum <"$O") || exit 1; T=${T%% *}; fi
printf '%s\n' "$T" >>"$O" || exit 1
rm -rf "$D"
`
}

// Exit statuses of the apply script. The host reads why-RUN where a client
// gives none.
const (
	ExitStale = 9  // the sandbox is not as the plan expects; nothing was changed
	ExitBusy  = 75 // another sync applies to this sandbox
)

// applyCommand unpacks the archive beside the workspace and runs its script.
func applyCommand(rt, run string) string {
	return shc(`R=` + Quote(rt) + ` ID=` + Quote(run) + `
umask 022
cd "$R" && rm -rf "in-$ID" && mkdir "in-$ID" && tar -xof "up-$ID.tar" -C "in-$ID" && rm -f "up-$ID.tar" && sh "in-$ID/apply.sh"
`)
}

// assetCommand unpacks an asset and puts it in place of the one before.
func assetCommand(rt, run, key string) string {
	return shc(`R=` + Quote(rt) + ` K=` + Quote(key) + ` ID=` + Quote(run) + `
umask 022
cd "$R" && rm -rf "in-$K-$ID" && mkdir "in-$K-$ID" && tar -xof "up-$K-$ID.tar" -C "in-$K-$ID" && rm -f "up-$K-$ID.tar" || exit 1
if [ -e "$K" ] || [ -L "$K" ]; then mv -f -- "$K" "in-$K-$ID.old" || exit 1; fi
mv -f -- "in-$K-$ID" "$K" && rm -rf "in-$K-$ID.old"
`)
}

// script gathers the parts of an apply script.
type script struct {
	checks  strings.Builder // exit ExitStale unless all hold
	sums    strings.Builder // in the form of sha256sum -c
	changes strings.Builder
}

// header takes the lock, proves that the sandbox is the surveyed one, and
// sweeps what runs of days ago left. Everything in it is read-only for the
// workspace.
func header(r *Request) string {
	return `R=` + Quote(RuntimeDir(r.Root, r.Adapter)) + ` W=` + Quote(r.Root) + ` ID=` + Quote(r.Run) + ` MARKER=` + Quote(r.Remote.Marker) + ` NEW=` + Quote(r.Marker) + `
umask 022; LC_ALL=C; export LC_ALL
I=$R/in-$ID
leave() { echo "$1" >"$R/why-$ID"; rm -rf "$I"; exit "$2"; }
cd "$R" || exit 1
if ! mkdir lock 2>/dev/null; then
  p=; [ -f lock/pid ] && read -r p <lock/pid
  case $p in ''|*[!0-9]*) p= ;; esac
  if [ -n "$p" ] && kill -0 "$p" 2>/dev/null; then leave busy ` + itoa(ExitBusy) + `; fi
  rm -rf lock; mkdir lock || leave busy ` + itoa(ExitBusy) + `
fi
echo $$ >lock/pid
trap 'rm -rf "$R/lock"' EXIT
find . -mindepth 1 -maxdepth 1 \( -name 'in-*' -o -name 'run-*' -o -name 'up-*' -o -name 'down-*' -o -name 'why-*' \) -mtime +1 -exec rm -rf {} +
m=; [ -f marker ] && read -r m <marker
[ "$m" = "$MARKER" ] || leave stale ` + itoa(ExitStale) + `
cd "$W" || exit 1
stale() { leave stale ` + itoa(ExitStale) + `; }
file() { for p do [ -f "$p" ] && [ ! -L "$p" ] || stale; done; }
dir() { for p do [ -d "$p" ] && [ ! -L "$p" ] || stale; done; }
link() { for p do [ -L "$p" ] || stale; done; }
none() { for p do [ ! -e "$p" ] && [ ! -L "$p" ] || stale; done; }
`
}

// middle ends the checks. From here on the workspace changes, and the first
// failure stops it; the next push completes what this one began.
const middle = `if [ -s "$I/expect" ] && command -v sha256sum >/dev/null 2>&1; then sha256sum -c "$I/expect" >/dev/null 2>&1 || stale; fi
set -e
`

const footer = `if [ -z "$MARKER" ]; then printf '%s\n' "$NEW" >"$R/marker"; fi
rm -rf "$I"
`

// at makes a workspace path safe as an argument of any tool.
func at(path string) string { return "./" + path }

// expect adds the checks of what stands at a path now.
func (s *script) expect(path string, e *core.Entry, kinds map[string][]string) {
	switch {
	case e == nil:
		kinds["none"] = append(kinds["none"], at(path))
	case e.Kind == core.KindDir:
		kinds["dir"] = append(kinds["dir"], at(path))
	case e.Kind == core.KindLink:
		kinds["link"] = append(kinds["link"], at(path))
	default:
		kinds["file"] = append(kinds["file"], at(path))
		// The tools disagree on how a checksum list escapes these two.
		if !strings.ContainsAny(path, "\\\n") {
			s.sums.WriteString(e.Digest.String() + "  " + at(path) + "\n")
		}
	}
}

func (s *script) writeChecks(kinds map[string][]string) {
	for _, fn := range [4]string{"none", "dir", "link", "file"} {
		commands(&s.checks, fn, kinds[fn], "")
	}
}

// displace moves what stands at path to where the next pull looks for it. The
// file beside it says where it stood.
func (s *script) displace(path string, id core.Digest) {
	d := `"$R/displaced/` + id.String() + `"`
	b := &s.changes
	b.WriteString(`mkdir -p "$R/displaced"; rm -rf ` + d + "\n")
	b.WriteString("printf %s " + Quote(path) + ` >"$R/displaced/` + id.String() + `.path"` + "\n")
	b.WriteString("mv -f -- " + Quote(at(path)) + " " + d + "\n")
}

// clearDelivered removes versions that a pull brought home.
func (s *script) clearDelivered(list []core.Aside) {
	for i := range list {
		id := list[i].Digest.String()
		s.changes.WriteString(`rm -rf "$R/displaced/` + id + `" "$R/displaced/` + id + `.path"` + "\n")
	}
}

// WhyFile returns the file in which an apply script that refused leaves the
// reason: "stale" or "busy".
func WhyFile(r *Request) string { return RuntimeDir(r.Root, r.Adapter) + "/why-" + r.Run }
