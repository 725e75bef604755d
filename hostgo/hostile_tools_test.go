//go:build unix

package hostgo_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

var toolHistories = flag.Int("toolhistories", 5, "how many generated histories TestToolsThatFail and TestToolsThatLie play each")

// spoiled stands in place of a tool. Where an order speaks of this call of it, it does something else than the tool.
const spoiled = `#!/bin/sh
PATH=/usr/bin:/bin tool=%s real=%s dir=%s W=%s n=0
[ -s $dir/orders ] || exec $real "$@"
echo $$ >>$dir/calls.$tool
while read -r l; do n=$((n+1)); done <$dir/calls.$tool
half() { $real "$@" >$dir/out.$$; c=$(wc -c <$dir/out.$$); head -c $((c/2)) $dir/out.$$; }
while read -r t at how; do
  [ "$t" = $tool ] && { [ "$at" = $n ] || [ "$at" = all ]; } || continue
  case $how in
    fails) exit 1 ;;
    fails-late) $real "$@"; exit 1 ;;
    fails-half-way) half "$@"; exit 1 ;;
    killed) half "$@"; kill -9 $$ ;;
    does-nothing) exit 0 ;;
    cuts) half "$@"; exit 0 ;;
    repeats) $real "$@" >$dir/out.$$; cat $dir/out.$$ $dir/out.$$; exit 0 ;;
    reverses) $real "$@" | tac; exit 0 ;;
    replays) [ -f $dir/old.$tool ] || $real "$@" >$dir/old.$tool; cat $dir/old.$tool; exit 0 ;;
    noise) head -c 3000 /dev/urandom; exit 0 ;;
    much) head -c 20000000 /dev/zero; exit 0 ;;
    lines) yes '1.0 1.0 1 1 f644 ./../../canary/forged' | head -n 50; printf '\t1.0 1.0 1 1 f755 ./.git/hooks/%%s\n' a b c; exit 0 ;;
    hangs) sleep 60; exit 0 ;;
    empties) rm -rf $W/*; exec $real "$@" ;;
    links) ln -sfn ../canary $W/out; exec $real "$@" ;;
    forgets) rm -rf $W/.paperclip-runtime/planner/seen-*; exec $real "$@" ;;
    edits) for f in a b c.txt d/a; do [ ! -f $W/$f ] || echo $$ >$W/$f; done; exec $real "$@" ;;
    plants) mkdir -p $W/.git/hooks $W/sub/.GIT $W/skip; for f in .git/hooks/x .git/config sub/.GIT/config skip/mine; do echo evil >$W/$f; done; exec $real "$@" ;;
  esac
done <$dir/orders
exec $real "$@"
`

var (
	honestFaults = strings.Fields("fails fails-late fails-half-way killed")
	lies         = append(strings.Fields("does-nothing cuts repeats reverses replays noise much lines hangs empties links forgets edits plants"), honestFaults...)
)

// spoiler gives the orders to the tools of a sandbox.
type spoiler struct {
	t   *testing.T
	rng *rand.Rand
	dir string
}

// spoil replaces all tools of the pair's sandbox, of a make and with a kind of client that the random numbers choose.
func spoil(b *pair, rng *rand.Rand, spoiledOnes bool) *spoiler {
	kind := []string{"gnu", "gnu", "gnu", "busybox"}[rng.IntN(4)]
	missing := []string{"", "", "", "", "comm", "stat", "sha256sum", "dd", "stat comm sha256sum"}[rng.IntN(9)]
	bin := newToolbox(b.t, kind, "dash", strings.Fields(missing)...)
	b.opts.Identity = "the same sandbox"
	c := boxed{b.opts.Client, bin}
	b.opts.Client = &c
	if rng.IntN(2) == 0 {
		b.opts.Client = &streamingBox{c}
	}
	s := &spoiler{b.t, rng, b.t.TempDir()}
	for _, tool := range append(slices.Clone(mustHave), mayHave...) {
		path := filepath.Join(bin, tool)
		real, err := os.Readlink(path)
		if err != nil || !spoiledOnes {
			continue
		}
		if filepath.Base(real) == kind {
			real = plan.Quote(real + " " + tool)
		}
		require.NoError(b.t, os.Remove(path))
		require.NoError(b.t, os.WriteFile(path, []byte(fmt.Sprintf(spoiled, tool, real, s.dir, b.sandbox)), 0o755))
	}
	return s
}

