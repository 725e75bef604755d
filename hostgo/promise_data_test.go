package hostgo_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// The promises about data, DESIGN section 6. D11, D12 and D14 are tested with
// the journal and apply, where a run can be stopped at each point.

func TestD1_ExcludedMeansTheSameEverywhere(t *testing.T) {
	b := newPair(t)
	b.opts.Plan.Exclude = []string{"build", "*.log", "top/only"}
	for _, p := range []string{"a.txt", "build/x", "d/build/y", "d/z.log", "top/only", "d/top/only"} {
		write(t, b.local, p, "here\n")
	}
	write(t, b.sandbox, "e/build/theirs", "there\n")
	write(t, b.sandbox, "e/theirs.log", "there\n")
	before := listing(t, b.local)
	b.push()
	require.Equal(t, map[string]string{"a.txt": "-rw-r--r-- here\n", "d": "dir", "d/top": "dir", "d/top/only": "-rw-r--r-- here\n", "top": "dir",
		"e": "dir", "e/build": "dir", "e/build/theirs": "-rw-r--r-- there\n", "e/theirs.log": "-rw-r--r-- there\n"}, listing(t, b.sandbox))
	r := b.pull()
	require.Zero(t, r.Deletes, "%+v", r.Lines)
	after := listing(t, b.local)
	delete(after, "e") // a directory that the sandbox really has
	require.Empty(t, cmp.Diff(before, after))
}

func TestD2_AppleDoubleStaysWhereItIs(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	write(t, b.local, "d/._a", "resource fork")
	b.push()
	require.NoFileExists(t, filepath.Join(b.sandbox, "d/._a"))
	require.NoError(t, os.RemoveAll(filepath.Join(b.sandbox, "d")))
	b.pull()
	require.Equal(t, "resource fork", read(t, b.local, "d/._a"))
}

func TestD3_UmaskOwnerAndTimesAreNoEdits(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	write(t, b.local, "d/b", "2")
	b.push()
	require.NoError(t, b.opts.Client.Run(t.Context(), "cd "+plan.Quote(b.sandbox)+" && chmod 600 a && chmod 700 d && touch -t 200001010000 a d/b", 0))
	r := b.pull()
	require.Empty(t, r.Lines)
	require.Equal(t, plan.StatusOK, r.Status)
	require.Empty(t, b.push().Lines)
}

func TestD4_AnEmptiedOrReplacedSandboxEmptiesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		harm  func(t *testing.T, b *pair)
		guard plan.Guard
	}{
		"recycled": {func(t *testing.T, b *pair) {
			require.NoError(t, os.RemoveAll(b.sandbox))
			require.NoError(t, os.Mkdir(b.sandbox, 0o755))
		}, plan.GuardReplaced},
		"another marker": {func(t *testing.T, b *pair) {
			write(t, b.sandbox, core.RuntimeDir+"/planner/marker", strings.Repeat("f", 32)+"\n")
		}, plan.GuardReplaced},
		"emptied": {func(t *testing.T, b *pair) {
			for i := range 30 {
				remove(t, b.sandbox, fmt.Sprintf("f%d", i))
			}
		}, plan.GuardEmptied},
		"mostly gone": {func(t *testing.T, b *pair) {
			for i := range 25 {
				remove(t, b.sandbox, fmt.Sprintf("f%d", i))
			}
		}, plan.GuardMassDelete},
	} {
		t.Run(name, func(t *testing.T) {
			b := newPair(t)
			for i := range 30 {
				write(t, b.local, fmt.Sprintf("f%d", i), "x")
			}
			b.push()
			before := listing(t, b.local)
			c.harm(t, b)
			r := b.pull()
			require.Equal(t, plan.StatusRefused, r.Status)
			require.Equal(t, c.guard, r.Guard)
			require.NotEmpty(t, r.Hint)
			require.Empty(t, cmp.Diff(before, listing(t, b.local)))
			b.opts.Plan.Allow = []plan.Guard{c.guard}
			require.NotEqual(t, plan.StatusRefused, b.pull().Status)
		})
	}
}

