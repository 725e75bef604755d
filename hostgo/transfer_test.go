//go:build unix

package hostgo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// narrow is a client that takes and gives whole buffers of a bounded length.
type narrow struct {
	hostgo.Client
	limit int64 // of a body that is written
	reads int64 // of a body that is read; 0 is no limit
}

func (c *narrow) Capabilities() hostgo.Capabilities { return hostgo.Capabilities{MaxWrite: c.limit} }

var errTooLong = errors.New("the body is longer than the client takes")

func (c *narrow) WriteFile(ctx context.Context, p string, data []byte) error {
	if int64(len(data)) > c.limit {
		return errTooLong
	}
	return c.Client.WriteFile(ctx, p, data)
}

func (c *narrow) ReadFile(ctx context.Context, p string) ([]byte, error) {
	data, err := c.Client.ReadFile(ctx, p)
	if err == nil && c.reads > 0 && int64(len(data)) > c.reads {
		err = errTooLong
	}
	return data, err
}

// Bodies travel in parts, with one more call for each, under every make of tools.
func TestR4_BodiesTravelInParts(t *testing.T) {
	const limit = 64 << 10
	for _, make := range []string{"gnu", "busybox", "toybox"} {
		t.Run(make, func(t *testing.T) {
			b := newPair(t)
			b.opts.Identity = "the same sandbox"
			box := &toolbox{b.opts.Client, newToolbox(t, make, "dash")}
			client := &narrow{box, limit, limit}
			if make == "toybox" {
				client.reads = 0 // Debian builds it without dd, and then a download stays whole
			}
			b.opts.Client = client
			for i := range 12 {
				write(t, b.local, fmt.Sprintf("f%02d", i), strings.Repeat(fmt.Sprintf("%05d\n", i), 4000))
			}
			b.opts.Assets = []hostgo.Asset{{Key: "tools", Dir: b.local}}
			bytes, r := b.moved(b.push)
			require.LessOrEqual(t, r.ClientCalls, 5+bytes/limit, "at most one call more for each further part")
			require.Greater(t, r.ClientCalls, int64(8), "the bodies were too small to test anything")
			require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
			require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, filepath.Join(b.sandbox, core.RuntimeDir, "planner", "tools"))))

			for i := range 8 { // of one more the download would be compressed
				write(t, b.sandbox, fmt.Sprintf("new%d", i), strings.Repeat(fmt.Sprintf("%07d\n", i), 4096-i%3))
			}
			bytes, r = b.moved(b.pull)
			require.LessOrEqual(t, r.ClientCalls, 3+bytes/limit)
			require.Equal(t, make != "toybox", r.ClientCalls > 5)
			require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
			left, err := filepath.Glob(filepath.Join(b.sandbox, core.RuntimeDir, "planner", "*-*"))
			require.NoError(t, err)
			for _, name := range left {
				require.Regexp(t, "^(seen|script)-", filepath.Base(name), "a part was left behind")
			}
		})
	}
}

// A download whose length is a multiple of the part's ends with an empty part.
func TestR4_ADownloadOfWholePartsEnds(t *testing.T) {
	b := newPair(t)
	b.opts.Client = &narrow{b.opts.Client, 4096, 4096}
	for size := range 9 {
		write(t, b.sandbox, "f", strings.Repeat("x", 4000+512*size))
		b.pull()
		require.Empty(t, cmp.Diff(listing(t, b.sandbox), listing(t, b.local)))
	}
}

func TestR3_AClientThatTakesTooLittleIsRefused(t *testing.T) {
	b := newPair(t)
	b.opts.Client = &narrow{b.opts.Client, 4095, 0}
	_, err := hostgo.Push(t.Context(), b.opts)
	require.ErrorIs(t, err, core.CodeUnsupported)
}

// breaking loses the connection after some bytes of an upload. What had arrived
// stays in the sandbox.
type breaking struct {
	hostgo.Client
	left int64
}

func (c *breaking) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	if in != nil {
		in = &cutReader{in, c.left}
	}
	return c.Client.(hostgo.Streamer).RunStream(ctx, command, in, out, timeout)
}

type cutReader struct {
	r    io.Reader
	left int64
}

