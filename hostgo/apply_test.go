package hostgo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// everything is a plan with each kind of action, on the tree that it expects.
func everything(w *world) []merge.Decision {
	for p, c := range map[string]string{"replace": "old", "to-link": "old", "to-dir": "old", "from-dir/in": "old", "delete": "old", "gone/in": "old",
		"bit": "old", "conflict": "mine", "aside": "mine", "displace": "mine", "stay": "stay"} {
		w.put(p, c)
	}
	x := func(e *core.Entry) *core.Entry { e.Mode = 0o755; return e }
	return []merge.Decision{
		{Path: "aside", Action: merge.Aside, Want: w.body("aside", "theirs")},
		{Path: "bit", Action: merge.Chmod, Expect: fileEntry("bit", "old"), Want: x(fileEntry("bit", "old"))},
		{Path: "conflict", Action: merge.Copy, Dest: "conflict.copy", Want: w.body("conflict", "theirs too")},
		{Path: "delete", Action: merge.Delete, Expect: fileEntry("delete", "old")},
		{Path: "displace", Action: merge.Write, Displace: true, Expect: fileEntry("displace", "mine"), Want: w.body("displace", "new 1")},
		{Path: "from-dir", Action: merge.Write, Expect: dirEntry("from-dir"), Want: w.body("from-dir", "new 2")},
		{Path: "from-dir/in", Action: merge.Delete, Expect: fileEntry("from-dir/in", "old")},
		{Path: "gone", Action: merge.Delete, Expect: dirEntry("gone")},
		{Path: "gone/in", Action: merge.Delete, Expect: fileEntry("gone/in", "old")},
		{Path: "made", Action: merge.Write, Want: dirEntry("made")},
		{Path: "made/in", Action: merge.Write, Want: x(w.body("made/in", "new 3"))},
		{Path: "made/link", Action: merge.Write, Want: linkEntry("made/link", "in")},
		{Path: "merged", Action: merge.Write, Want: fileEntry("merged", "both"), Merged: []byte("both")},
		{Path: "replace", Action: merge.Write, Expect: fileEntry("replace", "old"), Want: w.body("replace", "new 4")},
		{Path: "to-dir", Action: merge.Write, Expect: fileEntry("to-dir", "old"), Want: dirEntry("to-dir")},
		{Path: "to-dir/in", Action: merge.Write, Want: w.body("to-dir/in", "new 5")},
		{Path: "to-link", Action: merge.Write, Expect: fileEntry("to-link", "old"), Want: linkEntry("to-link", "stay")},
	}
}

var everythingApplied = map[string]string{"aside": "mine", "bit": "x old", "conflict": "mine", "conflict.copy": "theirs too", "displace": "new 1",
	"from-dir": "new 2", "made": "dir", "made/in": "x new 3", "made/link": "link in", "merged": "both", "replace": "new 4",
	"stay": "stay", "to-dir": "dir", "to-dir/in": "new 5", "to-link": "link stay", "kept mine": "mine", "kept theirs": "theirs"}

func TestApplyDoesEverything(t *testing.T) {
	for _, noExchange := range []bool{false, true} {
		for _, m := range layouts {
			w := newWorld(t)
			req := w.mount(w.request(everything(w)), m)
			req.noExchange = noExchange
			results, err := apply(t.Context(), req)
			require.NoError(t, err)
			for i := range results {
				require.Equal(t, merge.Done, results[i].Status, "%s: %+v", req.decisions[i].Path, results[i])
			}
			require.Empty(t, cmp.Diff(everythingApplied, w.tree()))
			w.staysClean()
		}
	}
}

// crash is what a test panics with at the point where the process "dies".
type crash struct{}

func crashing(ctx context.Context, req applyRequest, at int) (points int, crashed bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(crash); !ok {
				panic(r)
			}
			crashed = true
		}
	}()
	req.fault = func(string) error {
		if points++; points == at {
			panic(crash{})
		}
		return nil
	}
	_, err = apply(ctx, req)
	return points, false, err
}

