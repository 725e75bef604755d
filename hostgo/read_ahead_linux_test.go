package hostgo

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// TestAFileThatIsNotAsLongAsItSaysIsNotSent: each time it is read, it is another one. A file of the kernel's own is such
// a file, at rest.
func TestAFileThatIsNotAsLongAsItSaysIsNotSent(t *testing.T) {
	top, err := tree.Open("/proc/self")
	require.NoError(t, err)
	defer top.Close()
	var hashing stopwatch
	for j := range readAhead(t.Context(), top, numbered([]core.Entry{{Path: "status", Kind: core.KindFile}}), &hashing) {
		require.ErrorIs(t, j.file.err, errChanging)
		require.Nil(t, j.file.data)
	}
}
