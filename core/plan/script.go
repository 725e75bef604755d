package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// The script that every command of ours runs in the sandbox: it lists the
// workspace, compares the listing with the one left by an earlier run, and
// packs what differs. A push leaves it there as RT/script-<digest>, and a
// command runs it only if it still has that digest.
//
// A listing has a line for each name, sorted by bytes:
//
//	<mtime> <ctime> <inode> <size> <kind and mode> ./path    files, links, special files
//	0 0 d<mode> ./path                                       directories
//	0 0 x ./path                                             excluded, and nothing below it is listed
//	0 0 !                                                    some name holds a newline; see the NUL lists
//
// RT/sums holds the digests of contents that the host has, sorted: those are not
// sent, under whatever name they stand, unless all that differs is so SMALL that it
// can be packed sooner than looked up. It is hashed all the same, while it is packed:
// what was packed and what was hashed must be one content.
//
// Two equal lines mean one unchanged file, because a file that is written gets
// a new ctime, which nobody can set. That fails for a write in the same tick of
// the clock as the listing, so what is as young as the listing itself gets a
// mark that no other listing repeats, and is read again (the racily-clean rule
// of DESIGN section 7). GNU find gives the marks itself: to what is NEWER than
// PAST, a nanosecond before C0, since it knows no "as new as". Where an earlier
// listing tells that it is GNU find, C0 is learnt with the names, and PAST is the
// file whose ctime that is; what is as new as C0 is looked for among the differences,
// where it is sure to be, and found, it has everything listed again.
//
// Where a command began early, the listing goes straight into the comparison, and is
// put together again from the earlier one and the differences if there are any.
//
// A listing lies at RT/seen-<run>, and counts once RT/seen-<run>.clock tells when
// it was begun, and its digest.
//
// RT/synced names the runs that left a listing here or changed the workspace. Where it lacks the
// one that base speaks of, and that listing is gone, the sandbox was set back to an earlier state, such as a snapshot of
// its machine: what came since would look deleted there. So its marker does not count then
// (promise D4), whatever it says.
//
// Variables that the caller sets: W workspace, A adapter, R runtime directory,
// ID run, P run that base speaks of, X run that left the listing to compare with, Q what sha256sum said of
// the script and that listing, EARLY the comparison that was begun meanwhile,
// MODE, and for a survey M a new marker, V=1 to leave nothing behind, O and B where
// the download goes (parts.go), OLD the runs whose uploads were cut off; for a check
// MARKER.
const script = listing + `L=` + core.RuntimeDir + `/$A/run-$ID NOW=$R/seen-$ID TAB='	'
own() { [ ! -L "$1" ] || rm -f "$1"; }
leave() { wait; rm -rf "$D".* "$NOW" "$NOW.clock"; echo "$1" >"$R/why-$ID"; exit "$2"; }
stale() { leave stale ` + exitStale + `; }
held() { p=; [ ! -f "$R/lock/pid" ] || read -r p <"$R/lock/pid" || :; case $p in ''|*[!0-9]*) return 1 ;; esac; kill -0 "$p" 2>/dev/null; }
sweep() {
  for s in "$R"/in-* "$R"/run-* "$R"/up-* "$R"/down-* "$R"/why-* "$R"/seen-*; do
    case $s in *"-$ID"|*"-$ID."*|*'-*'|*.clock) continue ;; */seen-*) [ ! -f "$s.clock" ] || continue ;; esac
    old; return
  done
}
old() {
  find "$R" -mindepth 1 -maxdepth 1 \( -name 'in-*' -o -name 'run-*' -o -name 'up-*' -o -name 'down-*' -o -name 'why-*' \) -mtime +1 -exec rm -rf {} +
  find "$R" -mindepth 1 -maxdepth 1 -name 'seen-*' ! -name '*.clock' -mtime +1 -exec sh -c '[ -f "$1.clock" ] || rm -f "$1"' sh {} \;
  own "$R/synced"; own "$R/synced.new"
  n=0; [ ! -f "$R/synced" ] || while read -r l; do n=$((n+1)); done <"$R/synced"
  [ $n -lt 4096 ] || { while read -r l; do n=$((n-1)); [ $n -ge 1024 ] || echo "$l"; done <"$R/synced" >"$R/synced.new" && mv -f "$R/synced.new" "$R/synced"; }
}
` + cutParts + `newdir() { mkdir "$1" 2>/dev/null || { rm -rf "$1" && mkdir "$1"; }; }
stamp() { case $LIST in find) find "$@" -printf '%C@\n' ;; *) stat -c %z "$@" ;; esac; }
before() {
  case ${C0#*.} in
    ?????????0) PAST=${C0#*.}; PAST=$((1${PAST%?}-1)) ;;
    *) PAST=999999999 ;; # another form: the second before
  esac
  case $PAST in 1?????????) PAST=@${C0%.*}.${PAST#1} ;; *) PAST=@$((${C0%.*}-1)).$PAST ;; esac
}
ask() { find "$D.c0" -printf '%C@\n' >"$D.t" 2>/dev/null || stat -c %z "$D.c0" >"$D.t" 2>/dev/null || rm -f "$D.t"; }
told() {
  LIST=plain
  [ ! -s "$D.t" ] || read -r C0 <"$D.t" || return 0
  case $C0 in '') ;; *' '*) LIST=stat ;; *) LIST=find; before ;; esac
}
recall() { [ $MODE != apply ] && claim && case $c in *' '*) return 1 ;; *) LIST=find NEWER=-newercc PAST=$D.c0 ;; esac; }
first() { [ $MODE = apply ] && [ -n "$ALL" ] && [ -z "$X" ]; }
begin() {
  [ -n "$EARLY" ] || { cd "$W" && : >"$D.c0" || exit 1; }
  LIST=plain C0=
  if ! have comm; then :; elif first; then ask & asked=$!; else recall || { ask; told; }; fi
  m=; [ ! -f "$R/marker" ] || read -r m <"$R/marker" || :
  case ${#m}-$m in 32-*[!0123456789abcdef]*) m= ;; 32-*) ;; *) m= ;; esac
  ! setback || m=
}
setback() {
  [ -n "$P" ] && [ ! -f "$R/seen-$P.clock" ] && [ -f "$R/synced" ] && [ -s "$R/synced" ] || return 1
  while read -r l; do [ "$l" != "$P" ] || return 1; done <"$R/synced"
}
synced() { own "$R/synced"; echo "$ID" >>"$R/synced"; }
NEWER=-newerct N= TRIED= U=
lines() { case $LIST in
  find) gnulines "$@" ;;
  *) find "$@" -path "*$NL*" -exec stat -c '0 0 !' {} + -o -type d -exec stat -c '0 0 d%a %n' {} + -o -exec stat -c '%y %z %i %s %f %n' {} + ;;
esac; }
walk() { find . -path . -o \( @PRUNES@ \) -prune -o "$@"; }
say() { while IFS= read -r l; do printf '%s %s\n' "$1" "$l"; done; }
whole() { case $LIST in
  find) gnuwhole ;;
  stat) lines . -path . -o -path "*$NL*" -exec stat -c '0 0 !' {} + -o \( @PRUNES@ \) -prune -exec stat -c '0 0 x %n' {} + -o ;;
  *) sure find . -path . -o ! -path "*$NL*" \( @PRUNES@ \) -prune -print | say '0 0 x'
     sure walk ! -path "*$NL*" -type d -print | say '0 0 d755'
     sure walk ! -path "*$NL*" -type f -perm -0100 -print | say '0 0 0 0 f755'
     sure walk ! -path "*$NL*" -type f ! -perm -0100 -print | say '0 0 0 0 f644'
     sure walk ! -path "*$NL*" -type l -print | say '0 0 0 0 l777'
     sure walk ! -path "*$NL*" ! -type d ! -type f ! -type l -print | say '0 0 0 0 p644'
     sure walk -path "*$NL*" -print | { ! read -r l || { echo '0 0 !'; cat >/dev/null; }; } ;;
esac; }
now() {
  if [ -n "$EARLY" ]; then
    if wait "$EARLY" && [ $NEWER = -newercc ] && [ ! -f "$D.fail" ] && [ -f "$D.t" ]; then F=0; read -r C0 <"$D.t"; return; fi
    EARLY=; rm -f "$D.fail" "$D.t"
  fi
  list
  if [ $LIST = find ] && [ -z "$C0" ]; then
    if [ -f "$D.t" ]; then read -r C0 <"$D.t"; else NEWER=-newerct; ask; told; list; fi
  fi
}
look() {
  [ ! -f "$D.fail" ] || rm -f "$D.fail"
  sure whole 2>/dev/null | sort -u >"$NOW" || exit 1
  [ ! -f "$D.fail" ]
}
list() { F=0; look || look || F=1; }
differ() { [ -n "$EARLY" ] || comm -3 "$K" "$NOW" >"$D.diff" 2>/dev/null; }
same() { [ $F = 0 ] && differ && [ ! -s "$D.diff" ]; }
sum() { if have sha256sum; then sha256sum <"$1"; else echo -; fi; }
claim() {
  c='' s='' k=${Q#*"$NL"}
  k=${k:+${k%% *}  -}
  [ -n "$X" ] && [ -f "$K" ] && [ -f "$K.clock" ] && { read -r c && read -r s; } <"$K.clock" && [ "${k:-$(sum "$K")}" = "$s" ]
}
known() { [ $LIST != plain ] && claim && [ "$C0" \> "$c" ]; }
mark() {
  case $1 in m) k=1,2 n='' ;; c) k=4,5 n='* * * ' ;; esac
  sort -r -k $k "$2" >"$D.latest" || return 1
  while IFS= read -r l; do t=${l#$n}; if [ "$t" \> "$3" ]; then printf '%s\n' "$l"; else break; fi; done <"$D.latest" >"$D.young"
  if [ -s "$D.young" ]; then sort "$D.young" | comm -23 "$2" -; say "?$ID" <"$D.young"; else cat "$2"; fi
}
keep() { { echo "$C0"; if [ $# = 0 ]; then sum "$NOW"; else echo "$1  -"; fi; } >"$NOW.clock"; }
tidy() {
  cd "$R" || return 1
  if [ "$N" != "$ID" ]; then set -- "$@" "seen-$ID"
  else for s in seen-*; do case $s in
    "seen-$ID"|"seen-$ID.clock"|"seen-$X"|"seen-$X.clock") ;;
    *.clock) set -- "$@" "$s" "${s%.clock}" ;; # one without may be in the making
  esac; done; fi
  rm -rf "run-$ID" "run-$ID".* "$@"
}
learn() { own "$R/sums"; [ ! -f "$R/sums" ] || set -- "$1" "$R/sums"; sort -u -o "$R/sums" "$@"; }
tars() {
  [ -z "$TRIED" ] || return 0
  TRIED=1
  if tar --no-unquote -cf - "$D.c0" >/dev/null 2>&1; then U=--no-unquote; fi
}
digest() { if [ -n "$H" ]; then sha256sum "$@" >>"$D.sums" 2>/dev/null || S=1; else printf '%s\n' "$@" >>"$D.want"; fi; }
pick() {
  set --
  FEW=1 SMALL=1 n=0 b=0 EVEN= G=
  : >"$D.sums"; : >"$D.want"
  while IFS= read -r l; do
    [ $((n+=1)) -lt 9 ] || FEW=
    case $l in "$TAB"*) printf '%s\n' "${l#?}" >&4 ;; *) printf '%s\n' "$l" >&3 ;; esac
    p=./${l#*' ./'}
    case $p in */.git/objects/*|*/.git/lfs/*) ;; */.git/*) G=1 ;; esac
    case $l in "${TAB}0 0 "*) continue ;; "$TAB"*" $C0 "*) EVEN=1 ;; "$TAB"*) ;; *) continue ;; esac
    if [ -L "$p" ]; then printf '%s\n' "$p" >>"$D.want"
    elif [ -f "$p" ]; then
      case $p in *\\*) SMALL=; printf '%s\n' "$p" >>"$D.want" ;; */.git/*) SMALL= ;; esac
      [ -z "$FEW" ] || { s=${l%% ./*} s=${s% *}; b=$((b+${s##* })); }
      set -- "$@" "$p"
      [ $# -lt 200 ] || { digest "$@"; set --; }
    fi
  done <"$D.diff" 3>"$D.gone" 4>"$D.come"
  [ -n "$FEW" ] && [ -z "$EVEN" ] && [ $b -le 8192 ] && [ $MODE = pull ] && [ -n "$H" ] || SMALL=
  if [ $# = 0 ]; then :
  elif [ -n "$SMALL" ]; then printf '%s\n' "$@" >>"$D.want"; digest "$@" &
  else digest "$@"; fi
}
again() { EARLY=; [ $NEWER = -newerct ] || { NEWER=-newerct; before; list; }; }
rebuild() { comm -23 "$K" "$D.gone" | sort - "$D.come" >"$NOW"; }
revise() {
  [ -s "$D.diff" ] || return 0
  pick
  [ -z "$EVEN" ] || [ $NEWER = -newerct ] || { again; differ && pick; }
}
order() {
  [ -n "$FEW" ] || { sort; return; }
  set --
  while IFS= read -r l; do
    n=$#
    while [ $n -gt 0 ]; do
      if [ -z "$l" ] || [ "$l" \> "$1" ]; then set -- "$@" "$1"; else set -- "$@" "$l" "$1"; l=; fi
      shift
      n=$((n-1))
    done
    [ -z "$l" ] || set -- "$@" "$l"
  done
  printf '%s\n' "$@"
}
fresh() {
  order <"$D.sums" >"$D.sorted"
  d=
  while IFS= read -r l; do case $l in '\'*|"$d "*) ;; *) d=${l%% *}; echo "$d" ;; esac; done <"$D.sorted" >"$D.digests"
  if [ -f "$R/sums" ]; then comm -13 "$R/sums" "$D.digests"; else cat "$D.digests"; fi >"$D.fresh"
  f=
  while IFS= read -r l <&3; do
    d=${l%% *}
    while [ "$f" \< "$d" ]; do read -r f <&4 || f=g; done
    case $l in */.git/*) continue ;; esac
    [ "$d" != "$f" ] || { printf '%s\n' "./${l#*' ./'}" >>"$D.want"; f=$f.; }
  done 3<"$D.sorted" 4<"$D.fresh"
  if [ -z "$V" ] && [ $LIST != plain ]; then learn "$D.digests" & fi
}
wanted() {
  set --
  while IFS= read -r p; do
    case $p in *\\*) tars ;; esac
    if [ $MODE = pull ] || [ -L "$p" ] || [ -z "$H" ]; then set -- "$@" "$p"; fi
    [ $# -lt 200 ] || { tar $U -cf - "$@" >>"$O" 2>/dev/null || P=1; set --; }
  done <"$D.want"
  [ $# = 0 ] || tar $U -cf - "$@" >>"$O" 2>/dev/null || P=1
}
pack() { tars; walk "$@" -exec tar $U -cf - {} + >>"$O" 2>/dev/null || P=1; }
odd() {
  newdir "$D" || exit 1
  {
    for k in d f l; do walk -path "*$NL*" -type $k -print0 >"$D/odd-$k" || F=1; done
    walk -path "*$NL*" -type f -perm -0100 -print0 >"$D/odd-x" || F=1
    walk -path "*$NL*" ! -type d ! -type f ! -type l -print0 >"$D/odd-p" || F=1
  } 2>/dev/null
  E="*$NL*"; : >"$D/end$NL"; tar -cf - "$D/end$NL" >/dev/null 2>&1 || E="*$NL*[!$NL]" # toybox loses a newline at the end of a name
  : >"$D/odd-sums"; [ -z "$H" ] || walk -path "$E" -type f -exec sha256sum {} + >"$D/odd-sums" 2>/dev/null
  (cd "$W" && tar -cf - "$L/odd-d" "$L/odd-f" "$L/odd-l" "$L/odd-x" "$L/odd-p" "$L/odd-sums") >>"$O" || exit 1
  if [ $MODE = pull ] || [ -z "$H" ]; then pack -path "$E" \( -type f -o -type l \); else pack -path "$E" -type l; fi
}
arrived() {
  for o in $OLD; do
    if [ -f "$R/up-$o.tar" ]; then
      rm -rf "$R/in-$o" && mkdir "$R/in-$o" || exit 1
      cat "$R/up-$o.tar" "$R/up-$o.tar".* 2>/dev/null | tar -xof - -C "$R/in-$o" 2>/dev/null
      rm -f "$R/up-$o.tar" "$R/up-$o.tar".*
    fi
    [ ! -d "$R/in-$o" ] || find "./` + core.RuntimeDir + `/$A/in-$o" ! -path "*$NL*" -type f -exec sha256sum {} + >>"$D.sums" 2>/dev/null
  done
}
show() {
  if [ -n "$FEW" ]; then for s do while IFS= read -r l; do printf '%s\n' "$l"; done <"$s" && echo . || exit 1; done
  else echo . >"$D.dot" && cat "$1" "$D.dot" "$2" "$D.dot" "$3" "$D.dot" || exit 1; fi
}
bind() { if [ -n "$M" ] && [ -z "$m" ]; then own "$R/marker"; printf '%s\n' "$M" >"$R/marker" || exit 1; m=$M; fi; }
changed() {
  [ ! -s "$D.diff" ] || [ -n "$V" ] || sweep
  [ $MODE != pull ] || [ -n "$SMALL" ] || [ ! -s "$D.sums" ] || fresh
  if [ -n "$EARLY" ] && [ -s "$D.diff" ]; then sure rebuild & fi
}
everything() {
  X= G=1 FEW= Y=$NOW; : >"$D.sums"; : >"$D.want"
  again
  [ -n "$V" ] || sweep
  if [ -n "$H" ]; then walk ! -path "*$NL*" -type f -exec sha256sum {} + >"$D.sums" 2>/dev/null || S=1; fi
  if [ -z "$H" ]; then pack ! -path "*$NL*" \( -type f -o -type l \)
  elif [ $MODE = pull ] && [ ! -f "$R/sums" ]; then pack ! -path "*$NL*" ! -path '*/.git/*' \( -type f -o -type l \)
  else pack ! -path "*$NL*" -type l; fi
  [ $MODE != pull ] || [ ! -s "$D.sums" ] || [ ! -f "$R/sums" ] || fresh
}
repos() { pack ! -path "*$NL*" -path '*/.git/objects' -prune -o -path '*/.git/lfs' -prune -o -path '*/.git/hooks' -prune -o -path '*/.git/*' -type f; }
displaced() { [ ! -d "$R/displaced" ] || tar -cf - ` + core.RuntimeDir + `/"$A"/displaced >>"$O" 2>/dev/null || P=1; }
blind() { FEW=; walk -type d -exec sh -c 'for d do [ -r "$d" ] && [ -x "$d" ] || printf "%s\n" "$d"; done' sh {} + >"$D.blind" 2>/dev/null; }
remember() {
  [ -z "$V" ] && [ $LIST != plain ] || return 0
  if [ -n "$X" ] && [ ! -s "$D.diff" ]; then N=$X
  elif [ $LIST = find ] || { mark c "$NOW" "$C0" >"$D.list" && sort -o "$NOW" "$D.list"; }; then N=$ID; fi
}
report() {
  [ -s "$O" ] || [ -s "$Y" ] || [ -s "$D.sums" ] || [ -s "$D.blind" ] || BRIEF=1
  { echo "` + surveyHead + `$MODE $ID"; echo "with ${X:--} left ${N:--} by $LIST"; echo "marker ${m:--}"; show "$Y" "$D.sums" "$D.blind"; echo "find $F hash $S pack $P"; echo end; } >>"$O" || exit 1
}
seal() {
  T=` + zeroSum + `
  [ "$N" = "$ID" ] && set -- "$NOW" || set --
  if [ -n "$H" ]; then
    s=$(sha256sum - "$@") || exit 1
    T=${s%% *} s=${s#*"$NL"} s=${s#\\}
    [ $# = 0 ] || set -- "${s%% *}"
  else set --; fi
  [ "$N" != "$ID" ] || { keep "$@" && synced; } || exit 1
  wait
}
answer() {
  if [ -n "$OUT" ]; then { { out <&3; tidy "down-$ID.tar"; } & seal; } <"$O" 3<"$O" && printf '%s\n' "$T" || exit 1
  else seal <"$O" && printf '%s\n' "$T" >>"$O" || exit 1; parts; tidy; fi
}
survey() {
  [ -d "$R" ] || mkdir -p "$R" || exit 1
  # A full disk is not filled further, and what uploads that were cut off left there does not keep it full.
  trap 'wait; held || room || rm -rf "$R"/in-* "$R"/up-*; rm -rf "$D" "$D".* "$NOW" "$NOW.clock" "$R/down-$ID"*' EXIT
  begin
  bind
  now
  S=0 P=0 G= H= FEW=1 Y=$D.diff; : >"$D.sums"; : >"$D.want"; : >"$D.blind"; into
  ! have sha256sum || H=1
  if known && differ && revise; then changed; else everything; fi
  [ ! -s "$D.want" ] || wanted
  [ -z "$G" ] || [ -z "$H" ] || repos
  displaced
  if [ -s "$Y" ]; then wait; [ $F = 1 ] || [ ! -f "$D.fail" ] || exit 1; read -r l <"$NOW"; else read -r l <"$K"; fi
  [ "$l" != '0 0 !' ] || odd
  [ $F = 0 ] || blind
  remember
  [ -z "$OLD" ] || [ -z "$H" ] || held || { FEW=; arrived; }
  report
  answer
  trap - EXIT
}
room() { printf %4096s x 2>/dev/null | cat >"$D.room" 2>/dev/null; }
check() {
  [ -d "$R" ] || { mkdir -p "$R"; stale; }
  begin
  [ "$m" = "$MARKER" ] && claim || stale
  now
  known && same || stale
  rm -f "$D".* "$NOW"
}
case $MODE in push|pull) survey ;; check) check ;; esac
`