// order has some of the calls that come do what is chosen from a list; none of them once it is called without one.
func (s *spoiler) order(n int, hows []string) string {
	calls, err := filepath.Glob(filepath.Join(s.dir, "calls.*"))
	require.NoError(s.t, err)
	for _, f := range calls {
		require.NoError(s.t, os.Remove(f))
	}
	tools := strings.Fields("find find find tar tar cat rm mv mv cp mkdir chmod ln sort sort sort comm comm sha256sum sha256sum stat dd")
	orders := ""
	for range n {
		at := []string{"1", "1", "1", "2", "2", "3", "4", "all"}[s.rng.IntN(8)]
		orders += tools[s.rng.IntN(len(tools))] + " " + at + " " + hows[s.rng.IntN(len(hows))] + "\n"
	}
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "orders"), []byte(orders), 0o644))
	return orders
}

// boxed runs commands with the tools of a folder.
type boxed struct {
	hostgo.Client
	bin string
}

func (c *boxed) command(command string) string {
	return "PATH=" + c.bin + "; export PATH\n" + plan.Script(command)
}

func (c *boxed) Run(ctx context.Context, command string, timeout time.Duration) error {
	return c.Client.Run(ctx, c.command(command), timeout)
}

type streamingBox struct{ boxed }

func (c *streamingBox) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	return c.Client.(hostgo.Streamer).RunStream(ctx, c.command(command), in, out, timeout)
}

func (b *pair) sync(pull bool) (*hostgo.Report, error) {
	if pull {
		return hostgo.Pull(b.t.Context(), b.opts)
	}
	return hostgo.Push(b.t.Context(), b.opts)
}

// TestToolsThatFail plays histories in which a tool of the sandbox fails or is killed, with all,
// half or nothing of its work done, and says so. What ends well then ended as without the
// failure, and anything else does when it is run again.
func TestToolsThatFail(t *testing.T) {
	for seed := range uint64(*toolHistories) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng, same := rand.New(rand.NewPCG(seed, 5)), rand.New(rand.NewPCG(seed, 5))
			b, sound := newPair(t), newPair(t)
			spoil(sound, same, false)
			tools := spoil(b, rng, true)
			var story []string
			for step := range 6 {
				for range 1 + rng.IntN(4) {
					e := randomEdit(rng)
					e.apply(t, b)
					e.apply(t, sound)
					story = append(story, e.String())
				}
				pull := rng.IntN(2) == 0 && step > 0
				story = append(story, fmt.Sprintf("pull=%v %s", pull, tools.order(1, honestFaults)))
				r, err := b.sync(pull)
				tools.order(0, nil)
				_, soundErr := sound.sync(pull)
				require.NoError(t, soundErr)
				if err != nil || r.Status != plan.StatusOK || len(r.Problems) > 0 {
					_, err = b.sync(pull)
					require.NoError(t, err, "%s", strings.Join(story, "\n"))
				}
				require.Empty(t, cmp.Diff(listing(t, sound.local), listing(t, b.local)), "%s", strings.Join(story, "\n"))
				require.Empty(t, cmp.Diff(listing(t, sound.sandbox), listing(t, b.sandbox)), "%s", strings.Join(story, "\n"))
			}
		})
	}
}

// TestToolsThatLie plays histories in which an agent's own tools stand in for those of the
// sandbox. Whatever they print or do, what was written here and is not known to have arrived
// there is kept, no path outside is touched, nor .git, nor what is excluded; each call ends, and
// once the tools are honest again both sides come to agree.
func TestToolsThatLie(t *testing.T) {
	for seed := range uint64(*toolHistories) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playLies(t, seed) })
	}
}

func playLies(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 6))
	b := newPair(t)
	tools := spoil(b, rng, true)
	b.opts.Timeout = 5 * time.Second
	b.opts.Plan.Exclude = []string{"skip"}
	guarded := guard(b)
	o := &ours{b: b, rng: rng, at: map[string]string{}}
	for step := range 6 {
		o.editBoth()
		pull := rng.IntN(2) == 0 && step > 0
		o.story = append(o.story, fmt.Sprintf("pull=%v %s", pull, tools.order(rng.IntN(4), lies)))
		o.sync(pull)
		o.check(guarded)
	}

	tools.order(0, nil)
	for path, what := range listing(t, b.sandbox) {
		if what == "special" || what == "link ../canary" {
			remove(t, b.sandbox, path) // which is reported each time
		}
	}
	b.opts.Timeout = 0
	b.opts.Plan.Allow = []plan.Guard{plan.GuardReplaced, plan.GuardEmptied, plan.GuardMassDelete}
	for i := range 4 {
		require.NoError(t, o.sync(i%2 == 0), o.words())
		o.check(guarded)
	}
	require.Empty(t, cmp.Diff(o.plain(b.local), o.plain(b.sandbox)), o.words())
}

