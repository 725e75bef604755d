package hostgo

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/merge"
)

func TestAMountedFileSystemIsNamedAsSuch(t *testing.T) {
	w := newWorld(t)
	w.put("f", "mine")
	req := w.request([]merge.Decision{{Path: "f", Action: merge.Write, Expect: fileEntry("f", "mine"), Want: w.body("f", "theirs")}})
	req.NoExchange = true
	req.Fault = func(point string) error {
		if point == "rename f" {
			return syscall.EXDEV
		}
		return nil
	}
	results, err := Apply(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, merge.Failed, results[0].Status)
	require.Contains(t, results[0].Note.Detail, "another file system is mounted there")
	require.Equal(t, "mine", w.tree()["f"])
}
