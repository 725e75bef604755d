package dir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/clienttest"
	"github.com/paperclipai/syncplan/hostgo/dir"
)

var (
	_ hostgo.Streamer   = (*dir.Client)(nil)
	_ hostgo.Identified = (*dir.Client)(nil)
	_ hostgo.Commander  = (*dir.Client)(nil)
)

func newClient(t testing.TB) (hostgo.Client, string) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	c, err := dir.New(root)
	require.NoError(t, err)
	return c, root
}

func TestClient(t *testing.T) { clienttest.TestClient(t, newClient) }

func TestNewRefuses(t *testing.T) {
	file, link := filepath.Join(t.TempDir(), "file"), filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	require.NoError(t, os.Symlink("/usr", link))
	for root, want := range map[string]string{
		"": "is not an absolute path", "relative": "is not an absolute path", "/no/such/folder": "does not exist", file: "is not a folder",
		"/": "system folder", "/usr": "system folder", "/etc/": "system folder", "/home/../etc": "system folder", link: "system folder",
	} {
		_, err := dir.New(root)
		var e *core.Error
		require.ErrorAs(t, err, &e, "%q", root)
		require.Equal(t, core.CodeUnsafeRoot, e.Code, "%q", root)
		require.Contains(t, e.Message, want, "%q", root)
		require.NotEmpty(t, e.Hint, "%q", root)
	}
	c, root := newClient(t)
	require.Equal(t, "dir:"+root, c.(hostgo.Identified).Identity())
}

func TestPathsAreNormalised(t *testing.T) {
	c, root := newClient(t)
	for _, p := range []string{"relative", root + "/../x", root + "//x", root + "/x/", root + "/a\x00b", ""} {
		_, read := c.ReadFile(t.Context(), p)
		_, list := c.ListFiles(t.Context(), p)
		for _, err := range []error{c.MakeDir(t.Context(), p), c.WriteFile(t.Context(), p, nil), read, list, c.Remove(t.Context(), p)} {
			require.ErrorIs(t, err, core.CodeInvalidPath, "%q", p)
		}
	}
}

// A call that fails half-way says so: half a file would be taken for a whole one.
func TestCallsThatFail(t *testing.T) {
	c, root := newClient(t)
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o644))
	_, full := os.Stat("/dev/full")
	for _, err := range []error{c.MakeDir(t.Context(), root+"/file/below"), c.WriteFile(t.Context(), root+"/file/below", nil), c.Remove(t.Context(), root+"/file/below/f")} {
		require.ErrorIs(t, err, core.CodeClient)
	}
	if full == nil {
		require.ErrorIs(t, c.WriteFile(t.Context(), "/dev/full", []byte("more")), core.CodeClient)
	}
	x := c.(hostgo.Commander)
	_, err := x.Exec(t.Context(), hostgo.ExecRequest{})
	require.ErrorIs(t, err, core.CodeInvalidRequest)
	var exit *hostgo.ExitError
	require.ErrorAs(t, c.Run(t.Context(), "kill -TERM $$", 0), &exit)
	require.Equal(t, 128+15, exit.Status, "as a shell gives it")
	status, err := x.Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"sh", "-c", "kill -KILL $$"}})
	require.NoError(t, err)
	require.Equal(t, 128+9, status)
	var e *core.Error
	_, err = x.Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"/no/such/program"}})
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Hint)
	require.ErrorAs(t, c.Run(t.Context(), "rm -r "+root+"; exit 3", 0), &exit)
	require.Equal(t, 3, exit.Status)
	require.ErrorContains(t, c.Run(t.Context(), "true", 0), "the sandbox's folder is gone")
	require.ErrorIs(t, c.Run(t.Context(), strings.Repeat("x", 131_071), 0), core.CodeLimit)
}

// What a command leaves behind, with its output in its hands, is not waited for, and is
// not the command's fault.
func TestWhatIsLeftBehind(t *testing.T) {
	c, root := newClient(t)
	for _, out := range []*bytes.Buffer{nil, {}} {
		for status := range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			command := fmt.Sprint("echo said; sleep 60 & echo $! >pid; exit ", status)
			var err error
			if out == nil {
				err = c.Run(ctx, command, 0)
			} else {
				out.Reset()
				err = c.(hostgo.Streamer).RunStream(ctx, command, nil, out, 0)
				require.Equal(t, "said\n", out.String())
			}
			var exit *hostgo.ExitError
			if status == 0 {
				require.NoError(t, err)
			} else {
				require.ErrorAs(t, err, &exit)
			}
			require.NoError(t, c.Run(t.Context(), "kill $(cat "+root+"/pid)", 0), "it was ended")
		}
	}
}

// TestACommandNeverTakesHalfAnInputForAWhole is made many times: a kill that comes after the end of the input is seldom
// too late.
func TestACommandNeverTakesHalfAnInputForAWhole(t *testing.T) {
	c, root := newClient(t)
	broken := errors.New("the stream broke")
	for range 2000 {
		in := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))
		err := c.(hostgo.Streamer).RunStream(t.Context(), "cat >/dev/null; echo done >after", in, nil, time.Minute)
		require.ErrorIs(t, err, broken)
		require.NoFileExists(t, filepath.Join(root, "after"))
	}
}

// TestSignalsReachTheCommand sends one to the whole group of a command. It is no interrupt, which what was started
// behind an & ignores.
func TestSignalsReachTheCommand(t *testing.T) {
	c, _ := newClient(t)
	signals := make(chan os.Signal, 1)
	var out bytes.Buffer
	ready := &notifier{out: &out, do: func() { signals <- syscall.SIGTERM }}
	exit, err := c.(hostgo.Commander).Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"sh", "-c", "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done"},
		Stdout: ready, Signals: signals})
	require.NoError(t, err)
	require.Equal(t, 5, exit)
	require.Equal(t, "ready\ncaught\n", out.String())
}

// notifier acts at the first write.
type notifier struct {
	out *bytes.Buffer
	do  func()
}

func (n *notifier) Write(p []byte) (int, error) {
	if n.do != nil {
		n.do()
		n.do = nil
	}
	return n.out.Write(p)
}
