package plan

// mounting is the part of an apply script that knows what is mounted inside the workspace, as
// node_modules may be. An mv into another file system copies, and one that is cut off leaves half
// a file in its place, which the next pull would take for an edit. So what comes there is brought to a
// folder on that file system first, under a name that no scan lists, and renamed from there.
//
// mounts lists the directories of W where something is mounted, each with a slash at its end. The
// table of mounts, for which a test names another one, has octal numbers in place of some bytes.
// $D.mounts is empty where there is nothing; else it has an empty line for W itself, too, and M is 1.
//
// top PATH sets n to the one that a path is below; B is that of RT. near PATH sets n to the folder
// for what comes to a path, and fails where an mv from RT renames. bare removes these folders.
const mounting = `M=
mounts() {
  cd -P . || return
  while read -r l p l; do
    case $p in *%*) ;; *\\*) p=$(printf "$p.") p=${p%.} ;; esac
    case $p in "$PWD"/*) printf '%s\n' "${p#"$PWD"/}/" ;; esac
  done <"${SYNCPLAN_MOUNTS:-/proc/self/mounts}"
}
top() { n=; while IFS= read -r l; do case $1 in "$l"*) [ ${#l} -le ${#n} ] || n=$l ;; esac; done <"$D.mounts"; }
near() {
  [ -n "$M" ] || return 1
  top "$1"
  [ "$n" != "$B" ] || return 1
  n=$W/${n}._paperclip-runtime.$ID
  [ -d "$n" ] && [ ! -L "$n" ] || mkdir "$n" 2>/dev/null
}
bare() { [ -z "$M" ] || while IFS= read -r l; do for s in "$W/$l"._paperclip-runtime.*; do [ ! -d "$s" ] || rm -rf "$s"; done; done <"$D.mounts"; }
mounted() {
  wait $mounting || :
  [ -s "$D.mounts" ] || return 0
  echo >>"$D.mounts"
  M=1
  top "${R#"$W"/}/"; B=$n
  bare
}
`
