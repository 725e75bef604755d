//go:build unix

package hostgo_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// plain hides all of a client but the six calls, and notes them.
type plain struct {
	hostgo.Client
	calls  []string
	before func(command string) error            // of each command
	after  func(path string, data []byte) []byte // of each download
}

func (c *plain) MakeDir(ctx context.Context, p string) error {
	c.calls = append(c.calls, "make_dir "+p)
	return c.Client.MakeDir(ctx, p)
}

func (c *plain) WriteFile(ctx context.Context, p string, data []byte) error {
	c.calls = append(c.calls, "write "+p)
	return c.Client.WriteFile(ctx, p, data)
}

func (c *plain) ReadFile(ctx context.Context, p string) ([]byte, error) {
	c.calls = append(c.calls, "read "+p)
	data, err := c.Client.ReadFile(ctx, p)
	if c.after != nil && err == nil {
		data = c.after(p, data)
	}
	return data, err
}

func (c *plain) Remove(ctx context.Context, p string) error {
	c.calls = append(c.calls, "remove "+p)
	return c.Client.Remove(ctx, p)
}

func (c *plain) Run(ctx context.Context, command string, timeout time.Duration) error {
	c.calls = append(c.calls, "run "+strings.Join(strings.Fields(command)[:4], " "))
	if c.before != nil {
		if err := c.before(command); err != nil {
			return err
		}
	}
	return c.Client.Run(ctx, command, timeout)
}

// newClassic is a pair whose client has the seed's six calls alone.
func newClassic(t *testing.T) (*pair, *plain) {
	b := newPair(t)
	c := &plain{Client: b.opts.Client}
	b.opts.Client, b.opts.Identity, b.opts.Dialect = c, "the same sandbox", plan.Classic
	return b, c
}

func TestClassicMakesTheCallsOfTheSeed(t *testing.T) {
	b, c := newClassic(t)
	asset := t.TempDir()
	write(t, asset, "skill.md", "how")
	b.opts.Assets = []hostgo.Asset{{Key: "skills", Dir: asset}}
	write(t, b.local, "a", "1")
	b.push()
	rt := b.sandbox + "/" + core.RuntimeDir + "/planner"
	require.Empty(t, cmp.Diff([]string{"make_dir " + rt, "write " + rt + "/workspace-upload.tar", "run sh -c 'mkdir -p",
		"write " + rt + "/skills-upload.tar", "run sh -c 'rm -rf"}, c.calls))
	require.Equal(t, "how", read(t, rt, "skills/skill.md"))
	c.calls = nil
	r := b.pull()
	require.Empty(t, r.Lines)
	require.Equal(t, []string{"R4", "D10", "D13", "D15"}, r.Waived)
	require.Empty(t, cmp.Diff([]string{"run sh -c 'mkdir -p", "read " + rt + "/workspace-download.tar", "remove " + rt + "/workspace-download.tar"}, c.calls))
}

// Odd trees travel out with any tools. The tar of busybox, as Debian builds it,
// has no --exclude, and that of toybox fails because its archive lies in the tree:
// with those the seed's pull is an error, and so is ours.
func TestClassicWithOddTreesAndTools(t *testing.T) {
	for _, tools := range []string{"gnu", "busybox", "toybox"} {
		t.Run(tools, func(t *testing.T) {
			b, c := newClassic(t)
			c.Client = &toolbox{c.Client, newToolbox(t, tools, "dash")}
			plantOdd(t, b.local)
			r := b.push()
			require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Problems)
			want := listing(t, b.local)
			for _, p := range []string{"bad\xffname", "fifo", "socket"} {
				delete(want, p)
			}
			require.Empty(t, cmp.Diff(want, listing(t, b.sandbox)))
			r, err := hostgo.Pull(t.Context(), b.opts)
			if tools != "gnu" {
				require.ErrorIs(t, err, core.CodeClient)
				return
			}
			require.NoError(t, err)
			require.Empty(t, r.Lines)
			for _, n := range oddNames {
				write(t, b.sandbox, n, "edited "+n)
			}
			require.NoError(t, os.RemoveAll(filepath.Join(b.sandbox, "empty")))
			b.pull()
			want = listing(t, b.local)
			for _, p := range []string{"bad\xffname", "fifo", "socket"} {
				delete(want, p)
			}
			require.Empty(t, cmp.Diff(want, listing(t, b.sandbox)))
		})
	}
}