func (c *cutReader) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errCut
	}
	n, err := c.r.Read(p[:min(c.left, int64(len(p)))])
	c.left -= int64(n)
	return n, err
}

// hasty says that a command ended well once its input came, of which it read no end.
type hasty struct{ hostgo.Client }

func (c *hasty) RunStream(_ context.Context, _ string, in io.Reader, _ io.Writer, _ time.Duration) error {
	_, err := in.Read(make([]byte, 1<<20))
	return err
}

// cutScript empties the script of a push between its arrival and its run, as the
// same command does that a transport runs twice at once.
type cutScript struct{ hostgo.Client }

func (c *cutScript) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	const run = `. "./in-$ID/apply.sh"`
	command = strings.Replace(command, run, `: >"in-$ID/apply.sh"; `+run, 1)
	return c.Client.(hostgo.Streamer).RunStream(ctx, command, in, out, timeout)
}

// D8: a push that did not run to its end is not done, however well it seems to end, else the
// next pull would take what did not arrive for deleted.
func TestD8_APushThatDidNotRunWholeIsNotDone(t *testing.T) {
	for name, broken := range map[string]func(hostgo.Client) hostgo.Client{
		"input left unread": func(c hostgo.Client) hostgo.Client { return &hasty{c} },
		"script cut":        func(c hostgo.Client) hostgo.Client { return &cutScript{c} },
	} {
		t.Run(name, func(t *testing.T) {
			b := newPair(t)
			plain := b.opts.Client
			write(t, b.local, "a", "1\n")
			b.opts.Client = broken(plain)
			_, err := hostgo.Push(t.Context(), b.opts)
			require.ErrorIs(t, err, core.CodeClient)
			b.opts.Client = plain
			b.pull()
			b.push()
			require.Len(t, listing(t, b.local), 1)
			require.Empty(t, cmp.Diff(listing(t, b.sandbox), listing(t, b.local)))
		})
	}
}

// A push that was cut off, once or more, sends what did not arrive and no more.
func TestAPushThatWasCutOffResumes(t *testing.T) {
	const files, size = 20, 100_000
	for _, warm := range []bool{false, true} {
		t.Run(fmt.Sprint("warm ", warm), func(t *testing.T) {
			b := newPair(t)
			b.opts.Identity = "the same sandbox"
			plain := b.opts.Client
			if warm {
				write(t, b.local, "first", "1\n")
				b.push()
			}
			for i := range files {
				write(t, b.local, fmt.Sprintf("d%d/big%02d", i%3, i), strings.Repeat(string(rune('a'+i)), size))
			}
			write(t, b.local, "a/script", "#!/bin/sh\n")
			write(t, b.local, "a/text", "1\n2\n3\n4\n5\n")
			require.NoError(t, os.Chmod(filepath.Join(b.local, "a/script"), 0o755))
			before := listing(t, b.sandbox)
			for range 2 {
				b.opts.Client = &breaking{plain, files * size * 2 / 5}
				_, err := hostgo.Push(t.Context(), b.opts)
				require.ErrorIs(t, err, errCut)
				require.ErrorIs(t, err, core.CodeClient)
				require.Empty(t, cmp.Diff(before, listing(t, b.sandbox)))
			}
			b.opts.Client = plain
			bytes, r := b.moved(b.push)
			require.Equal(t, plan.StatusOK, r.Status)
			require.Less(t, bytes, int64(files*size*35/100), "what had arrived was sent again")
			require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
			requireNoUploads(t, b)

			// The state is what an uninterrupted push leaves: nothing to do, and texts can be merged.
			bytes, r = b.moved(b.push)
			require.Less(t, bytes, int64(8<<10))
			require.EqualValues(t, 1, r.ClientCalls)
			write(t, b.local, "a/text", "one\n2\n3\n4\n5\n")
			write(t, b.sandbox, "a/text", "1\n2\n3\n4\nfive\n")
			r = b.pull()
			require.Empty(t, r.Conflicts)
			require.Equal(t, "one\n2\n3\n4\nfive\n", read(t, b.local, "a/text"))
		})
	}
}