// remaining drops the decisions that are carried out already, as planning anew
// would.
func (w *world) remaining(decisions []merge.Decision) []merge.Decision {
	now := w.tree()
	var out []merge.Decision
	for _, d := range decisions {
		want := ""
		if d.Want != nil {
			switch d.Want.Kind {
			case core.KindDir:
				want = "dir"
			case core.KindLink:
				want = "link " + d.Want.Target
			default:
				if want = w.bodies[d.Want.Digest]; d.Merged != nil {
					want = string(d.Merged)
				}
				if d.Action == merge.Chmod {
					want = "old"
				}
				if d.Want.Executable() {
					want = "x " + want
				}
			}
		}
		have, there := now[d.Dest]
		switch {
		case d.Action == merge.Aside && now["kept "+want] == want:
		case d.Action == merge.Delete && !there:
		case d.Action != merge.Delete && d.Action != merge.Aside && there && have == want:
		default:
			if d.Expect != nil && !there {
				d.Expect = nil
			}
			out = append(out, d)
		}
	}
	return out
}

func TestD11_ACrashLeavesEachPathOldOrNewAndTheNextRunRecovers(t *testing.T) {
	for _, noExchange := range []bool{false, true} {
		for _, m := range layouts {
			for at := 1; ; at++ {
				w := newWorld(t)
				req := w.mount(w.request(everything(w)), m)
				req.noExchange = noExchange
				before := w.tree()
				_, crashed, err := crashing(t.Context(), req, at)
				require.NoError(t, err)
				if !crashed {
					require.Greater(t, at, 30, "the points were reached")
					break
				}
				w.recovers(fmt.Sprintf("point %d, without exchange %v, %v", at, noExchange, m), req, m, before)
			}
		}
	}
}

// recovers makes sure that the run after one that was killed finds and leaves what it should.
func (w *world) recovers(name string, req applyRequest, m mounts, before map[string]string) {
	w.t.Helper()
	if !req.noExchange {
		w.oldOrNew(name, before, w.tree())
	}
	req.fault = nil
	r, err := recoverIn(w.t.Context(), req)
	require.NoError(w.t, err, name)
	w.oldOrNew(name, before, w.tree())
	if now := w.tree(); now["displace"] != "mine" {
		require.Contains(w.t, now, "kept mine", name)
	}
	again, err := recoverIn(w.t.Context(), req)
	require.NoError(w.t, err)
	require.Empty(w.t, again.Problems, "%s: after %v", name, r.Problems)
	w.staysClean()
	_, err = apply(w.t.Context(), w.mount(w.request(w.remaining(req.decisions)), m))
	require.NoError(w.t, err, name)
	require.Empty(w.t, cmp.Diff(everythingApplied, w.tree()), name)
}

func (w *world) oldOrNew(name string, before, now map[string]string) {
	w.t.Helper()
	for path := range before {
		is, there := now[path]
		if strings.HasPrefix(path, "kept ") {
			continue
		}
		old, fresh := before[path], everythingApplied[path]
		_, stays := everythingApplied[path]
		if there {
			require.Contains(w.t, []string{old, fresh}, is, "%s: %s", name, path)
		} else {
			require.False(w.t, stays, "%s: %s is gone", name, path)
		}
	}
	for path, is := range now {
		if _, was := before[path]; !was && !strings.HasPrefix(path, "kept ") {
			require.Equal(w.t, everythingApplied[path], is, "%s: %s", name, path)
		}
	}
}

