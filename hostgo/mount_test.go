package hostgo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// mounts are the directories of a workspace in which a test takes something to be mounted.
type mounts []string

// layouts have nothing mounted, or all but the runtime folder on another file system than that.
var layouts = []mounts{nil, {core.RuntimeDir}}

// mount has a request fail where it renames something from one file system into another.
func (w *world) mount(req applyRequest, m mounts) applyRequest {
	tops := map[uint64]string{}
	for _, p := range append(m, "") {
		full := filepath.Join(w.root, p)
		require.NoError(w.t, os.MkdirAll(full, 0o755))
		d, err := tree.Open(full)
		require.NoError(w.t, err)
		info, err := d.Lstat(".")
		require.NoError(w.t, errors.Join(err, d.Close()))
		tops[info.Ino] = p
	}
	req.crosses = func(from, to *tree.Dir) bool { return w.topOf(tops, from) != w.topOf(tops, to) }
	return req
}

// topOf goes up from a directory to the first one in a list of inodes.
func (w *world) topOf(tops map[uint64]string, d *tree.Dir) string {
	d, err := d.Walk("")
	for {
		require.NoError(w.t, err)
		info, e := d.Lstat(".")
		require.NoError(w.t, e)
		top, ok := tops[info.Ino]
		up, e := d.OpenDir("..")
		require.NoError(w.t, d.Close())
		if ok || e != nil {
			require.NoError(w.t, e)
			require.NoError(w.t, up.Close())
			return top
		}
		d, err = up, e
	}
}

// everythingIn is [everything] in a directory of the workspace.
func everythingIn(w *world, dir string) ([]merge.Decision, map[string]string) {
	in, applied := *w, map[string]string{dir: "dir"}
	in.root = filepath.Join(w.root, dir)
	list := everything(&in)
	for i := range list {
		d := &list[i]
		if d.Dest != "" {
			d.Dest = dir + "/" + d.Dest
		}
		d.Path = dir + "/" + d.Path
	}
	for p, what := range everythingApplied {
		if core.Under(p, "kept "+what) || p == "kept "+what {
			applied[p] = what
		} else {
			applied[dir+"/"+p] = what
		}
	}
	return list, applied
}

// A file system that is mounted in the workspace takes whatever happens there, as does one that is mounted in that.
func TestApplyDoesEverythingWhereSomethingIsMounted(t *testing.T) {
	for _, noExchange := range []bool{false, true} {
		for dir, m := range map[string]mounts{"m": {"m"}, "d/m": {"d/m"}, "m/inner": {"m", "m/inner"}} {
			w := newWorld(t)
			list, want := everythingIn(w, dir)
			for p := core.Parent(dir); p != ""; p = core.Parent(p) {
				want[p] = "dir"
			}
			req := w.mount(w.request(list), m)
			req.noExchange = noExchange
			results, err := apply(t.Context(), req)
			require.NoError(t, err)
			for i := range results {
				require.Equal(t, merge.Done, results[i].Status, "%s: %+v", req.decisions[i].Path, results[i].Note)
			}
			require.Empty(t, cmp.Diff(want, w.tree()))
			w.staysClean()
		}
	}
}

// staysClean makes sure that no run left a staging folder.
func (w *world) staysClean() {
	w.t.Helper()
	require.NoDirExists(w.t, filepath.Join(w.root, core.RuntimeDir, "staging"))
	require.NoFileExists(w.t, journalPath(w.state))
	for _, pattern := range []string{"._*", "*/._*", "*/*/._*"} {
		left, err := filepath.Glob(filepath.Join(w.root, pattern))
		require.NoError(w.t, err)
		require.Empty(w.t, left)
	}
}

// Where nothing can be made in what is mounted there, that is told of each path, and the rest comes.
func TestD14_AMountThatTakesNothingStopsNoOther(t *testing.T) {
	for _, cause := range []syscall.Errno{syscall.EROFS, syscall.ENOSPC} {
		w := newWorld(t)
		list, _ := everythingIn(w, "m")
		before := w.tree()
		list = append(list, merge.Decision{Path: "x", Action: merge.Write, Want: w.body("x", "comes")})
		req := w.mount(w.request(list), mounts{"m"})
		req.fault = failingAt("volume m", cause)
		results, err := apply(t.Context(), req)
		require.NoError(t, err)
		for i, d := range list {
			if results[i].Status == merge.Failed {
				require.Contains(t, []string{cause.Error(), errNotEmpty.Error()}, results[i].Note.Detail, d.Path)
			} else {
				require.True(t, i == len(list)-1 || d.Action == merge.Aside || d.Action == merge.Chmod || d.Want != nil && d.Want.Kind == core.KindDir, d.Path)
			}
		}
		now := w.tree()
		require.Equal(t, "comes", now["x"])
		for p, what := range before {
			if p != "m/bit" {
				require.Equal(t, what, now[p], p)
			}
		}
		w.staysClean()
	}
}

