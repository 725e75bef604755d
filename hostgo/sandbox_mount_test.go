//go:build unix

package hostgo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
)

// within has mv fail where it would copy from one side of a directory to the other, unless into the folder of a push
// there: cut off, it would leave half a file in its place.
const within = `for to do :; done
side() { case $1 in /*) p=$1 ;; *) p=$PWD/$1 ;; esac; case $p in "$W/m 1/in/"*|"$W/./m 1/in/"*) echo 2 ;; "$W/m 1/"*|"$W/./m 1/"*) echo 1 ;; *) echo 0 ;; esac; }
case $to in *"/._paperclip-runtime."*) ;; *)
  for from do case $from in -*) ;; *) [ "$(side "$from")" = "$(side "$to/x")" ] || [ "$(side "$from")" = "$(side "$to")" ] || { echo "$from goes to $to" >&2; exit 1; } ;; esac; done
esac`

// What comes into a file system that is mounted in the sandbox's workspace is renamed there, with every make of tools.
func TestD13_APushIntoAMountRenames(t *testing.T) {
	for make, shell := range map[string]string{"gnu": "bash", "busybox": "busybox", "toybox": "dash"} {
		t.Run(make+"-"+shell, func(t *testing.T) {
			b := newPair(t)
			b.opts.Identity = "the same sandbox"
			bin := newToolbox(t, make, shell)
			around(t, bin, "mv", "W="+plan.Quote(b.sandbox)+"\n"+within, "")
			table := filepath.Join(t.TempDir(), "mounts")
			at := strings.ReplaceAll(b.sandbox, " ", `\040`)
			require.NoError(t, os.WriteFile(table, []byte("/dev/x / ext4 rw 0 0\nnone "+at+"/m\\0401/in tmpfs rw 0 0\nnone "+at+"/m\\0401 tmpfs rw 0 0\n"), 0o600))
			around(t, bin, "sh", "export SYNCPLAN_MOUNTS="+plan.Quote(table), "")
			b.opts.Client = &toolbox{b.opts.Client, bin}
			require.NoError(t, os.MkdirAll(filepath.Join(b.sandbox, "m 1/in"), 0o755))
			playMounts(t, b)
		})
	}
}

func playMounts(t *testing.T, b *pair) {
	for _, dir := range []string{"m 1/", "m 1/in/", ""} {
		for _, name := range []string{"replaced", "deleted", "moved", "d/replaced", "both", "to-dir", "-f"} {
			write(t, b.local, dir+name, "old "+dir+name)
		}
		require.NoError(t, os.Symlink("both", filepath.Join(b.local, dir+"link")))
	}
	b.push()
	for _, dir := range []string{"m 1/", "m 1/in/", ""} {
		for _, name := range []string{"replaced", "d/replaced", "both", "-f", "new", "n/e/w"} {
			write(t, b.local, dir+name, "new "+dir+name)
		}
		for _, name := range []string{"deleted", "to-dir", "link"} {
			require.NoError(t, os.Remove(filepath.Join(b.local, dir+name)))
		}
		write(t, b.local, dir+"to-dir/in", "new")
		require.NoError(t, os.Symlink("d", filepath.Join(b.local, dir+"link")))
		require.NoError(t, os.Rename(filepath.Join(b.local, dir+"moved"), filepath.Join(b.local, dir+"d/moved")))
		write(t, b.sandbox, dir+"both", "of the agent "+dir)
	}
	require.Len(t, b.push().Conflicts, 3)
	b.pull()
	b.push()
	require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
	for _, dir := range []string{"m 1/", "m 1/in/", ""} {
		copies, err := filepath.Glob(filepath.Join(b.local, dir+"both.conflict-*"))
		require.NoError(t, err)
		require.Len(t, copies, 1)
		data, err := os.ReadFile(copies[0])
		require.NoError(t, err)
		require.Equal(t, "of the agent "+dir, string(data))
	}
}

// A file system that is mounted in the sandbox's workspace and has no room for one file takes the others, and half a file
// never comes to its place.
func TestD14_AFullMountThereStopsNoOther(t *testing.T) {
	b, bin := newWrapped(t)
	table := filepath.Join(t.TempDir(), "mounts")
	require.NoError(t, os.WriteFile(table, []byte("none "+strings.ReplaceAll(b.sandbox, " ", `\040`)+"/m tmpfs rw 0 0\n"), 0o600))
	around(t, bin, "sh", "export SYNCPLAN_MOUNTS="+plan.Quote(table), "")
	wrap(t, bin, "mv", `for to do :; done
case $to in *"/._paperclip-runtime."*) case $* in *"/big "*) echo half >"$to/big"
  for a do shift; case $a in */big) ;; *) set -- "$@" "$a" ;; esac; done
  "$TOOL" "$@"; echo "mv: No space left on device" >&2; exit 1 ;; esac ;; esac
exec "$TOOL" "$@"
`)
	write(t, b.local, "m/big", "1")
	write(t, b.local, "m/small", "1")
	b.push()
	write(t, b.local, "m/big", "2")
	write(t, b.local, "m/small", "2")
	require.Equal(t, []string{"m/big write_failed"}, problemCodes(b.push()))
	require.Equal(t, "2", read(t, b.sandbox, "m/small"))
	require.Equal(t, "1", read(t, b.sandbox, "m/big"))
	require.Empty(t, b.pull().Lines)
}
