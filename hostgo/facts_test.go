//go:build unix

package hostgo_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNamesThatAreOne is about a file system that takes names in other letters for the same: the workspace is found under
// its own in other letters there.
func TestNamesThatAreOne(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "name", "1")
	b.push()
	require.NoError(t, os.Symlink("local", filepath.Join(filepath.Dir(b.local), "LOCAL")))
	write(t, b.sandbox, "NAME", "2")
	r := b.pull()
	require.Len(t, r.Conflicts, 1)
	require.Equal(t, "NAME collision", r.Conflicts[0].Path+" "+string(r.Conflicts[0].Kind))
	require.Equal(t, "1", read(t, b.local, "name"))
	require.Equal(t, "2", read(t, b.local, r.Conflicts[0].Copy))
}

func TestAnotherFolderWithTheNameInOtherLettersStopsNoSync(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	require.NoError(t, os.Symlink("LOCAL", filepath.Join(filepath.Dir(b.local), "LOCAL")))
	b.push()
	require.Equal(t, "1", read(t, b.sandbox, "a"))
}
