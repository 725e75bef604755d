package hostgo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// grown is a pair whose workspace of n small files was pushed.
func grown(t *testing.T, n int) *pair {
	b := newPair(t)
	for i := range n {
		write(t, b.local, fmt.Sprintf("src/package%02d/file%04d.go", i%40, i), strings.Repeat(fmt.Sprint("line ", i, "\n"), 20))
	}
	b.push()
	return b
}

// moved returns the bodies and command lines of one sync, in bytes.
func (b *pair) moved(sync func() *hostgo.Report) (int64, *hostgo.Report) {
	r := sync()
	return r.UploadedBytes + r.DownloadedBytes, r
}

// whole hides that a client can stream.
type whole struct{ hostgo.Client }

// distant is a client that streams, and says that each call costs much time.
type distant struct {
	hostgo.Client
	hostgo.Streamer
}

func (distant) Capabilities() hostgo.Capabilities { return hostgo.Capabilities{Far: true} }

// The budgets of DESIGN section 7, whatever the size of the tree. A client that
// streams needs one call each way, and one more for a push to a near sandbox, which
// is asked early whether it changed.
func TestBytesGrowWithWhatChanged(t *testing.T) {
	for _, c := range []struct {
		files       int
		stream, far bool
		pull, small int // calls
	}{{200, false, false, 3, 3}, {200, true, false, 1, 2}, {200, true, true, 1, 1}, {3000, false, false, 3, 3}} {
		b := grown(t, c.files)
		b.opts.Identity = b.opts.Client.(hostgo.Identified).Identity() + " " + b.sandbox
		switch {
		case c.far:
			b.opts.Client = distant{b.opts.Client, b.opts.Client.(hostgo.Streamer)}
		case !c.stream:
			b.opts.Client = whole{b.opts.Client}
		}
		bytes, r := b.moved(b.push)
		require.LessOrEqual(t, bytes, int64(8<<10), "a push of nothing")
		require.EqualValues(t, 1, r.ClientCalls)
		bytes, r = b.moved(b.pull)
		require.LessOrEqual(t, bytes, int64(8<<10), "a pull of nothing")
		require.EqualValues(t, c.pull, r.ClientCalls)

		body := strings.Repeat("new\n", 3000)
		write(t, b.sandbox, "src/package01/file0001.go", body)
		write(t, b.sandbox, "added", body)
		remove(t, b.sandbox, "src/package02/file0002.go")
		time.Sleep(50 * time.Millisecond) // in the tick of the survey they would be doubtful, and the push would look again
		bytes, r = b.moved(b.pull)
		require.LessOrEqual(t, bytes, int64(2*len(body)+3*300+16<<10), "a small pull")
		require.EqualValues(t, c.pull, r.ClientCalls)
		require.Len(t, r.Lines, 3)

		write(t, b.local, "src/package03/file0003.go", body+"more")
		bytes, r = b.moved(b.push)
		require.LessOrEqual(t, bytes, int64(len(body)+40<<10), "a small push")
		require.EqualValues(t, c.small, r.ClientCalls)
		require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
	}
}