func TestD11_ADamagedJournalLosesNothing(t *testing.T) {
	sealed := func(old, with string) func([]byte) []byte {
		return func(data []byte) []byte {
			_, body, _ := bytes.Cut(data, []byte("\n"))
			body = bytes.Replace(body, []byte(old), []byte(with), 1)
			return fmt.Appendf(nil, "%s%x\n%s", journalHead, sha256.Sum256(body), body)
		}
	}
	for name, damage := range map[string]func([]byte) []byte{
		"cut": func(data []byte) []byte { return data[:len(data)/2] },
		"changed": func(data []byte) []byte {
			return bytes.Replace(data, []byte(`"path":"replace"`), []byte(`"path":"deplace"`), 1)
		},
		"no JSON":               sealed(`{"run"`, `{run`),
		"a run elsewhere":       sealed(`"run":"run`, `"run":"../run`),
		"a path elsewhere":      sealed(`"path":"replace"`, `"path":"../replace"`),
		"an entry of no digest": sealed(`"digest":"`, `"digest":"-`),
	} {
		w := newWorld(t)
		req := w.request(everything(w))
		req.noExchange = true
		req.fault = func(point string) error {
			if point == "moved replace" {
				panic(crash{})
			}
			return nil
		}
		func() {
			defer func() { require.Equal(t, crash{}, recover()) }()
			_, _ = apply(t.Context(), req)
		}()
		data, err := os.ReadFile(journalPath(w.state))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(journalPath(w.state), damage(data), 0o600))
		r, err := recoverWorkspace(t.Context(), w.root, w.state)
		require.NoError(t, err, name)
		require.Len(t, r.Problems, 1, name)
		staged, err := filepath.Glob(filepath.Join(w.root, core.RuntimeDir, "staging", req.run, "o*"))
		require.NoError(t, err)
		require.NotEmpty(t, staged, "%s: the old version still lies there", name)
		require.FileExists(t, journalPath(w.state)+".damaged", name)
		r, err = recoverWorkspace(t.Context(), w.root, w.state)
		require.NoError(t, err)
		require.Equal(t, core.ProblemStaleStaging, r.Problems[0].Code)
	}
}

// TestD12_ASaveDuringApplyIsNeverLost races an editor that saves by rename.
func TestD12_ASaveDuringApplyIsNeverLost(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(w.root, "f")
	for round := range 400 {
		w.put("f", "base")
		want := w.body("f", fmt.Sprintf("agent %d", round))
		req := w.request([]merge.Decision{{Path: "f", Action: merge.Write, Expect: fileEntry("f", "base"), Want: want}})
		req.noExchange = round%2 == 1
		last := ""
		start := make(chan struct{})
		var wait sync.WaitGroup
		wait.Go(func() {
			<-start
			for n := range 1 + round%4 {
				last = fmt.Sprintf("save %d.%d", round, n)
				if os.WriteFile(path+".swp", []byte(last), 0o644) != nil || os.Rename(path+".swp", path) != nil {
					panic("the editor can't save")
				}
			}
		})
		close(start)
		_, err := apply(t.Context(), req)
		wait.Wait()
		require.NoError(t, err)
		have := contentsOf(w.tree())
		require.Contains(t, have, last, "round %d", round)
		require.NoError(t, os.RemoveAll(w.root))
		require.NoError(t, os.Mkdir(w.root, 0o755))
	}
}

func contentsOf(tree map[string]string) []string {
	var out []string
	for _, c := range tree {
		out = append(out, c)
	}
	return out
}

func TestD14_AFullDiskChangesNothing(t *testing.T) {
	w := newWorld(t)
	req := w.request(everything(w))
	before := w.tree()
	req.fault = func(point string) error {
		if point == "stage replace" {
			return syscall.ENOSPC
		}
		return nil
	}
	results, err := apply(t.Context(), req)
	require.ErrorIs(t, err, core.CodeNoSpace)
	require.Nil(t, results)
	require.Empty(t, cmp.Diff(before, w.tree()))
	require.NoDirExists(t, filepath.Join(w.root, core.RuntimeDir))
	req.fault = nil
	_, err = apply(t.Context(), req)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(everythingApplied, w.tree()))
}

