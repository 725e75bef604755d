//go:build unix

package hostgo_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/hostgo"
)

// A push that is killed after it set the sandbox's version aside and before it put its own in place leaves nothing there
// for a moment. Nobody deleted that, whatever comes next.
func TestD15_APushKilledBetweenAsideAndPlaceDeletesNothing(t *testing.T) {
	for next, sync := range map[string]func(*pair){
		"push":           func(b *pair) { b.push() },
		"pull":           func(b *pair) { b.pull() },
		"pull and again": func(b *pair) { b.pull(); b.pull() },
	} {
		t.Run(next, func(t *testing.T) {
			b, bin := newWrapped(t)
			for _, name := range []string{"edited", "kept"} {
				write(t, b.local, "d/"+name, "1")
			}
			b.push()
			write(t, b.local, "d/edited", "2")
			require.NoError(t, os.RemoveAll(filepath.Join(b.sandbox, "d")))
			write(t, b.sandbox, "d", "of the agent")
			killed := filepath.Join(t.TempDir(), "killed")
			wrap(t, bin, "mv", `"$TOOL" "$@" || exit
case "$*" in */displaced/*) [ -e `+killed+` ] || { : >`+killed+`; kill -9 $PPID; } ;; esac
`)
			_, err := hostgo.Push(t.Context(), b.opts)
			require.Error(t, err)
			require.FileExists(t, killed, "the test has its point")
			require.NoFileExists(t, filepath.Join(b.sandbox, "d"))
			sync(b)
			b.push()
			b.pull()
			b.push()
			for _, root := range []string{b.local, b.sandbox} {
				require.Equal(t, "2", read(t, root, "d/edited"))
				require.Equal(t, "1", read(t, root, "d/kept"))
			}
			copies, err := filepath.Glob(filepath.Join(b.local, "d.conflict-*"))
			require.NoError(t, err)
			require.Len(t, copies, 1)
			require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
		})
	}
}
