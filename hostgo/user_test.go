//go:build unix

package hostgo_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo"
)

// nobody is the user that tests become when they run as root.
const nobody = 65534

// asOrdinaryUser runs body in this process, or, as root, the same test in a
// process of an ordinary user.
func asOrdinaryUser(t *testing.T, body func(*testing.T)) {
	t.Helper()
	if os.Geteuid() != 0 {
		body(t)
		return
	}
	// The test binary lies where an ordinary user may not look.
	top, err := os.MkdirTemp("", "as-user-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(top) })
	require.NoError(t, os.Chmod(top, 0o755))
	self, err := os.Executable()
	require.NoError(t, err)
	data, err := os.ReadFile(self)
	require.NoError(t, err)
	binary := filepath.Join(top, "test")
	require.NoError(t, os.WriteFile(binary, data, 0o755))
	work := filepath.Join(top, "work")
	require.NoError(t, os.Mkdir(work, 0o700))
	require.NoError(t, os.Chown(work, nobody, nobody))
	cmd := exec.Command(binary, "-test.run", "^"+t.Name()+"$", "-test.count", "1")
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "TMPDIR="+work, "HOME="+work)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// cutAfterUpload is a client of whole buffers whose link breaks once, when a body is there.
type cutAfterUpload struct {
	hostgo.Client
	bodies int // that come before it breaks
}

func (c *cutAfterUpload) WriteFile(ctx context.Context, path string, data []byte) error {
	c.bodies--
	return c.Client.WriteFile(ctx, path, data)
}

func (c *cutAfterUpload) Run(ctx context.Context, command string, timeout time.Duration) error {
	if c.bodies == 0 {
		c.bodies--
		return &core.Error{Code: core.CodeClient, Message: "the link is down"}
	}
	return c.Client.Run(ctx, command, timeout)
}

// TestAPushThatWasCutOffKeepsPermissions: tar gives an ordinary user's files what the umask leaves them, and
// the script of a sync has one for its own files.
func TestAPushThatWasCutOffKeepsPermissions(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T) {
		b := newPair(t)
		client := &cutAfterUpload{Client: b.opts.Client}
		b.opts.Client, client.bodies = client, -1
		write(t, b.local, "first", "1")
		b.push()
		for _, name := range []string{"text", "d/script"} {
			write(t, b.local, name, name)
		}
		require.NoError(t, os.Chmod(filepath.Join(b.local, "d/script"), 0o755))
		client.bodies = 1
		_, err := hostgo.Push(t.Context(), b.opts)
		require.ErrorIs(t, err, core.CodeClient)
		b.push()
		require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
	})
}
