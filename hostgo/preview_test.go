package hostgo_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// TestPreviewChangesNothing looks at a sandbox that was never used.
func TestPreviewChangesNothing(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	write(t, b.sandbox, "b", "2")
	for range 2 {
		push, pull, err := hostgo.Preview(t.Context(), b.opts)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff([]plan.Line{{Path: "a", Word: "new"}}, push.Lines))
		require.Empty(t, cmp.Diff([]plan.Line{{Path: "b", Word: "new"}}, pull.Lines))
		require.Equal(t, []merge.Direction{merge.Push, merge.Pull}, []merge.Direction{push.Op, pull.Op})
		require.Positive(t, push.ClientCalls)
		require.Equal(t, push.ClientCalls, pull.ClientCalls)
		require.NoDirExists(t, filepath.Join(b.local, core.RuntimeDir))
		require.NoFileExists(t, filepath.Join(b.sandbox, core.RuntimeDir, "planner", "marker"))
	}
	b.opts.DryRun = true
	require.Len(t, b.pull().Lines, 1)
	require.NoFileExists(t, filepath.Join(b.sandbox, core.RuntimeDir, "planner", "marker"))
	require.Equal(t, map[string]string{"a": "-rw-r--r-- 1"}, listing(t, b.local))
	require.Equal(t, map[string]string{"b": "-rw-r--r-- 2"}, listing(t, b.sandbox))
}

// TestAPreviewThatFailsSaysSo, and one leaves nothing on this machine either way.
func TestAPreviewThatFailsSaysSo(t *testing.T) {
	for name, change := range map[string]func(b *pair){
		"":                           func(*pair) {},
		"no workspace":               func(b *pair) { b.opts.Workspace += "/none" },
		"an asset that is not there": func(b *pair) { b.opts.Assets = []hostgo.Asset{{Key: "k", Dir: b.local + "/none"}} },
		"a client that fails":        func(b *pair) { b.opts.Client = refusing{b.opts.Client} },
	} {
		t.Run(name, func(t *testing.T) {
			b := newPair(t)
			write(t, b.local, "a", "1")
			write(t, b.sandbox, "b", "2")
			change(b)
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			_, _, err := hostgo.Preview(t.Context(), b.opts)
			require.Equal(t, name != "", err != nil, "%v", err)
			require.Empty(t, listing(t, temporary))
		})
	}
}

// refusing is a client that runs nothing.
type refusing struct{ hostgo.Client }

func (refusing) Run(context.Context, string, time.Duration) error {
	return &core.Error{Code: core.CodeClient, Message: "it runs nothing"}
}
