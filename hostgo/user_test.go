//go:build unix

package hostgo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
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