// A marker that was cut, as a disk that filled up leaves one, is none: a push
// that took it for another sandbox's would be refused for ever.
func TestD4_ADamagedMarkerIsNone(t *testing.T) {
	for _, marker := range []string{"", "\n", "0123\n", strings.Repeat("g", 32) + "\n", strings.Repeat("f", 33) + "\n", strings.Repeat("F", 32) + "\n", "* *\n"} {
		b := newPair(t)
		write(t, b.local, "a", "1")
		b.push()
		write(t, b.sandbox, core.RuntimeDir+"/planner/marker", marker)
		write(t, b.local, "a", "2")
		write(t, b.sandbox, "b", "3")
		require.Equal(t, plan.GuardReplaced, b.pull().Guard)
		b.push()
		require.Equal(t, plan.StatusConflicts, b.pull().Status, marker)
		require.Equal(t, "-rw-r--r-- 3", listing(t, b.local)["b"])
	}
}

// tampering changes what it reads.
type tampering struct {
	hostgo.Client
	change func([]byte) []byte
}

func (c *tampering) ReadFile(ctx context.Context, p string) ([]byte, error) {
	data, err := c.Client.ReadFile(ctx, p)
	return c.change(data), err
}

// zipHeader is the length of what a compressed download begins with: a time and such, of
// which nothing depends on.
const zipHeader = 10

func TestD5_ADamagedDownloadWritesNothing(t *testing.T) {
	b := newPair(t)
	b.opts.Identity = "the same sandbox"
	for i := range 20 {
		write(t, b.local, fmt.Sprintf("d/f%d", i), strings.Repeat("content\n", i))
	}
	b.push()
	for i := range 10 {
		remove(t, b.sandbox, fmt.Sprintf("d/f%d", i))
		write(t, b.sandbox, fmt.Sprintf("n%d", i), "new\n")
	}
	before := listing(t, b.local)
	plain := b.opts.Client
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 150 {
		b.opts.Client = &tampering{plain, func(data []byte) []byte {
			if i%2 == 0 {
				return data[:rng.IntN(len(data))]
			}
			data[zipHeader+rng.IntN(len(data)-zipHeader)] ^= 1 << rng.IntN(8)
			return data
		}}
		r, err := hostgo.Pull(t.Context(), b.opts)
		require.ErrorIs(t, err, core.CodeCorrupt, "round %d: %+v", i, r)
		require.Empty(t, cmp.Diff(before, listing(t, b.local)))
	}
	b.opts.Client = plain
	require.Equal(t, 20, len(b.pull().Lines))
}

func TestD6_EditsOfBothSidesAreKeptAndReported(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "f.bin", "base\x00")
	write(t, b.local, "gone", "base\x00")
	b.push()
	write(t, b.local, "f.bin", "here\x00")
	write(t, b.sandbox, "f.bin", "there\x00")
	write(t, b.local, "new", "here")
	write(t, b.sandbox, "new", "there")
	write(t, b.local, "gone", "edited")
	remove(t, b.sandbox, "gone")
	r := b.pull()
	require.Equal(t, plan.StatusConflicts, r.Status)
	require.Equal(t, []string{"f.bin content", "gone deleted_in_sandbox", "new both_added"}, conflictPaths(r))
	require.Equal(t, "here\x00", read(t, b.local, "f.bin"))
	require.Equal(t, "there\x00", read(t, b.local, r.Conflicts[0].Copy))
	require.Equal(t, "edited", read(t, b.local, "gone"))
	require.Equal(t, "here", read(t, b.local, "new"))
	require.Equal(t, "there", read(t, b.local, r.Conflicts[2].Copy))
}