// A push that finds the sandbox changed plans again, and sends nothing twice.
func TestAPushThatWasRefusedSendsNothingTwice(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1\n")
	b.push()
	body := strings.Repeat("0123456789abcdef", 64<<10)
	write(t, b.local, "big", body)
	write(t, b.sandbox, "theirs", "2\n")
	bytes, r := b.moved(b.push)
	require.Equal(t, plan.StatusOK, r.Status)
	require.Less(t, bytes, int64(len(body)*5/4))
	require.Equal(t, body, read(t, b.sandbox, "big"))
	require.Equal(t, "2\n", read(t, b.sandbox, "theirs"))
	requireNoUploads(t, b)
	r = b.pull()
	require.Len(t, r.Lines, 1)
}

// A forged upload of an earlier run is only what the sandbox could have written
// anyway: no other content of the workspace is taken for sent.
func TestResumeBelievesDigestsAlone(t *testing.T) {
	b := newPair(t)
	b.opts.Identity = "the same sandbox"
	plain := b.opts.Client
	for i := range 8 {
		write(t, b.local, fmt.Sprintf("f%d", i), strings.Repeat(fmt.Sprint(i), 50_000))
	}
	b.opts.Client = &breaking{plain, 200_000}
	_, err := hostgo.Push(t.Context(), b.opts)
	require.ErrorIs(t, err, errCut)
	arrived, err := filepath.Glob(filepath.Join(b.sandbox, core.RuntimeDir, "planner", "in-*", "t", "*", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, arrived)
	for _, f := range arrived {
		require.NoError(t, os.WriteFile(f, []byte("something else"), 0o644))
	}
	b.opts.Client = plain
	r := b.push()
	require.Equal(t, plan.StatusOK, r.Status)
	require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
}

func requireNoUploads(t *testing.T, b *pair) {
	t.Helper()
	for _, kind := range []string{"in-*", "up-*", "run-*", "down-*"} {
		left, err := filepath.Glob(filepath.Join(b.sandbox, core.RuntimeDir, "planner", kind))
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

// A content that a push did not send, since the sandbox had it under another name, is there for a text merge.
func TestD6_ARenamedFileIsMerged(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "old", "will be renamed\n1\n2\n3\n4\n")
	b.push()
	// What base does not refer to goes sooner or later: here at once.
	stores, err := filepath.Glob(filepath.Join(b.opts.StateDir, "*", "contents"))
	require.NoError(t, err)
	require.Len(t, stores, 1)
	require.NoError(t, os.Remove(stores[0]))
	require.NoError(t, os.Rename(filepath.Join(b.local, "old"), filepath.Join(b.local, "new")))
	b.push()
	write(t, b.local, "new", "edited here\n1\n2\n3\n4\n")
	write(t, b.sandbox, "new", "will be renamed\n1\n2\n3\nedited there\n")
	require.Empty(t, b.pull().Conflicts)
	require.Equal(t, "edited here\n1\n2\n3\nedited there\n", read(t, b.local, "new"))
}

// sluggish takes its time before it takes what is sent.
type sluggish struct{ hostgo.Client }

func (c sluggish) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	if in != nil {
		time.Sleep(50 * time.Millisecond)
	}
	return c.Client.(hostgo.Streamer).RunStream(ctx, command, in, out, timeout)
}

// What a first push read need not be read again if its times were old enough then, though they were not when the push
// began.
func TestAFirstPushRemembersWhatWasSettledWhenItWasRead(t *testing.T) {
	const files = 1500 // more than are read before anything is taken
	b := newPair(t)
	name := func(i int) string { return fmt.Sprintf("f%04d", i) }
	for i := range files {
		write(t, b.local, name(i), "")
	}
	large := strings.Repeat("x", 1<<20)
	write(t, b.local, "g", large)
	write(t, b.local, "h", large)
	soon := time.Now().Add(time.Hour)
	for _, young := range []string{name(files - 2), "g"} {
		require.NoError(t, os.Chtimes(filepath.Join(b.local, young), soon, soon))
	}
	b.opts.Client = sluggish{b.opts.Client}
	b.push()
	states, err := filepath.Glob(filepath.Join(b.opts.StateDir, "*", "scan"))
	require.NoError(t, err)
	require.Len(t, states, 1)
	stored, err := os.ReadFile(states[0])
	require.NoError(t, err)
	for name, want := range map[string]bool{name(files - 1): true, "\x01\x00h": true, name(files - 2): false, "\x01\x00g": false} {
		require.Equal(t, want, strings.Contains(string(stored), name), "%q, old enough when it was read: %v", name, want)
	}
}

// trickle calls edit after each quarter of a megabyte of an upload.
type trickle struct {
	hostgo.Client
	edit func()
}

func (c *trickle) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	if in != nil {
		in = &trickled{in, c.edit, 0}
	}
	return c.Client.(hostgo.Streamer).RunStream(ctx, command, in, out, timeout)
}

