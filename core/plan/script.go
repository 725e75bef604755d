package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// The script that every command of ours runs in the sandbox: it lists the
// workspace, compares the listing with the one left by an earlier run, and
// packs what differs. A push leaves it there as RT/script-<digest>, and a
// command runs it only if it still has that digest. It stands in four files: this
// one, script_listing.go, script_compare.go and script_survey.go.
//
// A listing has a line for each name, sorted by bytes:
//
//	<mtime> <ctime> <inode> <size> <kind and mode> ./path    files, links, special files
//	0 0 d<mode> ./path                                       directories
//	0 0 x ./path                                             excluded, and nothing below it is listed
//	0 0 !                                                    some name holds a newline; see the NUL lists
//
// Two equal lines mean one unchanged file, because a file that is written gets
// a new ctime, which nobody can set. That fails for a write in the same tick of
// the clock as the listing, so what is as young as the listing itself gets a
// mark that no other listing repeats, "?<run> " before the line, and is read again
// (the racily-clean rule of DESIGN section 7).
//
// A listing lies at RT/seen-<run>, and counts once RT/seen-<run>.clock tells when
// it was begun, and its digest. A difference of two listings has the form of comm -3:
// what is new has a tab before it, what is gone has none.
//
// RT/sums holds the digests of contents that the host has, sorted: those are not
// sent, under whatever name they stand.
//
// RT/synced names the runs that left a listing here or changed the workspace. Where
// it lacks the one that base speaks of, and that listing is gone, the sandbox was set
// back to an earlier state, such as a snapshot of its machine: what came since would
// look deleted there. So its marker does not count then (promise D4), whatever it says.
// The names of the listings could not tell that: only the newest stays, and a sandbox that
// lost them all is no other one.
//
// Variables that the caller sets:
//
//	W A R   workspace, adapter, runtime directory RT
//	ID      the run
//	MODE    push or pull (a survey before that), check, or apply
//	P       the run that base speaks of
//	X       the run that left the listing to compare with; empty for none
//	Q       what sha256sum said of the script and of that listing, if it was asked
//	EARLY   the process that began the comparison meanwhile
//	M V     a survey: a marker for a sandbox that has none; 1 to leave nothing behind
//	O B OUT a survey: where the download goes, see parts.go
//	OLD     a survey or push: runs whose uploads were cut off
//	MARKER  a check or push: the marker that must be there
//
// Variables of its own:
//
//	D L     the prefix of this run's temporary files, as a path of the system and below W
//	NOW K   the listing in the making, and the earlier one
//	SEEN    the name of the one in the making: ID, but for a push that looks
//	LIST    what lists here: find (GNU), stat, or plain, which tells no times
//	C0      when the listing was begun: the ctime of $D.c0
//	NEWER   the test of GNU find for what is as young as the listing, and PAST, its argument
//	m       the marker that is there, empty where none counts
//	N       the run whose listing is there afterwards
//	H       1 where there is sha256sum
//	G       1 where something of a repository differs that is no object
//	F S P   in a survey, from "now" on: 1 where listing, hashing, packing was not whole
//	Y       in a survey: the lines to show, the differences or all
//	FEW     1 while eight lines differ at most; shell built-ins take them sooner than a tool starts.
//	        A long line counts for several, since tar repeats a long name
//	SMALL   1 where all that differs is packed sooner than looked up in RT/sums
//	EVEN    1 where some line may be as young as the listing
//	BRIEF   1 where the download is text alone
//	Z       1 where the download is compressed
//	T U     the digest that ends the download; an option of tar
const script = listing + housekeeping + cutParts + clock + lists + comparing + differences + packing + surveying

