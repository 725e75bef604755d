//go:build unix

package hostgo_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// TestD5_AToolThatDiesHalfWay has one that lists end in the middle, as where memory runs out, once or each time. What
// it did not come to must not look deleted.
func TestD5_AToolThatDiesHalfWay(t *testing.T) {
	links := `case "$*" in *'-type l'*)`
	for name, c := range map[string]struct{ without, tool, when string }{
		"sort, beside an earlier listing": {"dd", "sort", `case "$*" in -u)`},
		"find, where none is compared":    {"comm", "find", links},
	} {
		for _, often := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, often=%v", name, often), func(t *testing.T) {
				b := newPair(t)
				b.opts.Identity = "the same sandbox"
				bin := newToolbox(t, "gnu", "dash", c.without)
				b.opts.Client = &toolbox{b.opts.Client, bin}
				for i := range 30 {
					write(t, b.local, fmt.Sprintf("file %02d", i), "1")
				}
				link(t, "file 00", b.local, "link 1")
				link(t, "file 01", b.local, "link 2")
				b.push()
				before := listing(t, b.local)
				signs := t.TempDir()
				if often {
					write(t, signs, "often", "")
				}
				wrap(t, bin, c.tool, c.when+` if [ ! -e `+signs+`/once ] || [ -e `+signs+`/often ]; then
  : >`+signs+`/once
  "$TOOL" "$@" | { read -r last; while read -r l; do printf '%s\n' "$last"; last=$l; done; }
  kill -9 $$
fi ;; esac
exec "$TOOL" "$@"
`)
				r, err := hostgo.Pull(t.Context(), b.opts)
				require.FileExists(t, filepath.Join(signs, "once"), "the test has its point")
				require.Empty(t, cmp.Diff(before, listing(t, b.local)))
				if !often {
					require.NoError(t, err)
					require.Equal(t, plan.StatusOK, r.Status)
				}
			})
		}
	}
}

// Many names that changed are read by one cat. Of those that it did not come to nothing may be believed.
func TestD5_NamesThatAreReadHalf(t *testing.T) {
	for nth := 1; ; nth++ { // the cat that dies
		b, bin := newWrapped(t)
		for i := range 30 {
			write(t, b.local, fmt.Sprintf("file %02d", i), "1")
		}
		b.push()
		before, signs := listing(t, b.local), t.TempDir()
		wrap(t, bin, "cat", `n=0
[ $# != 0 ] || { echo >>`+signs+`/count; while read -r l; do n=$((n+1)); done <`+signs+`/count; }
if [ $n = `+strconv.Itoa(nth)+` ]; then
  IFS= read -r l; printf '%s\n' "$l"; kill -9 $$
fi
exec "$TOOL" "$@"
`)
		for i := range 20 {
			write(t, b.sandbox, fmt.Sprintf("file %02d", i), fmt.Sprint("2 ", i))
		}
		_, err := hostgo.Pull(t.Context(), b.opts)
		if err == nil {
			require.Greater(t, nth, 4, "the test has its point")
			require.Empty(t, cmp.Diff(listing(t, b.sandbox), listing(t, b.local)))
			return
		}
		require.Empty(t, cmp.Diff(before, listing(t, b.local)))
		b.pull()
		require.Empty(t, cmp.Diff(listing(t, b.sandbox), listing(t, b.local)))
	}
}