// listing is the part of the script that lists with GNU find. A command of a later run
// brings it along, to list while it makes sure that the script and the earlier listing
// are what they were.
const listing = `umask 077; LC_ALL=C TZ=UTC0 TAR_OPTIONS=; export LC_ALL TZ
D=$R/run-$ID K=$R/seen-$X C0= FILE='%T@ %C@ %i %s %y%m %p\n' NL='
'
have() { command -v "$1" >/dev/null 2>&1; }
sure() { "$@" || : >"$D.fail"; }
gnulines() { find "$@" -path "*$NL*" -printf '0 0 !\n' -o -type d -printf '0 0 d%m %p\n' -o $NEWER "$PAST" -printf "?$ID $FILE" -o -printf "$FILE"; }
gnuwhole() {
  set -- . -path . -o
  [ -n "$C0" ] || set -- "$D.c0" . -path . -o -path '/*' -fprintf "$D.t" '%C@\n' -o
  gnulines "$@" \( @PRUNES@ \) ! -path "*$NL*" -prune -printf '0 0 x %p\n' -o
}
`

// early begins to compare with the earlier listing, if that one was made with GNU find,
// which gives a time as a number. Nothing relies on it before [script] has made sure of
// that listing.
const early = `early() {
  { read -r c <"$K.clock"; } 2>/dev/null && have comm || return 0
  case $c in *' '*) return 0 ;; esac
  cd "$W" && : >"$D.c0" || exit 1
  NEWER=-newercc PAST=$D.c0
  sure gnuwhole 2>/dev/null | sure sort -u | comm -3 "$K" - >"$D.diff" 2>/dev/null & EARLY=$!
}
early
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
