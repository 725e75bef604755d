package plan

// comparing tells what of the earlier listing may be relied upon, and leaves the next.
//
// differ writes the difference to $D.diff; same holds where there is none.
//
// sum FILE prints its digest as sha256sum does, or "-". claim holds where the earlier listing
// is what its run left, and sets c, when that was begun. known holds where it may be compared
// with as well: both tell times, and the clock has moved on since.
//
// mark TIMES FILE CLOCK prints the lines of a file, those that are younger than a time
// with a mark, in no order. TIMES is m for mtime or c for ctime, which stat prints as three
// words each. keep [DIGEST] makes the new listing count.
//
// tidy NAMES removes these names in RT, this run's temporary files and the listings that are
// no longer needed. learn FILES adds sorted digests to RT/sums.
const comparing = `differ() { [ -n "$EARLY" ] || comm -3 "$K" "$NOW" >"$D.diff" 2>/dev/null; }
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
  if [ "$N" != "$SEEN" ]; then set -- "$@" "seen-$SEEN"
  else for s in seen-*; do case $s in
    "seen-$SEEN"|"seen-$SEEN.clock"|"seen-$X"|"seen-$X.clock") ;;
    *.clock) set -- "$@" "$s" "${s%.clock}" ;; # one without may be in the making
  esac; done; fi
  rm -rf "run-$ID" "run-$ID".* "$@"
}
learn() { own "$R/sums"; [ ! -f "$R/sums" ] || set -- "$1" "$R/sums"; sort -u -o "$R/sums" "$@"; }
`

// differences looks at what differs: which contents to hash, which to pack, and how the
// new listing follows from the earlier one. $D.gone has the lines that are gone, $D.come
// the new ones, $D.sums the digests of new contents, $D.want the names to pack.
//
// bylines has what is not quoted fall into lines, and bywords into words again. Most shells read a
// file byte by byte, so where there are not few the rest of them is taken at once: cat reads on
// behind the line that was read.
//
// tars finds out whether tar takes a backslash in an argument for an escape, as that of
// GNU does unless it is told not to.
//
// digest FILES hashes them; what can't be hashed here is packed. pick sorts the
// lines, 200 names a command. Files of repositories are hashed, and packed by repos alone. Where all is SMALL
// a file is packed at once and hashed meanwhile: what was packed and what was hashed
// must be one content, which the host checks.
//
// again lists anew in such a way that what is as young as the listing is marked, and
// revise does so where pick found such a line. rebuild puts the new listing
// together where only the comparison was made.
//
// order sorts lines: few with an insertion sort, since that starts no tool. fresh has a file
// packed for each digest that RT/sums lacks, and adds them there: it goes through the sorted digests
// of the sandbox (d) and those that are fresh (f) side by side; with a dot behind it, f
// is passed and no second name of one content is packed.
const differences = `bylines() { set -f; IFS=$NL; }
bywords() { set +f; unset IFS; }
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
  bylines
  while IFS= read -r l; do [ -n "$FEW" ] || l=$l$NL$(cat) || exit 1; for l in $l; do
    [ ${#l} -lt 160 ] || n=$((n+2+${#l}/300))
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
  done; done <"$D.diff" 3>"$D.gone" 4>"$D.come"
  bywords
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
  bylines
  while IFS= read -r l; do [ -n "$FEW" ] || l=$l$NL$(cat) || exit 1; for l in $l; do case $l in '\'*|"$d "*) ;; *) d=${l%% *}; echo "$d" ;; esac; done; done <"$D.sorted" >"$D.digests"
  if [ -f "$R/sums" ]; then comm -13 "$R/sums" "$D.digests"; else cat "$D.digests"; fi >"$D.fresh"
  f=
  while IFS= read -r l <&3; do [ -n "$FEW" ] || l=$l$NL$(cat <&3) || exit 1; for l in $l; do
    d=${l%% *}
    while [ "$f" \< "$d" ]; do read -r f <&4 || f=g; done
    case $l in */.git/*) continue ;; esac
    [ "$d" != "$f" ] || { printf '%s\n' "./${l#*' ./'}" >>"$D.want"; f=$f.; }
  done; done 3<"$D.sorted" 4<"$D.fresh"
  bywords
  if [ -z "$V" ] && [ $LIST != plain ]; then learn "$D.digests" & fi
}
`