// D5 in classic: an archive that is cut anywhere, or has a damaged header, is an
// error before the first write.
func TestD5_ClassicDownloadsAreWhole(t *testing.T) {
	b, c := newClassic(t)
	for i := range 4 {
		write(t, b.local, fmt.Sprint("f", i), strings.Repeat("\x00", 512*i))
	}
	b.push()
	var whole []byte
	c.after = func(_ string, data []byte) []byte { whole = data; return data }
	b.pull()
	for i := range 4 {
		require.NoError(t, os.Remove(filepath.Join(b.sandbox, fmt.Sprint("f", i))))
	}
	before := listing(t, b.local)
	broken := map[string][]byte{}
	for n := 0; n < endOfArchive(t, whole); n += 256 {
		broken[fmt.Sprint("cut at ", n)] = whole[:n]
	}
	header := []byte(string(whole))
	header[512+3] ^= 1
	broken["header"] = header
	broken["two archives"] = append([]byte(string(whole)), whole...)
	broken["nothing"] = nil
	require.Greater(t, len(broken), 20)
	for name, data := range broken {
		c.after = func(string, []byte) []byte { return data }
		_, err := hostgo.Pull(t.Context(), b.opts)
		require.ErrorIs(t, err, core.CodeCorrupt, name)
		require.Empty(t, cmp.Diff(before, listing(t, b.local)), name)
	}
}

// endOfArchive returns the length of an archive with the two blocks of zeros that
// end it, without what pads it.
func endOfArchive(t *testing.T, data []byte) int {
	at := 0
	for data[at] != 0 {
		size, err := strconv.ParseInt(strings.Trim(string(data[at+124:at+136]), " \x00"), 8, 64)
		require.NoError(t, err)
		at += 512 + int(size+511)/512*512
	}
	return at + 1024
}

// A push that dies half way has cleared the sandbox. The pull after it deletes
// nothing here.
func TestClassicPushThatDiesDeletesNothing(t *testing.T) {
	b, c := newClassic(t)
	for i := range 10 {
		write(t, b.local, fmt.Sprint("f", i), "x")
	}
	b.push()
	c.before = func(string) error {
		for i := range 4 {
			remove(t, b.sandbox, fmt.Sprint("f", i))
		}
		return &core.Error{Code: core.CodeClient, Message: "the sandbox is gone"}
	}
	_, err := hostgo.Push(t.Context(), b.opts)
	require.ErrorIs(t, err, core.CodeClient)
	c.before = nil
	before := listing(t, b.local)
	for _, dialect := range []plan.Dialect{plan.Classic, plan.Hardened} {
		b.opts.Dialect = dialect
		r := b.pull()
		require.Zero(t, r.Deletes)
		require.Empty(t, cmp.Diff(before, listing(t, b.local)))
	}
}

// What tar leaves out although our rules do not is never deleted here.
func TestD1_ClassicTarLeavesOutMoreThanWeDo(t *testing.T) {
	b, _ := newClassic(t)
	b.opts.Plan.Exclude = []string{"src/*.c"} // for tar also src/sub/x.c and other/src/y.c
	for _, p := range []string{"src/a.c", "src/a.h", "src/sub/x.c", "src/sub/x.h", "other/src/y.c"} {
		write(t, b.local, p, "here")
	}
	b.push()
	require.FileExists(t, filepath.Join(b.sandbox, "src/sub/x.c"))
	require.NoFileExists(t, filepath.Join(b.sandbox, "src/a.c"))
	before := listing(t, b.local)
	r := b.pull()
	require.Zero(t, r.Deletes)
	require.Equal(t, []string{"other/src/y.c unreadable", "src/sub/x.c unreadable"}, problemCodes(r))
	require.Empty(t, cmp.Diff(before, listing(t, b.local)))

	// With the seed's meaning there is no difference, and nothing to report.
	b.opts.Plan.Exclude, b.opts.Plan.SeedExclude = nil, []string{"src/*.c"}
	b.push()
	require.NoFileExists(t, filepath.Join(b.sandbox, "src/sub/x.c"))
	r = b.pull()
	require.Empty(t, r.Problems)
	require.Empty(t, cmp.Diff(before, listing(t, b.local)))
}

// D4 where an exclude pattern hides the marker: half of the files is the most.
func TestD4_ClassicMarkerThatCanNotBeRead(t *testing.T) {
	b, _ := newClassic(t)
	b.opts.Plan.SeedExclude = []string{"marker"}
	for i := range 4 {
		write(t, b.local, fmt.Sprint("f", i), "x")
	}
	b.push()
	remove(t, b.sandbox, "f0")
	remove(t, b.sandbox, "f1")
	require.Equal(t, 2, b.pull().Deletes)
	b.push()
	remove(t, b.sandbox, "f2")
	remove(t, b.sandbox, "f3")
	write(t, b.sandbox, "g", "y")
	require.Equal(t, plan.GuardMassDelete, b.pull().Guard)
	require.FileExists(t, filepath.Join(b.local, "f2"))
}