// The budget of a small pull holds for any number of changed paths and for names of any
// kind, though tar spends a thousand bytes and more on each file.
func TestBytesOfManyPaths(t *testing.T) {
	deep := strings.Repeat(strings.Repeat("d", 250)+"/", 14) // near the longest path of a system
	for name, pattern := range map[string]string{"plain": "src/package/file%d.go", "long": strings.Repeat("x", 248) + "%d", "deep": deep + "%d",
		"newline": "src/new\nline%d", "backslash": "src/back\\slash%d"} {
		for _, n := range []int{1, 8, 20, 400} {
			if n == 400 && name != "plain" {
				continue
			}
			b := newPair(t)
			b.opts.Identity = "the same sandbox"
			stream := n%8 == 0
			if !stream {
				b.opts.Client = whole{b.opts.Client}
			}
			random, contents := rand.NewChaCha8([32]byte{byte(n)}), int64(0)
			edit := func(root string, size int) {
				body := make([]byte, size)
				for i := range n {
					_, _ = random.Read(body)
					write(t, root, fmt.Sprintf(pattern, i), string(body))
					contents += int64(size)
				}
			}
			edit(b.local, 100)
			for i := range n + 1 {
				write(t, b.local, fmt.Sprint("stays", i), "x") // so that the deletions are no mass
			}
			b.push()
			moved := func(what string, most int64) {
				t.Helper()
				time.Sleep(30 * time.Millisecond) // in the tick of the survey files would be doubtful
				bytes, r := b.moved(b.pull)
				require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Problems)
				require.LessOrEqual(t, bytes, most, "%s, %d paths of the kind %s, stream=%v", what, n, name, stream)
				require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
			}
			const nothing = 8 << 10
			moved("a pull of nothing", nothing)
			budget := int64(n*300 + 16<<10)
			contents = 0
			edit(b.sandbox, 200)
			moved("edits", contents+budget)
			for i := range n {
				remove(t, b.sandbox, fmt.Sprintf(pattern, i))
			}
			moved("deletions", budget)
			contents = 0
			edit(b.sandbox, 300)
			moved("new files", contents+budget)
			moved("a pull of nothing", nothing)
		}
	}
}

func TestARenameMovesNoBytes(t *testing.T) {
	b := newPair(t)
	big := strings.Repeat("0123456789abcdef", 64<<10)
	for i := range 8 {
		write(t, b.local, fmt.Sprintf("old/deep/f%d", i), big+fmt.Sprint(i/2)) // each content twice
	}
	require.NoError(t, os.Chmod(filepath.Join(b.local, "old/deep/f3"), 0o755))
	b.push()
	require.NoError(t, os.Rename(filepath.Join(b.local, "old"), filepath.Join(b.local, "new")))
	write(t, b.local, "copy", big+"1")
	bytes, r := b.moved(b.push)
	require.Equal(t, plan.StatusOK, r.Status)
	require.Less(t, bytes, int64(64<<10))
	require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
	// A copy is a file of its own: what is written to one does not show in another.
	f, err := os.OpenFile(filepath.Join(b.sandbox, "copy"), os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString("!")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	r = b.pull()
	require.Len(t, r.Lines, 1)
	require.Equal(t, big+"1!", read(t, b.local, "copy"))

	require.NoError(t, os.Rename(filepath.Join(b.sandbox, "new"), filepath.Join(b.sandbox, "back")))
	bytes, r = b.moved(b.pull)
	require.Equal(t, plan.StatusOK, r.Status)
	require.Less(t, bytes, int64(64<<10))
	require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
}

func TestAnExecutableBitMovesNoBytes(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "tool", strings.Repeat("x", 1<<20))
	b.push()
	require.NoError(t, os.Chmod(filepath.Join(b.local, "tool"), 0o755))
	bytes, _ := b.moved(b.push)
	require.Less(t, bytes, int64(40<<10))
	require.NoError(t, os.Chmod(filepath.Join(b.sandbox, "tool"), 0o644))
	bytes, _ = b.moved(b.pull)
	require.Less(t, bytes, int64(16<<10))
	require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
}

// cutting ends the stream of a client after some bytes.
type cutting struct {
	hostgo.Client
	left int64
}

var errCut = errors.New("the connection is gone")

func (c *cutting) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	return c.Client.(hostgo.Streamer).RunStream(ctx, command, in, &cutWriter{out, c.left}, timeout)
}

type cutWriter struct {
	w    io.Writer
	left int64
}

func (c *cutWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p[:min(c.left, int64(len(p)))])
	if c.left -= int64(n); err == nil && n < len(p) {
		err = errCut
	}
	return n, err
}