func TestD14_OnePathThatFailsStopsNoOther(t *testing.T) {
	w := newWorld(t)
	req := w.request(everything(w))
	req.fault = func(point string) error {
		if point == "stage replace" || point == "exchanged to-link" {
			return syscall.EACCES
		}
		return nil
	}
	results, err := apply(t.Context(), req)
	require.NoError(t, err)
	failed := 0
	for i := range results {
		if results[i].Status == merge.Failed {
			failed++
			require.Equal(t, "permission denied", results[i].Noted().Detail)
		}
	}
	require.Equal(t, 2, failed)
	req = w.request(w.remaining(req.decisions))
	_, err = apply(t.Context(), req)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(everythingApplied, w.tree()))
}

// TestD14_ARunThatCanNotBeginChangesNothing puts something in the way of each folder that a run makes.
func TestD14_ARunThatCanNotBeginChangesNothing(t *testing.T) {
	for name, obstruct := range map[string]func(w *world, run string) error{
		"no workspace":         func(w *world, _ string) error { return os.RemoveAll(w.root) },
		"no state folder":      func(w *world, _ string) error { return os.RemoveAll(w.state) },
		"a journal that stays": func(w *world, _ string) error { return os.MkdirAll(journalPath(w.state)+"/in", 0o700) },
		"no runtime folder": func(w *world, _ string) error {
			return os.WriteFile(filepath.Join(w.root, core.RuntimeDir), nil, 0o600)
		},
		"a link to another one": func(w *world, _ string) error { return os.Symlink(w.state, filepath.Join(w.root, core.RuntimeDir)) },
		"staging of that name": func(w *world, run string) error {
			return os.MkdirAll(filepath.Join(w.root, core.RuntimeDir, "staging", run), 0o700)
		},
	} {
		w := newWorld(t)
		req := w.request(everything(w))
		require.NoError(t, obstruct(w, req.run))
		var before map[string]string
		if name != "no workspace" {
			before = w.tree()
		}
		results, err := apply(t.Context(), req)
		require.ErrorIs(t, err, core.CodeIO, name)
		require.Nil(t, results, name)
		if before != nil {
			require.Empty(t, cmp.Diff(before, w.tree()), name)
		}
	}
}

// TestR6_AStopLeavesTheRestAsItIs stops a run at each of its points.
func TestR6_AStopLeavesTheRestAsItIs(t *testing.T) {
	for at := 1; ; at++ {
		w := newWorld(t)
		req := w.request(everything(w))
		before := w.tree()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		points, done := 0, 0
		req.fault = func(point string) error {
			if points++; points == at {
				cancel()
			}
			if strings.HasPrefix(point, "after ") {
				done++
			}
			return nil
		}
		results, err := apply(ctx, req)
		if points < at {
			require.Equal(t, len(req.decisions), done)
			return
		}
		require.NoDirExists(t, filepath.Join(w.root, core.RuntimeDir, "staging"))
		require.NoFileExists(t, journalPath(w.state))
		if results == nil {
			require.ErrorIs(t, err, core.CodeCancelled)
			require.Empty(t, cmp.Diff(before, w.tree()))
			continue
		}
		require.NoError(t, err)
		reached := 0
		for i := range results {
			if results[i].Status == merge.Done {
				reached++
			} else {
				require.Equal(t, "not reached: the run was stopped", results[i].Noted().Detail)
			}
		}
		require.Equal(t, done, reached)
		_, err = apply(t.Context(), w.request(w.remaining(req.decisions)))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(everythingApplied, w.tree()))
	}
}

