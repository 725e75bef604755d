package hostgo

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// A cache takes the place of the stored one when it is whole, and leaves nothing beside it whatever becomes of it.
func TestACacheReplacesTheStoredOneWhenItIsWhole(t *testing.T) {
	for name, row := range map[string]struct {
		end      func(t *testing.T, c *cacheWriter) error
		replaced bool
		code     error
	}{
		"whole":                     {func(_ *testing.T, c *cacheWriter) error { return c.close() }, true, nil},
		"given up":                  {func(_ *testing.T, c *cacheWriter) error { c.drop(); return nil }, false, nil},
		"given up when it is whole": {func(_ *testing.T, c *cacheWriter) error { err := c.close(); c.drop(); return err }, true, nil},
		"a write that failed": {func(_ *testing.T, c *cacheWriter) error {
			c.err = errors.New("full")
			return c.close()
		}, false, core.CodeIO},
		"a file that is closed": {func(t *testing.T, c *cacheWriter) error {
			require.NoError(t, c.file.Close())
			return c.close()
		}, false, core.CodeIO},
		"something that stands in its place": {func(t *testing.T, c *cacheWriter) error {
			require.NoError(t, os.Rename(c.path, c.path+".old"))
			require.NoError(t, os.MkdirAll(filepath.Join(c.path, "x"), 0o700))
			err := c.close()
			require.NoError(t, os.RemoveAll(c.path))
			require.NoError(t, os.Rename(c.path+".old", c.path))
			return err
		}, false, core.CodeIO},
	} {
		t.Run(name, func(t *testing.T) {
			s := &state{t.TempDir()}
			closesAll(t, s.dir)
			file := stamp{size: 1, mtimeNs: 2, ctimeNs: 3, ino: 4}
			write := func(content string) *cacheWriter {
				c, err := newCacheWriter(s.cachePath(), "/root", 5)
				require.NoError(t, err)
				for _, at := range [][2]string{{"d", "a"}, {"d", "b"}, {"e", "a"}} {
					c.add(at[0], at[1], 6, file, core.Sum(content))
				}
				return c
			}
			require.NoError(t, write("old").close())
			err := row.end(t, write("new"))
			want := "old"
			if row.replaced {
				want = "new"
			}
			if row.code != nil {
				require.ErrorIs(t, err, row.code)
			} else {
				require.NoError(t, err)
			}
			c := s.loadCache("/root")
			require.Equal(t, 3, c.files)
			for _, at := range [][2]string{{"d", "a"}, {"e", "a"}} {
				got, ok := c.folder(at[0], 5).find(at[1], 6, file)
				require.True(t, ok)
				require.Equal(t, core.Sum(want), got)
			}
			left, err := os.ReadDir(s.dir)
			require.NoError(t, err)
			require.Len(t, left, 1)
		})
	}
	_, err := newCacheWriter(filepath.Join(t.TempDir(), "none", "scan"), "/root", 5)
	require.ErrorIs(t, err, core.CodeIO)
}
