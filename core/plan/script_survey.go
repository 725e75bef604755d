package plan

import "github.com/paperclipai/syncplan/core"

// packing appends archives to the download.
//
// wanted packs the names in $D.want, 200 a command; a push needs the texts of links alone
// where the sandbox can hash. pack EXPRESSION packs what is selected.
//
// odd lists, hashes and packs the names that hold a newline, which no line can tell: lists by
// kind, each name ended by NUL, go into the archive as members. lacking packs those of them
// whose content RT/sums does not have.
//
// arrived unpacks the uploads that were cut off, as what applies them does, and hashes what came of them.
const packing = `wanted() {
  set --
  bylines
  while IFS= read -r p; do [ -n "$FEW" ] || p=$p$NL$(cat) || exit 1; for p in $p; do
    case $p in *\\*) tars ;; esac
    if [ $MODE = pull ] || [ -L "$p" ] || [ -z "$H" ]; then set -- "$@" "$p"; fi
    [ $# -lt 200 ] || { tar $U -cf - "$@" >>"$O" 2>/dev/null || P=1; set --; }
  done; done <"$D.want"
  bywords
  [ $# = 0 ] || tar $U -cf - "$@" >>"$O" 2>/dev/null || P=1
}
pack() { tars; walk "$@" -exec tar $U -cf - {} + >>"$O" 2>/dev/null || P=1; }
odd() {
  FEW=
  newdir "$D" || exit 1
  {
    for k in d f l; do walk -path "*$NL*" -type $k -print0 >"$D/odd-$k" || F=1; done
    walk -path "*$NL*" -type f -perm -0100 -print0 >"$D/odd-x" || F=1
    walk -path "*$NL*" ! -type d ! -type f ! -type l -print0 >"$D/odd-p" || F=1
  } 2>/dev/null
  E="*$NL*"; : >"$D/end$NL"; tar -cf - "$D/end$NL" >/dev/null 2>&1 || E="*$NL*[!$NL]" # toybox loses a newline at the end of a name
  : >"$D/odd-sums"; [ -z "$H" ] || walk -path "$E" -type f -exec sha256sum {} + >"$D/odd-sums" 2>/dev/null
  (cd "$W" && tar -cf - "$L/odd-d" "$L/odd-f" "$L/odd-l" "$L/odd-x" "$L/odd-p" "$L/odd-sums") >>"$O" || exit 1
  if [ $MODE = pull ] && [ -n "$H" ] && [ -f "$R/sums" ] && have comm; then lacking; pack -path "$E" -type l
  elif [ $MODE = pull ] || [ -z "$H" ]; then pack -path "$E" \( -type f -o -type l \)
  else pack -path "$E" -type l; fi
}
lacking() {
  while IFS= read -r l; do d=${l#\\} d=${d%% *}; [ ${#d} != 64 ] || printf '%s\n' "$d"; done <"$D/odd-sums" | sort -u | comm -23 - "$R/sums" >"$D.lacking"
  [ -s "$D.lacking" ] || return 0
  tars
  walk -path "$E" -type f -exec sh -c 'L=$1 U=$2; shift 2
    for f do d=$(sha256sum <"$f"); [ -z "$(echo "${d%% *}" | comm -12 - "$L")" ] || tar $U -cf - "$f"; done' sh "$D.lacking" "$U" {} + >>"$O" 2>/dev/null || P=1
  [ -n "$V" ] || [ $LIST = plain ] || learn "$D.lacking"
}
arrived() {
  for o in $OLD; do
    if [ -f "$R/up-$o.tar" ]; then
      rm -rf "$R/in-$o" && mkdir "$R/in-$o" || exit 1
      cat "$R/up-$o.tar" "$R/up-$o.tar".* 2>/dev/null | (umask 022; tar -xof - -C "$R/in-$o" 2>/dev/null)
      rm -f "$R/up-$o.tar" "$R/up-$o.tar".*
    fi
    [ ! -d "$R/in-$o" ] || find "./` + core.RuntimeDir + `/$A/in-$o" ! -path "*$NL*" -type f -exec sha256sum {} + >>"$D.sums" 2>/dev/null
  done
}
`

// surveying answers a survey or a check; apply_script.go goes on from the functions.
//
// show FILES prints the parts of the text that end in a line with a dot. bind writes the
// marker of a survey that makes the sandbox ours. room holds where the disk is not full.
//
// changed follows a comparison, everything is for where none can be relied upon.
// repos packs what the state of a repository is read from, displaced the versions that
// pushes set aside; blind names the directories that can't be read.
//
// remember decides which listing is left: the earlier one where nothing differs, none in a
// preview. report writes the text that [ReadSurvey] reads. seal makes T, the digest of the
// download, and with the same command that of the new listing, which counts from then on.
// answer brings the download out while seal reads it, or leaves it as a file or in parts.
// packs holds where compressing it pays: of many small files more than half is what tar puts
// around them, and of a large download the time would show on a near link.
//
// survey and check are the two ways through all this. A check answers with its exit status.
const surveying = `show() {
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
  elif [ $LIST = find ] || { mark c "$NOW" "$C0" >"$D.list" && sort -o "$NOW" "$D.list"; }; then N=$SEEN; fi
}
report() {
  [ -s "$O" ] || [ -s "$Y" ] || [ -s "$D.sums" ] || [ -s "$D.blind" ] || BRIEF=1
  { echo "` + surveyHead + `$MODE $ID"; echo "with ${X:--} left ${N:--} by $LIST"; echo "marker ${m:--}"; show "$Y" "$D.sums" "$D.blind"; echo "find $F hash $S pack $P"; echo end; } >>"$O" || exit 1
}
seal() {
  T=` + zeroSum + `
  [ "$N" = "$SEEN" ] && set -- "$NOW" || set --
  if [ -n "$H" ]; then
    s=$(sha256sum - "$@") || exit 1
    T=${s%% *} s=${s#*"$NL"} s=${s#\\}
    [ $# = 0 ] || set -- "${s%% *}"
  else set --; fi
  [ "$N" != "$SEEN" ] || { keep "$@" && synced; } || exit 1
  wait
}
packs() { [ -z "$FEW$BRIEF" ] && have gzip && [ -n "$(find "$O" -size -` + packedBlocks + ` 2>/dev/null)" ]; }
answer() {
  Z=
  ! packs || Z=1
  if [ -n "$OUT" ] && [ -z "$Z" ]; then { { out <&3; tidy "down-$ID.tar" "down-$ID.pid"; } & seal; } <"$O" 3<"$O" && printf '%s\n' "$T" || exit 1; return; fi
  seal <"$O" && printf '%s\n' "$T" >>"$O" || exit 1
  [ -z "$Z" ] || ! gzip -1 <"$O" >"$D.z" 2>/dev/null || cat "$D.z" >"$O" || exit 1
  [ -z "$OUT" ] || set -- "down-$ID.tar" "down-$ID.pid"
  parts
  tidy "$@"
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