// housekeeping ends a command and clears away what earlier ones left. It begins with the tools
// that nothing makes up for: a sandbox without find would look empty.
//
// own FILE removes a link that was planted there, so that what is written next
// makes a file in its place.
//
// A push that looks first leaves a listing under another name than when it applies: of a command
// that was to apply and never ran, nothing there may say that it did.
//
// leave REASON STATUS ends the command and tells the host why, in [WhyFile]; stale is
// that of a sandbox which is not as the plan expects.
//
// lives tells whether the process p lives. One that ended stays until its parent asks for it, in many
// containers for ever. held tells whether that one does which holds the lock of an apply step.
//
// sweep looks with built-ins alone whether anything lies there that another run left, and
// only then starts tools: old removes downloads whose process is gone, what is days old of
// runs that died, listings that never came to count, and all but the last 1,024 lines of
// RT/synced once it has 4,096.
const housekeeping = `L=` + core.RuntimeDir + `/$A/run-$ID SEEN=$ID TAB='	'
[ $MODE != push ] || SEEN=z${ID#?}
NOW=$R/seen-$SEEN
for t in find tar cat rm rmdir mv cp mkdir chmod ln sort; do
  have $t || { wait; rm -f "$D".* 2>/dev/null; echo "$t: not found" >&2; exit 127; }
done
own() { [ ! -L "$1" ] || rm -f "$1"; }
leave() { wait; rm -rf "$D".* "$NOW" "$NOW.clock"; echo "$1" >"$R/why-$ID"; exit "$2"; }
stale() { leave stale ` + exitStale + `; }
lives() {
  case $p in ''|*[!0-9]*) return 1 ;; esac
  kill -0 "$p" 2>/dev/null || return 1
  l=; read -r l 2>/dev/null </proc/"$p"/stat || :
  case $l in *') Z '*) return 1 ;; esac
}
held() { p=; [ ! -f "$R/lock/pid" ] || read -r p <"$R/lock/pid" || :; lives; }
sweep() {
  for s in "$R"/in-* "$R"/run-* "$R"/up-* "$R"/down-* "$R"/why-* "$R"/seen-*; do
    case $s in *"-$ID"|*"-$ID."*|"$NOW"|*'-*'|*.clock) continue ;; */seen-*) [ ! -f "$s.clock" ] || continue ;; esac
    old; return
  done
}
old() {
  for s in "$R"/down-*.pid; do p=; [ ! -f "$s" ] || read -r p <"$s" || :; lives || rm -rf "${s%.pid}".*; done
  find "$R" -mindepth 1 -maxdepth 1 \( -name 'in-*' -o -name 'run-*' -o -name 'up-*' -o -name 'down-*' -o -name 'why-*' \) -mtime +1 -exec rm -rf {} +
  find "$R" -mindepth 1 -maxdepth 1 -name 'seen-*' ! -name '*.clock' -mtime +1 -exec sh -c '[ -f "$1.clock" ] || rm -f "$1"' sh {} \;
  own "$R/synced"; own "$R/synced.new"
  n=0; [ ! -f "$R/synced" ] || while read -r l; do n=$((n+1)); done <"$R/synced"
  [ $n -lt 4096 ] || { while read -r l; do n=$((n-1)); [ $n -ge 1024 ] || echo "$l"; done <"$R/synced" >"$R/synced.new" && mv -f "$R/synced.new" "$R/synced"; }
}
`

const zeroSum = "0000000000000000000000000000000000000000000000000000000000000000"

// scriptFor returns the script with what the rules exclude for sure, and the
// name that it has in the runtime directory.
func scriptFor(rules *core.Rules) (text, name string) {
	text = withPrunes(script, rules)
	return text, "script-" + core.Sum(text).String()
}

func withPrunes(script string, rules *core.Rules) string {
	return strings.ReplaceAll(script, "@PRUNES@", pruneTests(rules))
}

// pruneTests returns the find expression of what the exclude rules leave out
// for sure. What they leave out beyond that is listed, and the host drops it.
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

// rulesDigest names the rules under which a listing was made, and its form: one
// made under others says nothing about what is excluded now.
func rulesDigest(o *Options) core.Digest {
	parts := []string{"listing 1\n"}
	add := func(s string) { parts = append(parts, itoa(len(s)), " ", s) }
	for _, p := range o.Exclude {
		add(p)
	}
	for i := range o.Ignores {
		add(o.Ignores[i].Dir)
		add(o.Ignores[i].Text)
	}
	for _, p := range o.SeedExclude {
		parts = append(parts, "seed ")
		add(p)
	}
	return core.Sum(parts...)
}
