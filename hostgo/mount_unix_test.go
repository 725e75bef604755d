//go:build unix

package hostgo

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/merge"
)

// A directory that is displaced comes out of a mount whole, without the sockets and FIFOs in it, or stays.
func TestD6_ADirectoryIsCopiedOutOfAMount(t *testing.T) {
	for _, full := range []bool{false, true} {
		w := newWorld(t)
		w.put("m/d/f", "mine")
		w.put("m/d/sub/g", "mine too")
		require.NoError(t, os.Symlink("f", filepath.Join(w.root, "m/d/l")))
		require.NoError(t, syscall.Mkfifo(filepath.Join(w.root, "m/d/fifo"), 0o600))
		req := w.mount(w.request([]merge.Decision{{Path: "m/d", Action: merge.Write, Displace: true, Expect: dirEntry("m/d"), Want: w.body("m/d", "theirs")}}), mounts{"m"})
		req.fault = func(point string) error {
			if full && point == "carried n0" {
				return syscall.ENOSPC
			}
			return nil
		}
		results, err := apply(t.Context(), req)
		require.NoError(t, err)
		if full {
			require.Equal(t, merge.Failed, results[0].Status)
			require.NoError(t, os.Remove(filepath.Join(w.root, "m/d/fifo")))
			require.Empty(t, cmp.Diff(map[string]string{"m": "dir", "m/d": "dir", "m/d/f": "mine", "m/d/sub": "dir", "m/d/sub/g": "mine too", "m/d/l": "link f"}, w.tree()))
			continue
		}
		require.Equal(t, merge.Done, results[0].Status, "%+v", results[0].Note)
		require.Empty(t, cmp.Diff(map[string]string{"m": "dir", "m/d": "theirs", "kept mine": "mine", "kept mine too": "mine too", "kept link f": "link f"}, w.tree()))
		w.staysClean()
	}
}

// A directory at which something is mounted can't go with what was deleted in it, nor can a file give way to another: each
// later pull would try again.
func TestAMountPointIsOccupied(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"d/m 1\\#/f", "d/n/f", "e/f"} {
		w.put(p, "content")
	}
	table := filepath.Join(t.TempDir(), "mounts")
	at := strings.ReplaceAll(w.root, " ", `\040`)
	text := "/dev/x / ext4 rw 0 0\nnone " + at + " tmpfs rw 0 0\nnone " + at + `/d/m\0401\134\043 tmpfs rw 0 0` + "\nnone " + at + "-other/e tmpfs rw 0 0\nnone " + at + "/e/f ext4 ro 0 0\nnone " + at + "/gone tmpfs rw 0 0\n\n"
	require.NoError(t, os.WriteFile(table, []byte(text), 0o600))
	s, err := Scan(t.Context(), w.root, ScanOptions{mounts: table})
	require.NoError(t, err)
	require.Equal(t, []string{`d/m 1\#`, "e/f"}, s.Snapshot.Occupied)
	s, err = Scan(t.Context(), w.root, ScanOptions{mounts: table + "-none"})
	require.NoError(t, err)
	require.Empty(t, s.Snapshot.Occupied)
}
