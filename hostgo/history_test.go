//go:build unix

package hostgo_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/dir"
)

var histories = flag.Int("histories", 200, "how many generated histories TestHistories plays")

// TestHistories plays generated histories twice: once as a user has it, and
// once with everything that makes a sync incremental taken away before each
// step. Both must end each step with the same trees and the same words, whatever
// was edited on which side, with times set back, renames, and listings that are
// lost, cut, forged or from a clock that runs ahead.
func TestHistories(t *testing.T) {
	var wait sync.WaitGroup
	seeds := make(chan uint64)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for seed := range seeds {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { playHistory(t, seed) })
			}
		})
	}
	for seed := range uint64(*histories) {
		seeds <- seed
	}
	close(seeds)
	wait.Wait()
}

func playHistory(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	quick, full := newPair(t), newPair(t)
	both := []*pair{quick, full}
	story := []string{}
	for range 2 + rng.IntN(4) {
		for range rng.IntN(5) {
			e := randomEdit(rng)
			for _, b := range both {
				e.apply(t, b)
			}
			story = append(story, e.String())
		}
		damage := rng.IntN(16)
		restart := rng.IntN(12) == 0
		pull := rng.IntN(2) == 0
		story = append(story, fmt.Sprintf("pull=%v damage=%d restart=%v", pull, damage, restart))
		var said []string
		for _, b := range both {
			if restart {
				require.NoError(t, os.RemoveAll(b.sandbox))
				require.NoError(t, os.Mkdir(b.sandbox, 0o755))
			}
			if b == quick {
				damageListing(t, b, damage)
			} else {
				forgetListing(t, b)
			}
			said = append(said, b.step(pull))
		}
		why := strings.Join(story, "\n")
		require.Empty(t, cmp.Diff(said[1], said[0]), "%s", why)
		require.Empty(t, cmp.Diff(listing(t, full.local), listing(t, quick.local)), "%s", why)
		require.Empty(t, cmp.Diff(listing(t, full.sandbox), listing(t, quick.sandbox)), "%s", why)
	}
}

// step pushes or pulls and returns all that was said.
func (b *pair) step(pull bool) string {
	sync := hostgo.Push
	if pull {
		sync = hostgo.Pull
	}
	client, err := dir.New(b.sandbox)
	require.NoError(b.t, err)
	b.opts.Client = client
	r, err := sync(b.t.Context(), b.opts)
	require.NoError(b.t, err)
	for i := range r.Conflicts {
		r.Conflicts[i].Copy = strings.ReplaceAll(r.Conflicts[i].Copy, b.local, "")
	}
	r.Lacks = nil // the two ways may differ in why all was compared, and in nothing else
	return plan.Render(r.Report, false, false)
}

func runtimeDir(b *pair) string { return filepath.Join(b.sandbox, ".paperclip-runtime", "planner") }

func forgetListing(t *testing.T, b *pair) {
	for _, pattern := range []string{"seen-*", "sums", "script-*"} {
		found, err := filepath.Glob(filepath.Join(runtimeDir(b), pattern))
		require.NoError(t, err)
		for _, f := range found {
			require.NoError(t, os.RemoveAll(f))
		}
	}
}

// damageListing does to the listing what a careless or hostile sandbox could.
func damageListing(t *testing.T, b *pair, how int) {
	if how == 0 {
		forgetListing(t, b)
		return
	}
	clocks, err := filepath.Glob(filepath.Join(runtimeDir(b), "seen-*.clock"))
	require.NoError(t, err)
	for _, clock := range clocks {
		list := strings.TrimSuffix(clock, ".clock")
		data, err := os.ReadFile(list)
		require.NoError(t, err)
		lines := strings.SplitAfter(string(data), "\n")
		switch how {
		case 1: // cut
			data = data[:len(data)/2]
		case 2: // a line lost
			data = []byte(strings.Join(lines[1:], ""))
		case 3: // a line forged
			data = append(data, "1.0 1.0 1 1 f644 ./forged\n"...)
		case 4:
			// from a clock that is ahead of this one: the clock was set back since
			digest := core.Sum(string(data)).String() + "  -"
			require.NoError(t, os.WriteFile(clock, []byte("9999999999.0\n"+digest+"\n"), 0o600))
		case 5: // the script altered
			scripts, err := filepath.Glob(filepath.Join(runtimeDir(b), "script-*"))
			require.NoError(t, err)
			for _, s := range scripts {
				require.NoError(t, os.WriteFile(s, []byte("exit 0\n"), 0o600))
			}
		case 6: // what is known of contents, lost
			require.NoError(t, os.RemoveAll(filepath.Join(runtimeDir(b), "sums")))
		}
		require.NoError(t, os.WriteFile(list, data, 0o600))
	}
}

// edit is one change of a tree.
type edit struct {
	local    bool
	op       string
	path, to string
	content  string
}

func (e edit) String() string {
	return fmt.Sprintf("local=%v %s %q %q %q", e.local, e.op, e.path, e.to, e.content)
}

var historyPaths = []string{"a", "b", "c.txt", "d/a", "d/b", "d/e/f", "g/h", "g/i", "odd\nname", "back\\slash", "-dash", "d/sp ace"}

func randomEdit(rng *rand.Rand) edit {
	ops := []string{"write", "write", "write", "same size", "restored mtime", "remove", "mkdir", "link", "chmod", "rename", "rename dir", "touch", "future", "fifo"}
	return edit{local: rng.IntN(2) == 0, op: ops[rng.IntN(len(ops))], path: historyPaths[rng.IntN(len(historyPaths))],
		to: historyPaths[rng.IntN(len(historyPaths))], content: fmt.Sprintf("%c\nline\n%c\n", 'A'+rune(rng.IntN(6)), 'A'+rune(rng.IntN(6)))}
}

// apply makes the edit, or as much of it as the tree allows. Errors are those of
// names that are taken or missing, and the same in both trees.
func (e edit) apply(t *testing.T, b *pair) {
	root := b.sandbox
	if e.local {
		root = b.local
	}
	at := filepath.Join(root, e.path)
	info, err := os.Lstat(at)
	isFile := err == nil && info.Mode().IsRegular()
	switch e.op {
	case "write":
		if os.MkdirAll(filepath.Dir(at), 0o755) == nil && (isFile || err != nil) {
			_ = os.WriteFile(at, []byte(e.content), 0o644)
		}
	case "same size", "restored mtime":
		if !isFile {
			return
		}
		data, err := os.ReadFile(at)
		require.NoError(t, err)
		if len(data) > 0 {
			data[0] ^= 3
		}
		require.NoError(t, os.WriteFile(at, data, info.Mode()))
		if e.op == "restored mtime" {
			require.NoError(t, os.Chtimes(at, info.ModTime(), info.ModTime()))
		}
	case "remove":
		require.NoError(t, os.RemoveAll(at))
	case "mkdir":
		_ = os.MkdirAll(at, 0o755)
	case "link":
		_ = os.Symlink("a", at)
	case "chmod":
		if isFile {
			require.NoError(t, os.Chmod(at, info.Mode()^0o111))
		}
	case "rename":
		_ = os.Rename(at, filepath.Join(root, e.to))
	case "rename dir":
		_ = os.Rename(filepath.Join(root, "d"), filepath.Join(root, "g"))
	case "touch", "future":
		if isFile {
			when := time.Now()
			if e.op == "future" {
				when = when.Add(24 * time.Hour)
			}
			require.NoError(t, os.Chtimes(at, when, when))
		}
	case "fifo":
		_ = unix.Mkfifo(at, 0o644)
	}
}
