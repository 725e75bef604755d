package plan

// listing is the part of the script that lists with GNU find. A command of a later run
// brings it along, to list while it makes sure that the script and the earlier listing
// are what they were.
//
// have TOOL tells whether the sandbox has a tool. sure COMMAND runs a command of a
// pipeline, whose failure would go unseen: it leaves $D.fail.
//
// gnulines ARGUMENTS lists what these select; "$NEWER $PAST" holds for what gets a mark.
// gnuwhole lists the workspace. Where C0 is not known yet it has find tell the
// ctime of $D.c0 on the way.
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
// which gives a time as a number. The listing goes straight into the comparison. Nothing
// relies on it before [script] has made sure of the earlier one.
const early = `early() {
  { read -r c <"$K.clock"; } 2>/dev/null && have comm || return 0
  case $c in *' '*) return 0 ;; esac
  cd "$W" && : >"$D.c0" || exit 1
  NEWER=-newercc PAST=$D.c0
  sure gnuwhole 2>/dev/null | sure sort -u | comm -3 "$K" - >"$D.diff" 2>/dev/null & EARLY=$!
}
early
`

// clock says when the listing was begun, in the form of what lists here, and whether the
// sandbox is the one that base speaks of.
//
// newdir DIR makes a folder, also where something else stands. stamp FILES prints
// ctimes, a line each.
//
// before sets PAST to the nanosecond before C0, since find knows "newer than" and no
// "as new as". It prints 10 digits of a second, of which the last is 0; the 1 in front
// keeps the others from being read as octal. Of any other form it takes the second before.
//
// ask has the ctime of $D.c0 written to $D.t by what can tell it, and told reads it. A
// number is that of GNU find; a date has spaces.
//
// recall spares these two: where the earlier listing was made with GNU find, this one is
// too, and C0 is learnt with the names. PAST is then the file whose ctime that is, so what is
// as new as C0 gets no mark; it is sure to be among the differences, and found there
// (EVEN), it has everything listed again.
//
// first holds for a push into a sandbox that was never met, which begins with no listing:
// the time is asked for while other work goes on.
//
// begin makes $D.c0, finds out what lists here, and reads the marker. setback holds for a
// sandbox that was set back; synced adds this run to RT/synced.
const clock = `newdir() { mkdir "$1" 2>/dev/null || { rm -rf "$1" && mkdir "$1"; }; }
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
synced() { own "$R/synced"; echo "$SEEN" >>"$R/synced"; }
`

// lists makes the listing, with what the sandbox has for that.
//
// lines ARGUMENTS lists what these arguments of find select, for GNU find and stat.
// walk EXPRESSION is find over what is not excluded; @PRUNES@ stands for the test of
// what is, see [pruneTests]. say PREFIX puts a word before each line.
//
// whole lists the workspace. A plain listing is compared with none: it says what is there, never
// that a file is unchanged. Where stat is there it makes it all the same, for the permissions;
// else only kinds and executable bits are told.
//
// now makes the listing, or takes the comparison that began early if nothing spoke against
// it. Where find was to tell C0 on the way and did not, it lists once more. look tries once;
// list twice, and sets F where a directory could not be read either time.
const lists = `NEWER=-newerct N= TRIED= U=
lines() { case $LIST in
  find) gnulines "$@" ;;
  *) find "$@" -path "*$NL*" -exec stat -c '0 0 !' {} + -o -type d -exec stat -c '0 0 d%a %n' {} + -o -exec stat -c '%y %z %i %s %f %n' {} + ;;
esac; }
walk() { find . -path . -o \( @PRUNES@ \) -prune -o "$@"; }
say() { while IFS= read -r l; do printf '%s %s\n' "$1" "$l"; done; }
statwhole() { lines . -path . -o -path "*$NL*" -exec stat -c '0 0 !' {} + -o \( @PRUNES@ \) -prune -exec stat -c '0 0 x %n' {} + -o ; }
whole() { case $LIST in
  find) gnuwhole ;;
  stat) statwhole ;;
  *) if stat -c %n . >/dev/null 2>&1; then statwhole; return; fi
     sure find . -path . -o ! -path "*$NL*" \( @PRUNES@ \) -prune -print | say '0 0 x'
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
`
