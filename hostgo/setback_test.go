//go:build unix

package hostgo_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// setBack gives a sandbox the state that it has now again when the result is called, as a
// snapshot of its machine does.
func setBack(t *testing.T, b *pair) func() {
	t.Helper()
	kept := filepath.Join(t.TempDir(), "kept")
	run := func(args ...string) {
		out, err := exec.Command("cp", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run("-a", b.sandbox, kept)
	return func() {
		require.NoError(t, os.RemoveAll(b.sandbox))
		run("-a", kept, b.sandbox)
	}
}

// A sandbox that was set back to an earlier state has the right marker, and lacks what came
// since. That does not count as deleted there.
func TestD4_ASandboxThatWasSetBackDeletesNothing(t *testing.T) {
	for name, since := range map[string]func(b *pair){
		"a push": func(b *pair) { write(t, b.local, "new", "pushed"); b.push() },
		"a pull": func(b *pair) { write(t, b.sandbox, "new", "pulled"); b.pull() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newPair(t)
			b.opts.Identity = "the same sandbox"
			write(t, b.local, "a", "1")
			b.push()
			write(t, b.sandbox, "b", "1")
			b.pull()
			back := setBack(t, b)
			since(b)
			want := read(t, b.local, "new")
			back()

			r, err := hostgo.Pull(t.Context(), b.opts)
			require.NoError(t, err)
			require.Equal(t, plan.GuardReplaced, r.Guard)
			require.Equal(t, want, read(t, b.local, "new"))
			b.push()
			require.Equal(t, want, read(t, b.sandbox, "new"))
			require.Empty(t, b.pull().Lines)
			write(t, b.sandbox, "a", "2")
			b.pull()
			require.Equal(t, "2", read(t, b.local, "a"))
		})
	}
}

// lyingClient says of a command that changes the workspace that it ran, and does not run it.
type lyingClient struct {
	hostgo.Client
	lies bool
}

func (c *lyingClient) Run(ctx context.Context, command string, timeout time.Duration) error {
	if c.lies && strings.Contains(command, "apply.sh") {
		return nil
	}
	return c.Client.Run(ctx, command, timeout)
}

// A push that a client reports as done, and that was not, does not end in deletions here. One
// that found an edit there has looked, and left a listing of its own.
func TestD4_APushThatDidNotHappenDeletesNothing(t *testing.T) {
	for _, looks := range []bool{false, true} {
		b := newPair(t)
		b.opts.Identity = "the same sandbox"
		c := &lyingClient{Client: b.opts.Client}
		b.opts.Client = c
		write(t, b.local, "a", "1")
		b.push()
		write(t, b.local, "new", "1")
		if looks {
			write(t, b.sandbox, "theirs", "1")
		}
		c.lies = true
		b.push()
		r, err := hostgo.Pull(t.Context(), b.opts)
		require.NoError(t, err)
		require.Equal(t, plan.GuardReplaced, r.Guard, "looks=%v", looks)
		require.Equal(t, "1", read(t, b.local, "new"))
		c.lies = false
		b.push()
		require.Equal(t, "1", read(t, b.sandbox, "new"))
	}
}
