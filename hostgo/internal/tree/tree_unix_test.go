//go:build linux || darwin

package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestD12_AMoveReplacesNothing holds the call that file systems have for it, and what stands in
// where they have none, to the same.
func TestD12_AMoveReplacesNothing(t *testing.T) {
	makers := map[string]func(path string) error{
		"nothing": func(string) error { return nil },
		"file":    func(path string) error { return os.WriteFile(path, []byte(path), 0o600) },
		"link":    func(path string) error { return os.Symlink(path, path) },
		"dir":     func(path string) error { return os.Mkdir(path, 0o700) },
	}
	for _, move := range []func(*Dir, string, *Dir, string) error{(*Dir).RenameNoReplace, (*Dir).linkOver} {
		for from, makeFrom := range makers {
			for to, makeTo := range makers {
				top := t.TempDir()
				d, err := Open(top)
				require.NoError(t, err)
				require.NoError(t, makeFrom(filepath.Join(top, "a")))
				require.NoError(t, makeTo(filepath.Join(top, "b")))
				a, errA := d.Lstat("a")
				b, errB := d.Lstat("b")
				err = move(d, "a", d, "b")
				nowA, errNowA := d.Lstat("a")
				nowB, errNowB := d.Lstat("b")
				switch {
				case errA == nil && errB != nil:
					require.NoError(t, err)
					require.ErrorIs(t, errNowA, fs.ErrNotExist)
					require.Equal(t, []any{a.Kind, a.Ino, a.Nlink}, []any{nowB.Kind, nowB.Ino, nowB.Nlink})
				case errA == nil:
					require.ErrorIs(t, err, fs.ErrExist, "%s to %s", from, to)
					require.Equal(t, []any{a, b}, []any{nowA, nowB})
				default:
					require.ErrorIs(t, err, fs.ErrNotExist)
					require.Equal(t, errB == nil, errNowB == nil)
					require.Equal(t, b, nowB)
				}
				require.NoError(t, d.Close())
			}
		}
	}
}