func TestD6_RemotePolicyKeepsTheDisplacedVersion(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "f", "base\x00")
	write(t, b.local, "d/x", "x")
	b.push()
	write(t, b.local, "f", "here\x00")
	write(t, b.sandbox, "f", "there\x00")
	write(t, b.local, "d/new", "mine")
	remove(t, b.sandbox, "d")
	write(t, b.sandbox, "d", "a file now")
	b.opts.Plan.Policy = "remote"
	r := b.pull()
	require.Equal(t, plan.StatusConflicts, r.Status)
	require.Equal(t, "there\x00", read(t, b.local, "f"))
	require.Equal(t, "here\x00", read(t, b.local, r.Displaced+"/f"))
	require.Equal(t, "a file now", read(t, b.local, "d"))
	require.Equal(t, "mine", read(t, b.local, r.Displaced+"/d/new"))
}

func TestD7_AFileInPlaceOfADirectoryDestroysNothingBelow(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "d/x", "base")
	b.push()
	write(t, b.local, "d/new", "mine")
	remove(t, b.sandbox, "d")
	write(t, b.sandbox, "d", "a file now")
	r := b.pull()
	require.Equal(t, []string{"d kind"}, conflictPaths(r))
	require.Equal(t, "mine", read(t, b.local, "d/new"))
	require.Equal(t, "base", read(t, b.local, "d/x"))
	require.Equal(t, "a file now", read(t, b.local, r.Conflicts[0].Copy))
}

func TestD8_ASecondPullDoesNothing(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "base\x00")
	write(t, b.local, "b", "base")
	write(t, b.local, "c", "base")
	b.push()
	write(t, b.local, "a", "here\x00")
	write(t, b.sandbox, "a", "there\x00")
	write(t, b.sandbox, "b", "edited")
	remove(t, b.sandbox, "c")
	require.Equal(t, plan.StatusConflicts, b.pull().Status)
	write(t, b.local, "b", "edited here afterwards")
	before := listing(t, b.local)
	r := b.pull()
	require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Report)
	require.Empty(t, r.Lines)
	require.Empty(t, cmp.Diff(before, listing(t, b.local)))
}

func TestD9_AFileSavedDuringUploadIsNotReverted(t *testing.T) {
	for _, when := range []string{"make_dir", "write"} {
		t.Run("before "+when, func(t *testing.T) {
			b := newPair(t)
			write(t, b.local, "a", "scanned")
			write(t, b.local, "z", "z")
			b.hook(when, 1, func() error {
				write(t, b.local, "a", "saved meanwhile")
				return nil
			})
			b.push()
			// Base must hold what was sent: else the next save looks like an edit
			// against the sandbox's.
			write(t, b.local, "a", "saved again")
			r := b.pull()
			require.Empty(t, r.Lines)
			require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Conflicts)
			require.Equal(t, "saved again", read(t, b.local, "a"))
			b.push()
			require.Equal(t, "saved again", read(t, b.sandbox, "a"))
		})
	}
}

func TestD10_ExcludedFoldersOfAWarmSandboxSurvive(t *testing.T) {
	b := newPair(t)
	b.opts.Plan.Exclude = []string{"node_modules"}
	write(t, b.local, "app/index.js", "1")
	write(t, b.local, "z", "1")
	b.push()
	write(t, b.sandbox, "app/node_modules/dep/index.js", "installed")
	write(t, b.sandbox, "node_modules/dep/index.js", "installed")
	require.NoError(t, os.RemoveAll(filepath.Join(b.local, "app")))
	write(t, b.local, "z", "2")
	b.push()
	require.NoFileExists(t, filepath.Join(b.sandbox, "app/index.js"))
	require.Equal(t, "installed", read(t, b.sandbox, "app/node_modules/dep/index.js"))
	require.Equal(t, "installed", read(t, b.sandbox, "node_modules/dep/index.js"))
	require.Equal(t, "2", read(t, b.sandbox, "z"))
}