type trickled struct {
	r    io.Reader
	edit func()
	n    int
}

func (c *trickled) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n += n; c.n >= 256<<10 {
		c.n = 0
		c.edit()
	}
	return n, err
}

// A large file that changes once while it is sent travels in a second copy; one that changes each time is left for the
// next push. Either way nothing comes home.
func TestD9_ALargeFileThatChangesWhileItIsSent(t *testing.T) {
	for _, often := range []bool{false, true} {
		b := newPair(t)
		b.opts.Identity = "the same sandbox"
		text := func(c string) string { return strings.Repeat(c, 1<<20) }
		write(t, b.local, "a", "1")
		write(t, b.local, "large", text("o"))
		b.push()
		write(t, b.local, "large", text("p"))
		plain, edits := b.opts.Client, 0
		b.opts.Client = &trickle{plain, func() {
			if edits++; edits == 1 || often {
				// In place: a file cut short first is, for a moment, a steady empty one, and may be sent as that.
				f, err := os.OpenFile(filepath.Join(b.local, "large"), os.O_WRONLY, 0)
				require.NoError(t, err)
				_, err = f.WriteString(text(string(rune('q' + edits%9))))
				require.NoError(t, errors.Join(err, f.Close()))
				when := time.Unix(int64(edits), 0) // two edits in one tick of the clock would look like one
				require.NoError(t, os.Chtimes(f.Name(), when, when))
			}
		}}
		r := b.push()
		require.Positive(t, edits)
		b.opts.Client = plain
		if often {
			require.Equal(t, []string{"large changing"}, problemCodes(r))
			require.Equal(t, text("o"), read(t, b.sandbox, "large"))
		} else {
			require.Empty(t, r.Problems)
			require.Equal(t, read(t, b.local, "large"), read(t, b.sandbox, "large"))
		}
		last := read(t, b.local, "large")
		require.Empty(t, b.pull().Lines, "often=%v", often)
		b.push()
		require.Equal(t, last, read(t, b.local, "large"))
		require.Equal(t, last, read(t, b.sandbox, "large"))
	}
}

// TestDownloadsThatWereCutOffDoNotPileUp: each is as large as what changed, and a person tries again.
func TestDownloadsThatWereCutOffDoNotPileUp(t *testing.T) {
	b := newPair(t)
	b.push()
	client := b.opts.Client
	left := func() []string {
		names, err := filepath.Glob(filepath.Join(b.sandbox, core.RuntimeDir, "planner", "down-*"))
		require.NoError(t, err)
		return names
	}
	b.opts.Client = &cutting{client, 100_000}
	for i := range 4 {
		data := make([]byte, 1<<20) // that no compression shortens
		rand.NewChaCha8([32]byte{byte(i)}).Read(data)
		write(t, b.sandbox, fmt.Sprint("f", i), string(data))
		_, err := hostgo.Pull(t.Context(), b.opts)
		require.ErrorIs(t, err, errCut)
		require.LessOrEqual(t, len(left()), 2, "of the last run alone: %v", left())
	}
	alive := filepath.Join(b.sandbox, core.RuntimeDir, "planner", "down-00000000alive")
	require.NoError(t, os.WriteFile(alive+".tar", nil, 0o644))
	require.NoError(t, os.WriteFile(alive+".pid", []byte(fmt.Sprintln(os.Getpid())), 0o644))
	b.opts.Client = client
	b.pull()
	require.Equal(t, []string{alive + ".pid", alive + ".tar"}, left())
	require.Empty(t, cmp.Diff(listing(t, b.sandbox), listing(t, b.local)))
}