// TestS1_NothingPassesThroughALink plants links in place of directories, to the
// outside and to elsewhere inside.
func TestS1_NothingPassesThroughALink(t *testing.T) {
	for _, inside := range []bool{false, true} {
		w := newWorld(t)
		other := filepath.Join(filepath.Dir(w.root), "outside")
		if inside {
			other = filepath.Join(w.root, "other")
		}
		require.NoError(t, os.Mkdir(other, 0o755))
		for _, n := range []string{"delete", "replace", "bit"} {
			require.NoError(t, os.WriteFile(filepath.Join(other, n), []byte("old"), 0o644))
		}
		require.NoError(t, os.Symlink(other, filepath.Join(w.root, "d")))
		x := fileEntry("d/bit", "old")
		x.Mode = 0o755
		results, err := apply(t.Context(), w.request([]merge.Decision{
			{Path: "d/bit", Action: merge.Chmod, Expect: fileEntry("d/bit", "old"), Want: x},
			{Path: "d/copy", Action: merge.Copy, Want: w.body("d/copy", "evil")},
			{Path: "d/delete", Action: merge.Delete, Expect: fileEntry("d/delete", "old")},
			{Path: "d/dir", Action: merge.Write, Want: dirEntry("d/dir")},
			{Path: "d/link", Action: merge.Write, Want: linkEntry("d/link", "x")},
			{Path: "d/new", Action: merge.Write, Want: w.body("d/new", "evil")},
			{Path: "d/replace", Action: merge.Write, Expect: fileEntry("d/replace", "old"), Want: w.body("d/replace", "evil")},
		}))
		require.NoError(t, err)
		for i := range results {
			require.Equal(t, merge.Failed, results[i].Status, "%d", i)
		}
		var names bytes.Buffer
		list, err := os.ReadDir(other)
		require.NoError(t, err)
		for _, d := range list {
			info, err := d.Info()
			require.NoError(t, err)
			fmt.Fprintln(&names, info.Mode(), d.Name())
		}
		require.Equal(t, "-rw-r--r-- bit\n-rw-r--r-- delete\n-rw-r--r-- replace\n", names.String())
	}
}

// TestS1_AChmodOfALinkIsRefused would reach the link's target.
func TestS1_AChmodOfALinkIsRefused(t *testing.T) {
	w := newWorld(t)
	w.put("target", "old")
	require.NoError(t, os.Symlink("target", filepath.Join(w.root, "l")))
	x := fileEntry("l", "old")
	x.Mode = 0o755
	results, err := apply(t.Context(), w.request([]merge.Decision{{Path: "l", Action: merge.Chmod, Expect: fileEntry("l", "old"), Want: x}}))
	require.NoError(t, err)
	require.Equal(t, merge.Failed, results[0].Status)
	require.Equal(t, "old", w.tree()["target"])
}

// A directory of a container's image can't be renamed on overlayfs. It is replaced all the same,
// and what was in it stays: where displaced versions go, or in its place if that fails half way.
func TestD14_ADirectoryThatCanNotBeRenamedIsReplaced(t *testing.T) {
	for _, full := range []bool{false, true} {
		w := newWorld(t)
		w.put("d/f", "mine")
		w.put("d/sub/g", "mine too")
		require.NoError(t, os.Mkdir(filepath.Join(w.root, "empty"), 0o755))
		req := w.request([]merge.Decision{
			{Path: "d", Action: merge.Write, Expect: dirEntry("d"), Want: w.body("d", "theirs"), Displace: true},
			{Path: "empty", Action: merge.Write, Expect: dirEntry("empty"), Want: linkEntry("empty", "d")},
		})
		req.noExchange = true
		req.fault = func(point string) error {
			switch {
			case point == "rename d", point == "rename sub", point == "rename empty":
				return syscall.EXDEV
			case full && point == "rename g":
				full = false
				return syscall.ENOSPC
			}
			return nil
		}
		failed := full
		results, err := apply(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, merge.Done, results[1].Status, "%+v", results[1])
		want := map[string]string{"d": "theirs", "empty": "link d", "kept mine": "mine", "kept mine too": "mine too"}
		if failed {
			require.Equal(t, merge.Failed, results[0].Status)
			want = map[string]string{"d": "dir", "d/f": "mine", "d/sub": "dir", "d/sub/g": "mine too", "empty": "link d"}
		} else {
			require.Equal(t, merge.Done, results[0].Status, "%+v", results[0])
		}
		require.Empty(t, cmp.Diff(want, w.tree()))
	}
}