func TestAPullThatWasCutOffResumes(t *testing.T) {
	const files = 20
	for _, size := range []int{20_000, 200_000} { // a small download comes compressed
		b := newPair(t)
		b.opts.Identity = "the same sandbox"
		write(t, b.local, "a", "1")
		b.push()
		random, body := rand.NewChaCha8([32]byte{}), make([]byte, size)
		for i := range files {
			_, _ = random.Read(body)
			write(t, b.sandbox, fmt.Sprintf("big%02d", i), string(body))
		}
		plain := b.opts.Client
		b.opts.Client = &cutting{plain, int64(files * size * 3 / 4)}
		_, err := hostgo.Pull(t.Context(), b.opts)
		require.ErrorIs(t, err, errCut)
		require.ErrorIs(t, err, core.CodeClient)
		require.NoFileExists(t, filepath.Join(b.local, "big00"))
		b.opts.Client = plain
		bytes, r := b.moved(b.pull)
		require.Equal(t, plan.StatusOK, r.Status)
		require.Less(t, bytes, int64(files*size/2), "what had arrived was sent again")
		require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
	}
}

// even makes a file of the sandbox change in the very tick in which a survey
// begins: it is the file whose ctime tells the survey when that was.
type even struct {
	hostgo.Client
	runtime, file string
}

var runID = regexp.MustCompile(` ID=\W*([0-9a-f]+)`)

func (c *even) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	clock := filepath.Join(c.runtime, "run-"+runID.FindStringSubmatch(command)[1]+".c0")
	if err := os.Link(c.file, clock); err != nil {
		return err
	}
	return c.Client.(hostgo.Streamer).RunStream(ctx, command, in, out, timeout)
}

// Such a file may change once more in that tick, and its line would stay the same:
// so the line that is left of it has a mark, and the next pull reads the file again.
func TestAFileAsNewAsTheSurveyIsReadAgain(t *testing.T) {
	b := grown(t, 20)
	b.opts.Identity = "the same sandbox"
	b.push()
	plain, runtime := b.opts.Client, filepath.Join(b.sandbox, core.RuntimeDir, "planner")
	b.opts.Client = &even{plain, runtime, filepath.Join(b.sandbox, "src/package03/file0003.go")}
	r := b.pull()
	require.EqualValues(t, 1, r.DownloadedFiles)
	require.Empty(t, read(t, b.local, "src/package03/file0003.go"), "the survey empties its clock")
	require.Equal(t, []string{"src/package03/file0003.go"}, marked(t, runtime))

	b.opts.Client = plain
	r = b.pull()
	require.Empty(t, r.Lines)
	require.Empty(t, marked(t, runtime))
}

// marked lists the files that the newest listing has a mark for.
func marked(t *testing.T, runtime string) []string {
	t.Helper()
	clocks, err := filepath.Glob(filepath.Join(runtime, "seen-*.clock"))
	require.NoError(t, err)
	newest := slices.MaxFunc(clocks, func(a, b string) int {
		return modTime(t, a).Compare(modTime(t, b))
	})
	text, err := os.ReadFile(strings.TrimSuffix(newest, ".clock"))
	require.NoError(t, err)
	var list []string
	for line := range strings.Lines(string(text)) {
		if _, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ./"); ok && line[0] == '?' {
			list = append(list, path)
		}
	}
	return list
}

func modTime(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.ModTime()
}

// What a run leaves in the state folder does not grow with what it moved.
func TestAPullLeavesNoBodies(t *testing.T) {
	b := newPair(t)
	b.push()
	for range 2 {
		write(t, b.sandbox, "f", strings.Repeat("x", 1000)+t.TempDir())
		b.pull()
		for _, name := range []string{"bodies", "sending"} {
			left, err := filepath.Glob(filepath.Join(b.opts.StateDir, "*", name))
			require.NoError(t, err)
			require.Empty(t, left)
		}
		b.push()
	}
}