func TestD13_AFailedPushChangesNothingThere(t *testing.T) {
	boom := errors.New("the link is down")
	for _, c := range []struct {
		call   string
		n      int
		edited bool // there, so that the push looks and plans again
	}{{"write", 1, false}, {"run", 1, false}, {"run", 2, false}, {"run", 2, true}, {"read", 1, true}, {"make_dir", 1, true}, {"write", 1, true}, {"run", 3, true}} {
		t.Run(fmt.Sprint(c.call, c.n), func(t *testing.T) {
			b := newPair(t)
			b.opts.Identity = "the same sandbox"
			write(t, b.local, "a", "1")
			write(t, b.local, "d/b", "1")
			b.push()
			write(t, b.local, "a", "2")
			remove(t, b.local, "d")
			if c.edited {
				write(t, b.sandbox, "there", "1")
			}
			before := listing(t, b.sandbox)
			plain := b.opts.Client
			b.hook(c.call, c.n, func() error { return boom })
			_, err := hostgo.Push(t.Context(), b.opts)
			require.ErrorIs(t, err, boom)
			require.Empty(t, cmp.Diff(before, listing(t, b.sandbox)))
			b.opts.Client = plain
			b.push()
			b.pull()
			require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
		})
	}
}

func TestD13_AChangeInTheSandboxBetweenSurveyAndApplyIsSeen(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	write(t, b.local, "z", "1")
	b.opts.Identity = "the same sandbox"
	b.push()
	write(t, b.local, "a", "2")
	b.hook("write", 1, func() error {
		write(t, b.sandbox, "a", "3")
		return nil
	})
	r := b.push() // plans again, and sets the new version aside
	require.Equal(t, []string{"a content"}, conflictPaths(r))
	require.Equal(t, "2", read(t, b.sandbox, "a"))
	r = b.pull()
	require.Equal(t, []string{"a set_aside"}, conflictPaths(r))
	require.Equal(t, "3", read(t, b.local, r.Conflicts[0].Copy))
}

// What a link leads to says nothing of what lies below the directory in its place.
func TestD13_ALinkInTheSandboxBecomesADirectory(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "in", "1")
	write(t, b.local, "e/in", "1")
	require.NoError(t, os.Symlink(".", filepath.Join(b.local, "d")))
	b.push()
	require.NoError(t, os.Symlink("e", filepath.Join(b.sandbox, "theirs")))
	remove(t, b.local, "d")
	write(t, b.local, "d/in", "2")
	write(t, b.local, "theirs/in", "2")
	require.Equal(t, []string{"theirs both_added"}, conflictPaths(b.push()))
	require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
}

func TestD13_ALivingApplyIsNotDisturbedAndADeadOneIs(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	b.push()
	write(t, b.local, "a", "2")
	write(t, b.sandbox, core.RuntimeDir+"/planner/lock/pid", fmt.Sprint(os.Getpid()))
	_, err := hostgo.Push(t.Context(), b.opts)
	require.ErrorIs(t, err, core.CodeBusy)
	require.Equal(t, "1", read(t, b.sandbox, "a"))
	write(t, b.sandbox, core.RuntimeDir+"/planner/lock/pid", "999999999")
	b.push()
	require.Equal(t, "2", read(t, b.sandbox, "a"))
	require.NoDirExists(t, filepath.Join(b.sandbox, core.RuntimeDir, "planner/lock"))
}

// Each version that is set aside at one path comes home: not only the last, and also
// after another one did.
func TestD15_AllThatWasSetAsideAtOnePathComesHome(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "other", "1")
	b.push()
	conflict := func(version string) {
		remove(t, b.sandbox, "d")
		write(t, b.sandbox, "d/in", version)
		write(t, b.local, "d", "person "+version)
		require.Equal(t, "d", b.push().Conflicts[0].Path)
	}
	conflict("1")
	conflict("2")
	home := func() (versions []string) {
		for _, c := range b.pull().Conflicts {
			require.Equal(t, merge.ConflictSetAside, c.Kind)
			versions = append(versions, read(t, b.local, c.Copy+"/in"))
		}
		return versions
	}
	require.ElementsMatch(t, []string{"1", "2"}, home())
	conflict("3")
	require.Equal(t, []string{"3"}, home())
	require.Empty(t, home())
}