// failingAt fails at each point with a prefix.
func failingAt(prefix string, cause error) func(string) error {
	return func(point string) error {
		if strings.HasPrefix(point, prefix) {
			return cause
		}
		return nil
	}
}

// A mounted file system that is full is no full disk of the workspace: what has no room there is told of, and
// gives the room that it took to the others.
func TestD14_AFullMountStopsNoOther(t *testing.T) {
	for point, left := range map[string]int{"stage m/full": 1, "flush m": 70} {
		w := newWorld(t)
		list := []merge.Decision{{Path: "m/full", Action: merge.Write, Want: w.body("m/full", "large")}}
		for i := range 69 {
			path := fmt.Sprintf("m/n%02d", i)
			list = append(list, merge.Decision{Path: path, Action: merge.Write, Want: w.body(path, "small")})
		}
		w.put("m/old", "old")
		list = append(list, merge.Decision{Path: "m/old", Action: merge.Delete, Expect: fileEntry("m/old", "old")},
			merge.Decision{Path: "x", Action: merge.Write, Want: w.body("x", "comes")})
		req := w.mount(w.request(list), mounts{"m"})
		req.fault = failingAt(point, syscall.ENOSPC)
		results, err := apply(t.Context(), req)
		require.NoError(t, err, point)
		now, failed := w.tree(), 0
		for i := range results {
			if results[i].Status == merge.Failed {
				require.Equal(t, syscall.ENOSPC.Error(), results[i].Note.Detail)
				require.NotContains(t, now, list[i].Path)
				failed++
			}
		}
		require.Equal(t, left, failed, point)
		require.Equal(t, "comes", now["x"])
		require.NotContains(t, now, "m/old")
		w.staysClean()
	}
}

// Where the whole workspace lies on another file system than its runtime folder, a full one is a full disk all the same.
func TestD14_AFullDiskBesideAMountChangesNothing(t *testing.T) {
	for _, point := range []string{"volume", "stage replace"} {
		w := newWorld(t)
		req := w.mount(w.request(everything(w)), mounts{core.RuntimeDir})
		before := w.tree()
		req.fault = failingAt(point, syscall.ENOSPC)
		results, err := apply(t.Context(), req)
		require.ErrorIs(t, err, core.CodeNoSpace, point)
		require.Nil(t, results)
		require.Empty(t, cmp.Diff(before, w.tree()))
	}
}

// What is mounted itself can't be removed, moved or replaced.
func TestAMountedDirectoryStays(t *testing.T) {
	w := newWorld(t)
	w.put("f", "mine")
	req := w.request([]merge.Decision{{Path: "f", Action: merge.Write, Expect: fileEntry("f", "mine"), Want: w.body("f", "theirs")}})
	req.noExchange = true
	req.fault = func(point string) error {
		if point == "rename f" {
			return syscall.EBUSY
		}
		return nil
	}
	results, err := apply(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, merge.Failed, results[0].Status)
	require.Contains(t, results[0].Note.Detail, "another file system is mounted there")
	require.Equal(t, "mine", w.tree()["f"])
}

// A displaced version is copied out of a mount, and kept once more if a program writes to it meanwhile.
func TestD12_AWriteIntoWhatWasCopiedOutOfAMountIsKept(t *testing.T) {
	for _, point := range []string{"exchanged m/f", "carried n0", "after 0"} {
		w := newWorld(t)
		w.put("m/f", "mine")
		f, err := os.OpenFile(filepath.Join(w.root, "m/f"), os.O_WRONLY|os.O_APPEND, 0)
		require.NoError(t, err)
		defer f.Close()
		req := w.mount(w.request([]merge.Decision{{Path: "m/f", Action: merge.Write, Displace: true, Expect: fileEntry("m/f", "mine"), Want: w.body("m/f", "theirs")}}), mounts{"m"})
		req.fault = func(p string) error {
			if p == point {
				_, err := f.WriteString(" and more")
				return err
			}
			return nil
		}
		results, err := apply(t.Context(), req)
		require.NoError(t, err)
		require.Contains(t, contentsOf(w.tree()), "mine and more", point)
		require.Equal(t, "theirs", w.tree()["m/f"])
		kept, err := os.ReadFile(filepath.Join(w.root, results[0].Noted().Copy))
		require.NoError(t, err)
		require.Equal(t, "mine and more", string(kept))
		w.staysClean()
	}
}

// A run that died with another state folder left versions where something is mounted.
func TestAStagingFolderThatNoJournalSpeaksOfIsReported(t *testing.T) {
	w := newWorld(t)
	w.put("m/"+volumeStaging("run")+"/o0", "mine")
	rules, err := (&plan.Options{}).Rules()
	require.NoError(t, err)
	s, err := Scan(t.Context(), w.root, ScanOptions{Rules: rules})
	require.NoError(t, err)
	require.Len(t, s.Snapshot.Problems, 1)
	require.Equal(t, "m/"+volumeStaging("run"), s.Snapshot.Problems[0].Path)
	require.Equal(t, core.ProblemStaleStaging, s.Snapshot.Problems[0].Code)
}
