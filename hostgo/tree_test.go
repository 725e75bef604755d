package hostgo_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/dir"
)

// pair is a workspace and a sandbox beside each other.
type pair struct {
	t              *testing.T
	local, sandbox string
	opts           hostgo.Options
}

func newPair(t *testing.T) *pair {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	b := &pair{t: t, local: filepath.Join(top, "local"), sandbox: filepath.Join(top, "sandbox")}
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

func (b *pair) push() *hostgo.Report {
	b.t.Helper()
	r, err := hostgo.Push(b.t.Context(), b.opts)
	require.NoError(b.t, err)
	return r
}

func (b *pair) pull() *hostgo.Report {
	b.t.Helper()
	r, err := hostgo.Pull(b.t.Context(), b.opts)
	require.NoError(b.t, err)
	return r
}

func TestRoundTrip(t *testing.T) {
	b := newPair(t)
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

// hooked runs a function before each call of a client, and hides that the client
// can stream.
type hooked struct {
	hostgo.Client
	before func(call, detail string) error
}

func (h *hooked) MakeDir(ctx context.Context, p string) error {
	if err := h.before("make_dir", p); err != nil {
		return err
	}
	return h.Client.MakeDir(ctx, p)
}

func (h *hooked) WriteFile(ctx context.Context, p string, data []byte) error {
	if err := h.before("write", p); err != nil {
		return err
	}
	return h.Client.WriteFile(ctx, p, data)
}

func (h *hooked) ReadFile(ctx context.Context, p string) ([]byte, error) {
	if err := h.before("read", p); err != nil {
		return nil, err
	}
	return h.Client.ReadFile(ctx, p)
}

func (h *hooked) Run(ctx context.Context, command string, timeout time.Duration) error {
	if err := h.before("run", command); err != nil {
		return err
	}
	return h.Client.Run(ctx, command, timeout)
}

func (h *hooked) Remove(ctx context.Context, p string) error {
	if err := h.before("remove", p); err != nil {
		return err
	}
	return h.Client.Remove(ctx, p)
}

// hook runs do before the n-th call of a kind, counted from 1.
func (b *pair) hook(call string, n int, do func() error) {
	inner := b.opts.Client
	seen := 0
	b.opts.Client = &hooked{inner, func(c, _ string) error {
		if c == call {
			if seen++; seen == n {
				return do()
			}
		}
		return nil
	}}
	b.opts.Identity = "the same sandbox" // else a wrapped client has another name
}

// listing maps each path of a tree to what it is, for comparisons.
func listing(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || rel == "." {
			return err
		}
		if rel == core.RuntimeDir {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			out[rel] = "dir"
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			out[rel] = "link " + target
		case info.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			out[rel] = info.Mode().Perm().String() + " " + string(data)
		default:
			out[rel] = "special"
		}
		return nil
	})
	require.NoError(t, err)
	return out
}

func remove(t *testing.T, root, path string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(filepath.Join(root, path)))
}

func conflictPaths(r *hostgo.Report) []string {
	var out []string
	for i := range r.Conflicts {
		out = append(out, r.Conflicts[i].Path+" "+string(r.Conflicts[i].Kind))
	}
	return out
}

func problemCodes(r *hostgo.Report) []string {
	var out []string
	for _, p := range r.Problems {
		out = append(out, p.Path+" "+string(p.Code))
	}
	return out
}