// The same version set aside twice is one copy.
func TestD15_TheSameVersionSetAsideTwiceComesHomeOnce(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "other", "1")
	b.push()
	for i := range 2 {
		for _, path := range []string{"d", "f"} {
			remove(t, b.sandbox, path)
		}
		write(t, b.sandbox, "d/in", "agent\x00")
		write(t, b.sandbox, "f", "agent\x00")
		write(t, b.local, "d", fmt.Sprint("person ", i))
		write(t, b.local, "f", fmt.Sprint("person ", i))
		require.Len(t, b.push().Conflicts, 2)
	}
	r := b.pull()
	require.Equal(t, []string{"d set_aside", "f set_aside"}, conflictPaths(r))
	require.Equal(t, plan.StatusConflicts, r.Status)
	require.Equal(t, "agent\x00", read(t, b.local, r.Conflicts[0].Copy+"/in"))
	require.Equal(t, "agent\x00", read(t, b.local, r.Conflicts[1].Copy))
	require.Empty(t, b.pull().Conflicts)
}

func TestD15_APushKeepsSandboxWorkThatWasNotPulled(t *testing.T) {
	b := newPair(t)
	for _, p := range []string{"both", "theirs", "gone-here", "gone-there"} {
		write(t, b.local, p, "base\x00")
	}
	b.push()
	write(t, b.sandbox, "both", "agent\x00")
	write(t, b.sandbox, "theirs", "agent\x00")
	write(t, b.sandbox, "gone-here", "agent\x00")
	remove(t, b.sandbox, "gone-there")
	write(t, b.sandbox, "new", "agent\x00")
	write(t, b.local, "both", "person\x00")
	remove(t, b.local, "gone-here")
	r := b.push()
	require.NotEmpty(t, conflictPaths(r))
	require.Equal(t, "person\x00", read(t, b.sandbox, "both"))
	r = b.pull()
	require.Equal(t, "agent\x00", read(t, b.local, "theirs"))
	require.Equal(t, "agent\x00", read(t, b.local, "gone-here"))
	require.Equal(t, "agent\x00", read(t, b.local, "new"))
	require.NoFileExists(t, filepath.Join(b.local, "gone-there"))
	require.Equal(t, "person\x00", read(t, b.local, "both"))
	i := 0
	for r.Conflicts[i].Path != "both" {
		i++
	}
	require.Equal(t, "agent\x00", read(t, b.local, r.Conflicts[i].Copy))
	require.Empty(t, b.pull().Conflicts, "a version set aside is delivered once")
	b.push()
	require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
}

func TestD16_AnEditBetweenScanAndWriteIsNotReverted(t *testing.T) {
	for name, save := range map[string]func(t *testing.T, root string){
		"in place": func(t *testing.T, root string) { write(t, root, "a", "saved meanwhile") },
		"by rename": func(t *testing.T, root string) {
			write(t, root, ".a.swp", "saved meanwhile")
			require.NoError(t, os.Rename(filepath.Join(root, ".a.swp"), filepath.Join(root, "a")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newPair(t)
			b.opts.Identity = "the same sandbox"
			for _, p := range []string{"a", "b", "c"} {
				write(t, b.local, p, "base")
			}
			b.push()
			write(t, b.sandbox, "a", "agent")
			remove(t, b.sandbox, "b")
			write(t, b.sandbox, "n", "agent")
			b.hook("remove", 1, func() error { // after the scan, which the survey does not wait for, before the plan
				save(t, b.local)
				write(t, b.local, "b", "saved meanwhile")
				write(t, b.local, "n", "saved meanwhile")
				return nil
			})
			r := b.pull()
			require.Equal(t, plan.StatusConflicts, r.Status)
			require.Equal(t, []string{"a edited_meanwhile", "b edited_meanwhile", "n edited_meanwhile"}, conflictPaths(r))
			for _, p := range []string{"a", "b", "n"} {
				require.Equal(t, "saved meanwhile", read(t, b.local, p))
			}
			require.Equal(t, "agent", read(t, b.local, r.Conflicts[0].Copy))
			require.Equal(t, "agent", read(t, b.local, r.Conflicts[2].Copy))
		})
	}
}