// A push that can't set a version aside leaves it in its place, and nothing that speaks of one that is not there.
func TestD15_AVersionThatCanNotBeSetAside(t *testing.T) {
	b, bin := newWrapped(t)
	write(t, b.local, "a", "2")
	write(t, b.sandbox, "a", "3")
	signs := t.TempDir()
	wrap(t, bin, "mv", `case "$*" in */displaced/*) [ -e `+signs+`/met ] || { : >`+signs+`/met; echo mv: no >&2; exit 1; } ;; esac
exec "$TOOL" "$@"
`)
	r := b.push()
	require.Equal(t, plan.StatusPartial, r.Status)
	require.Equal(t, []string{"a write_failed"}, problemCodes(r))
	require.FileExists(t, filepath.Join(signs, "met"), "the test has its point")
	require.Equal(t, "3", read(t, b.sandbox, "a"))
	left, err := os.ReadDir(filepath.Join(b.sandbox, ".paperclip-runtime/planner/displaced"))
	require.NoError(t, err)
	require.Empty(t, left)
	b.push()
	conflicts := b.pull().Conflicts
	require.Len(t, conflicts, 1)
	require.Equal(t, "2", read(t, b.local, "a"))
	require.Equal(t, "3", read(t, b.local, conflicts[0].Copy))
}

// TestD9_ASourceThatCouldNotBeProvenIsNotUsed is about contents that a push has copied in the
// sandbox, where an edit came in between.
func TestD9_ASourceThatCouldNotBeProvenIsNotUsed(t *testing.T) {
	b, bin := newWrapped(t)
	write(t, b.local, "source", "content")
	b.push()
	write(t, b.local, "copy", "content")
	signs := t.TempDir()
	wrap(t, bin, "sort", `case "$*" in *.sources*) : >`+signs+`/met; exit 1 ;; esac
exec "$TOOL" "$@"
`)
	b.hook("write", 1, func() error {
		write(t, b.sandbox, "source", "edited!")
		return nil
	})
	b.push()
	require.FileExists(t, filepath.Join(signs, "met"), "the test has its point")
	require.Equal(t, "content", read(t, b.sandbox, "copy"))
}

// exporting is a client of a sandbox that has something in its environment.
type exporting struct {
	hostgo.Client
	variable string
}

func (c *exporting) Run(ctx context.Context, command string, timeout time.Duration) error {
	return c.Client.Run(ctx, "export "+c.variable+"; "+command, timeout)
}

// Options that a user set for tar in the sandbox are not meant for us.
func TestR2_OptionsOfTarInTheEnvironment(t *testing.T) {
	for _, options := range []string{"--sparse", "--exclude=b*", "--gzip"} {
		b := newPair(t)
		b.opts.Identity = "the same sandbox"
		b.opts.Client = &exporting{b.opts.Client, "TAR_OPTIONS=" + plan.Quote(options)}
		write(t, b.local, "b1", "1")
		b.push()
		require.Equal(t, "1", read(t, b.sandbox, "b1"), options)
		write(t, b.sandbox, "b2", "2")
		require.NoError(t, os.Truncate(filepath.Join(b.sandbox, "b1"), 1<<20))
		require.Empty(t, b.pull().Problems, options)
		require.Equal(t, "2", read(t, b.local, "b2"), options)
		require.Equal(t, "1"+strings.Repeat("\x00", 1<<20-1), read(t, b.local, "b1"), options)
	}
}

// A file may be a second name of one in a repository, whose contents never come home by themselves.
func TestR1_AHardLinkIntoARepositoryComesHome(t *testing.T) {
	for _, dialect := range []plan.Dialect{plan.Hardened, plan.Classic} {
		b := newPair(t)
		b.opts.Identity, b.opts.Dialect = "the same sandbox", dialect
		b.opts.Client = &toolbox{b.opts.Client, newToolbox(t, "gnu", "dash", "sha256sum")}
		write(t, b.local, "a", "1")
		write(t, b.local, ".git/HEAD", "ref: refs/heads/main\n")
		b.push()
		for name, first := range map[string]string{"zz object": ".git/objects/aa/bb", "zz branch": ".git/refs/heads/new"} {
			write(t, b.sandbox, first, name)
			require.NoError(t, os.Link(filepath.Join(b.sandbox, first), filepath.Join(b.sandbox, name)))
		}
		require.Equal(t, plan.StatusOK, b.pull().Status)
		for _, name := range []string{"zz object", "zz branch"} {
			require.Equal(t, name, read(t, b.local, name))
		}
		require.NoDirExists(t, filepath.Join(b.local, ".git/objects"))
	}
}