// ours is what was written in the workspace and is not known to have arrived in the sandbox.
type ours struct {
	b     *pair
	rng   *rand.Rand
	n     int
	at    map[string]string // by path, a text that stands nowhere else
	story []string
}

// guard writes what no sandbox may touch: a repository, what is excluded, and what lies beside
// the workspace. It returns the contents by path.
func guard(b *pair) map[string]string {
	guarded := map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/hooks/x": "#!/bin/sh\n", "skip/mine": "mine", "../canary/mine": "mine"}
	for path, content := range guarded {
		write(b.t, b.local, path, content)
	}
	return guarded
}

// editBoth edits both sides a few times.
func (o *ours) editBoth() {
	for range 1 + o.rng.IntN(4) {
		o.edit()
		e := randomEdit(o.rng)
		e.local = false
		e.apply(o.b.t, o.b)
		o.story = append(o.story, e.String())
	}
}

func (o *ours) words() string { return strings.Join(o.story, "\n") }

// edit writes or removes a file of the workspace.
func (o *ours) edit() {
	path := historyPaths[o.rng.IntN(len(historyPaths))]
	at := filepath.Join(o.b.local, path)
	dir, err := filepath.EvalSymlinks(filepath.Dir(at))
	info, e := os.Lstat(at)
	switch {
	case err == nil && dir != filepath.Dir(at) || e == nil && !info.Mode().IsRegular():
	case o.rng.IntN(5) == 0:
		require.NoError(o.b.t, os.RemoveAll(at))
		delete(o.at, path)
		o.story = append(o.story, "removed here: "+path)
	case os.MkdirAll(filepath.Dir(at), 0o755) == nil:
		o.n++
		o.at[path] = fmt.Sprintf("local-%d.", o.n)
		require.NoError(o.b.t, os.WriteFile(at, []byte("line\n"+o.at[path]+"\nline\n"), 0o644))
		o.story = append(o.story, "written here: "+path+" "+o.at[path])
	}
}

// sync pushes or pulls. What a push that was not refused had is known to be there, and so is what a pull found.
func (o *ours) sync(pull bool) error {
	there := o.plain(o.b.sandbox)
	r, err := o.b.sync(pull)
	o.story = append(o.story, fmt.Sprintf("  error %v", err))
	if err != nil || r.Status == plan.StatusRefused {
		return err
	}
	after := o.plain(o.b.sandbox)
	for path, text := range o.at {
		if !pull || strings.Contains(there[path], text) || strings.Contains(after[path], text) {
			delete(o.at, path)
		}
	}
	o.story = append(o.story, fmt.Sprintf("  %s %v %v", r.Status, r.Problems, r.Conflicts))
	return nil
}

func (o *ours) check(guarded map[string]string) {
	t := o.b.t
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(o.b.local, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(p)
		all.Write(data)
		return err
	}))
	for path, text := range o.at {
		require.True(t, strings.Contains(all.String(), text), "%s of %s is lost\n%s", text, path, o.words())
	}
	for path, content := range guarded {
		require.Equal(t, content, read(t, o.b.local, path), "%s\n%s", path, o.words())
	}
	for _, folder := range []string{".git/hooks", "skip", "../canary"} {
		require.Len(t, listing(t, filepath.Join(o.b.local, folder)), 1, "%s\n%s", folder, o.words())
	}
	for path, what := range listing(t, o.b.local) {
		require.NotEqual(t, "link ../canary", what, "%s\n%s", path, o.words())
	}
	top, err := os.ReadDir(filepath.Dir(o.b.local))
	require.NoError(t, err)
	for _, d := range top {
		require.Contains(t, []string{"canary", "local", "sandbox", "state"}, d.Name(), o.words())
	}
}

// plain maps the paths of files that travel both ways to what they hold. Whether a file is
// writable for others is no edit.
func (o *ours) plain(root string) map[string]string {
	out := listing(o.b.t, root)
	for path, what := range out {
		top, _, _ := strings.Cut(path, "/")
		if top == ".git" || top == "sub" || top == "skip" || !strings.HasPrefix(what, "-") {
			delete(out, path)
			continue
		}
		out[path] = what[:4] + what[10:]
	}
	return out
}
