package hostgo_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Where somebody took the planned name meanwhile, a person who removes the copy that the report names must not
// remove that file.
func TestD6_TheReportNamesTheCopyThatWasMade(t *testing.T) {
	b := newPair(t)
	b.opts.Identity = "the same sandbox"
	write(t, b.local, "f", "base\x00")
	b.push()
	write(t, b.local, "f", "here\x00")
	write(t, b.sandbox, "f", "there\x00")
	taken := merge.CopyName("f", core.Sum("there\x00"), func(string) bool { return false })
	b.hook("remove", 1, func() error { // after the scan
		write(t, b.local, taken, "somebody's")
		return nil
	})
	r := b.pull()
	require.Equal(t, []string{"f content"}, conflictPaths(r))
	require.NotEqual(t, taken, r.Conflicts[0].Copy)
	require.Equal(t, "there\x00", read(t, b.local, r.Conflicts[0].Copy))
	require.Equal(t, "somebody's", read(t, b.local, taken))
}