// D9 in classic: base speaks of what was really sent of a file that never stood
// still, so that a pull reverts nothing.
func TestD9_ClassicSendsAFileThatKeepsChanging(t *testing.T) {
	b, _ := newClassic(t)
	write(t, b.local, "log", strings.Repeat("x", 16<<20))
	stop, done := make(chan struct{}), make(chan struct{})
	var writes atomic.Int64
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if f, err := os.OpenFile(filepath.Join(b.local, "log"), os.O_WRONLY, 0); err == nil {
				if _, err := f.WriteAt([]byte(fmt.Sprintf("%08d", i)), int64(i%1000)*8000); err == nil {
					writes.Add(1)
				}
				f.Close()
			}
		}
	}()
	for writes.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	r := b.push()
	for pushes := 1; len(problemCodes(r)) == 0 && pushes < 20; pushes++ {
		r = b.push() // on a busy machine the writer had no turn while the file was read
	}
	close(stop)
	<-done
	require.Equal(t, []string{"log changing"}, problemCodes(r))
	require.Equal(t, plan.StatusOK, r.Status)
	last := read(t, b.local, "log")
	r = b.pull()
	require.Empty(t, r.Lines)
	require.Empty(t, r.Conflicts)
	require.Equal(t, last, read(t, b.local, "log"))
}

// The sandbox's own work comes home under the table of every dialect.
func TestD6_ClassicKeepsBothEdits(t *testing.T) {
	b, _ := newClassic(t)
	write(t, b.local, "a.txt", "base\n")
	write(t, b.local, "text", "1\n2\n3\n4\n5\n")
	b.push()
	write(t, b.local, "a.txt", "mine\n")
	write(t, b.sandbox, "a.txt", "theirs\n")
	write(t, b.local, "text", "one\n2\n3\n4\n5\n")
	write(t, b.sandbox, "text", "1\n2\n3\n4\nfive\n")
	require.NoError(t, os.Link(filepath.Join(b.sandbox, "text"), filepath.Join(b.sandbox, "linked")))
	r := b.pull()
	require.Equal(t, plan.StatusConflicts, r.Status)
	require.Len(t, r.Conflicts, 1)
	require.Equal(t, "mine\n", read(t, b.local, "a.txt"))
	require.Equal(t, "theirs\n", read(t, b.local, r.Conflicts[0].Copy))
	require.Equal(t, "one\n2\n3\n4\nfive\n", read(t, b.local, "text"))
	require.Equal(t, "1\n2\n3\n4\nfive\n", read(t, b.local, "linked"))
	require.Empty(t, b.pull().Lines)
}

// TestClassicHistories plays generated histories in both dialects. As long as a
// pull comes before each push, which then destroys nothing, both must end each
// round with the same trees, and say the same of the pull.
func TestClassicHistories(t *testing.T) {
	for seed := range uint64(15) {
		rng := rand.New(rand.NewPCG(seed, 5))
		hardened, classic := newPair(t), newPair(t)
		classic.opts.Dialect = plan.Classic
		for _, b := range []*pair{hardened, classic} {
			b.opts.Plan.Allow = []plan.Guard{plan.GuardEmptied, plan.GuardMassDelete}
		}
		story := ""
		for range 2 + rng.IntN(4) {
			for range rng.IntN(5) {
				e := randomEdit(rng)
				if e.op == "fifo" { // which a push in classic removes
					continue
				}
				e.apply(t, hardened)
				e.apply(t, classic)
				story += e.String() + "\n"
			}
			said := map[*pair]string{}
			for _, b := range []*pair{hardened, classic} {
				for line := range strings.Lines(b.step(true)) {
					if !strings.HasPrefix(line, "  not promised") {
						said[b] += line
					}
				}
				b.step(false)
			}
			story += "pull, push\n"
			require.Empty(t, cmp.Diff(said[hardened], said[classic]), "%s", story)
			require.Empty(t, cmp.Diff(listing(t, hardened.local), listing(t, classic.local)), "%s", story)
			require.Empty(t, cmp.Diff(listing(t, hardened.sandbox), listing(t, classic.sandbox)), "%s", story)
		}
	}
}
