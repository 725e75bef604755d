package hostgo_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/dir"
)

// bench is a workspace and a sandbox beside each other.
type bench struct {
	t              *testing.T
	local, sandbox string
	opts           hostgo.Options
}

func newBench(t *testing.T) *bench {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	b := &bench{t: t, local: filepath.Join(top, "local"), sandbox: filepath.Join(top, "sandbox")}
	require.NoError(t, os.Mkdir(b.local, 0o755))
	require.NoError(t, os.Mkdir(b.sandbox, 0o755))
	client, err := dir.New(b.sandbox)
	require.NoError(t, err)
	b.opts = hostgo.Options{Workspace: b.local, Client: client, Root: b.sandbox, StateDir: filepath.Join(top, "state")}
	return b
}

func write(t *testing.T, root, path, content string) {
	t.Helper()
	full := filepath.Join(root, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(t, os.WriteFile(full, []byte(content), 0o644))
}

func read(t *testing.T, root, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return string(data)
}

func (b *bench) push() *hostgo.Report {
	b.t.Helper()
	r, err := hostgo.Push(b.t.Context(), b.opts)
	require.NoError(b.t, err)
	return r
}

func (b *bench) pull() *hostgo.Report {
	b.t.Helper()
	r, err := hostgo.Pull(b.t.Context(), b.opts)
	require.NoError(b.t, err)
	return r
}

func TestRoundTrip(t *testing.T) {
	b := newBench(t)
	write(t, b.local, "a.txt", "one\n")
	write(t, b.local, "d/b.txt", "two\n")
	r := b.push()
	require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Report)
	require.Equal(t, "two\n", read(t, b.sandbox, "d/b.txt"))
	write(t, b.sandbox, "a.txt", "changed\n")
	write(t, b.sandbox, "new/x", "new\n")
	require.NoError(t, os.Remove(filepath.Join(b.sandbox, "d/b.txt")))
	write(t, b.local, "mine", "mine\n")
	r = b.pull()
	require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Report)
	require.Equal(t, "changed\n", read(t, b.local, "a.txt"))
	require.Equal(t, "new\n", read(t, b.local, "new/x"))
	require.NoFileExists(t, filepath.Join(b.local, "d/b.txt"))
	require.Equal(t, "mine\n", read(t, b.local, "mine"))
	require.NoDirExists(t, filepath.Join(b.local, ".paperclip-runtime"))
	r = b.pull()
	require.Empty(t, r.Lines)
}
