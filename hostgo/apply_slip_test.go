package hostgo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// change is one decision about a path.
type change struct {
	old      string // what stands there: a content, "dir", "link TARGET", or "" for nothing
	action   merge.Action
	want     string // likewise
	displace bool
}

// changes are one of each kind. The path of each is p in a directory of its own.
var changes = []change{
	{"", merge.Write, "new", false},
	{"", merge.Write, "dir", false},
	{"", merge.Write, "link new", false},
	{"", merge.Copy, "new", false},
	{"", merge.Copy, "link new", false},
	{"", merge.Copy, "dir", false},
	{"old", merge.Aside, "new", false},
	{"old", merge.Write, "new", false},
	{"old", merge.Write, "new", true},
	{"old", merge.Write, "link new", true},
	{"old", merge.Write, "dir", false},
	{"old", merge.Chmod, "x old", false},
	{"old", merge.Delete, "", false},
	{"link old", merge.Write, "new", false},
	{"link old", merge.Write, "link new", false},
	{"link old", merge.Delete, "", false},
	{"dir", merge.Write, "new", false},
	{"dir", merge.Write, "link new", false},
	{"dir", merge.Delete, "", false},
}

func (w *world) entry(path, what string) *core.Entry {
	target, isLink := strings.CutPrefix(what, "link ")
	content, isExecutable := strings.CutPrefix(what, "x ")
	switch {
	case what == "":
		return nil
	case what == "dir":
		return dirEntry(path)
	case isLink:
		return linkEntry(path, target)
	}
	e := w.body(path, content)
	if isExecutable {
		e.Mode = 0o755
	}
	return e
}

// save makes a path be what an editor or a user leaves there.
func (w *world) save(path, what string) {
	p := filepath.Join(w.root, path)
	require.NoError(w.t, os.RemoveAll(p))
	require.NoError(w.t, os.MkdirAll(filepath.Dir(p), 0o755))
	target, isLink := strings.CutPrefix(what, "link ")
	below, isDir := strings.CutPrefix(what, "dir")
	switch {
	case what == "":
	case what == "no folder":
		require.NoError(w.t, os.RemoveAll(filepath.Dir(p)))
	case isLink:
		require.NoError(w.t, os.Symlink(target, p))
	case isDir:
		require.NoError(w.t, os.Mkdir(p, 0o755))
		if below != "" {
			w.put(path+"/in", below[1:])
		}
	default:
		w.put(path, what)
	}
}

// textOf makes a content differ from that of any other path.
func textOf(i int, what string) string {
	if !isContent(what) {
		return what
	}
	return fmt.Sprintf("%s %02d", what, i)
}

func isContent(what string) bool { return what != "" && what != "dir" && what != "no folder" }

func (c change) of(i int) change {
	c.old, c.want = textOf(i, c.old), textOf(i, c.want)
	return c
}

func pathOf(i int) string { return fmt.Sprintf("%02d/p", i) }

// slip is somebody who saves something at each path when its change comes to a point.
type slip struct {
	at, saved  string // neither where nobody does
	noExchange bool
	mounts     mounts
	// blocked keeps the folder of displaced versions from being made until the run is over.
	blocked bool
	stood   map[int]string // what the save replaced
}

// TestD12_WhateverSlipsInIsKept has each kind of entry saved at each point of each kind of change.
func TestD12_WhateverSlipsInIsKept(t *testing.T) {
	slips := []slip{{}, {blocked: true}}
	for _, at := range []string{"journal", "moved", "exchanged", "after", "settled", "back"} {
		slips = append(slips, slip{at: at, saved: "saved", blocked: true})
		for _, saved := range []string{"", "saved", "dir saved", "link saved", "no folder"} {
			slips = append(slips, slip{at: at, saved: saved})
		}
	}
	slips = append(slips, slip{at: "journal", saved: "what is wanted"})
	for _, s := range slips {
		for n := range 4 {
			s.noExchange, s.mounts, s.stood = n%2 == 1, layouts[n/2], map[int]string{}
			t.Run(fmt.Sprintf("%s at %s, exchange %v, blocked %v, %v", s.saved, s.at, !s.noExchange, s.blocked, s.mounts), s.test)
		}
	}
}

func (s *slip) test(t *testing.T) {
	w := newWorld(t)
	var decisions []merge.Decision
	for i, c := range changes {
		c, p := c.of(i), pathOf(i)
		w.save(p, c.old)
		decisions = append(decisions, merge.Decision{Path: p, Action: c.action, Expect: w.entry(p, c.old), Want: w.entry(p, c.want), Displace: c.displace})
	}
	req := w.mount(w.request(decisions), s.mounts)
	req.noExchange = s.noExchange
	blocker := filepath.Join(w.root, core.RuntimeDir, "displaced")
	req.fault = func(point string) error {
		if s.blocked && point == "journal" {
			require.NoError(t, os.WriteFile(blocker, nil, 0o600))
		}
		for i := range changes {
			if point == "journal" && s.at == "back" { // what goes back was saved before
				w.save(pathOf(i), textOf(i, "saved first"))
			}
			if slices.Contains([]string{s.at, s.at + " " + pathOf(i), s.at + " " + strconv.Itoa(i)}, point) {
				s.stood[i] = w.tree()[pathOf(i)]
				w.save(pathOf(i), s.savedAt(i))
			}
		}
		return nil
	}
	results, err := apply(t.Context(), req)
	require.NotNil(t, results)
	if s.blocked {
		// What can't be copied out of a mount goes back.
		require.True(t, errors.Is(err, core.CodeIO) || err == nil && s.mounts != nil, "%v", err)
		require.NoError(t, os.Remove(blocker))
		_, err = recoverWorkspace(t.Context(), w.root, w.state)
	}
	require.NoError(t, err)
	for i, c := range changes {
		s.check(w, i, c.of(i), results[i])
	}
	again, err := recoverWorkspace(t.Context(), w.root, w.state)
	require.NoError(t, err)
	require.Empty(t, again.Problems)
	w.staysClean()
}

// savedAt is what is saved at the path of a change.
func (s *slip) savedAt(i int) string {
	if s.saved == "what is wanted" {
		return textOf(i, strings.TrimPrefix(changes[i].want, "x "))
	}
	return textOf(i, s.saved)
}

// check holds what a run left to what there was: what stood there, unless it was to go or somebody removed it, what was
// saved, and what was wanted, unless somebody removed it again.
func (s *slip) check(w *world, i int, c change, res merge.Result) {
	now := w.tree()
	have := map[string]bool{}
	for _, e := range now {
		have[strings.TrimPrefix(e, "x ")] = true
	}
	stood, slipped := s.stood[i]
	stays := c.displace || c.action == merge.Aside || c.action == merge.Chmod || res.Status == merge.Failed
	removed := slipped && strings.TrimPrefix(stood, "x ") == c.old || s.at == "back"
	require.True(w.t, have[c.old] || !isContent(c.old) || !stays || removed, "%+v is lost: %+v", c, res)
	saved := s.savedAt(i)
	content := strings.TrimPrefix(saved, "dir ")
	require.True(w.t, have[content] || !isContent(saved) || !slipped, "what was saved at %+v is lost: %+v", c, res)
	first := textOf(i, "saved first")
	require.True(w.t, have[first] || s.at != "back" || slipped && stood == first, "what was saved first at %+v is lost: %+v", c, res)
	comes := c.action != merge.Chmod && res.Status != merge.Failed
	removed = slipped && stood == c.want
	require.True(w.t, have[c.want] || !isContent(c.want) || !comes || removed, "%+v did not come: %+v", c, res)
	if copied := res.Noted().Copy; copied != "" {
		_, err := os.Lstat(filepath.Join(w.root, copied))
		require.NoError(w.t, err)
	}
	require.Contains(w.t, []merge.Status{merge.Done, merge.Slipped, merge.Failed}, res.Status)
	inPlace := now[pathOf(i)]
	switch {
	case s.blocked || s.at == "back":
	case !slipped || s.at == "journal" && c.old == "" && (saved == c.want || c.want == strings.TrimSuffix(saved, textOf(i, " saved"))):
		require.Equal(w.t, merge.Done, res.Status, "%+v", c)
		if c.action != merge.Aside {
			require.Equal(w.t, c.want, inPlace)
		}
	case s.at != "journal" || saved == c.want && saved != "":
	case c.action == merge.Write && saved == "": // comes back
		require.Equal(w.t, merge.Done, res.Status, "%+v", c)
		require.Equal(w.t, c.want, inPlace)
	case c.action == merge.Delete && !isContent(saved): // is gone
		require.Equal(w.t, merge.Done, res.Status, "%+v", c)
	case saved == "no folder":
		require.Equal(w.t, c.action != merge.Aside, res.Status == merge.Failed, "%+v: %+v", c, res)
	case c.action == merge.Write && !c.displace || c.action == merge.Delete:
		require.NotEqual(w.t, merge.Done, res.Status, "%+v", c)
		if s.saved == "dir saved" {
			saved = "dir"
		}
		require.Equal(w.t, saved, inPlace, "%+v", c)
		notEmpty := c.old == "dir" && (c.action == merge.Write || saved == "dir")
		require.Equal(w.t, notEmpty, res.Noted().Code == core.ProblemNotEmpty, "%+v: %+v", c, res)
	}
}

// TestD12_AWriteThroughAnOldHandleIsKept has a program hold the file open while
// it is replaced or deleted, and write before the run ends.
func TestD12_AWriteThroughAnOldHandleIsKept(t *testing.T) {
	for _, at := range []string{"write exchanged f", "write moved f", "write after 0", "delete moved f", "delete after 0"} {
		word, point, _ := strings.Cut(at, " ")
		w := newWorld(t)
		w.put("f", "base")
		f, err := os.OpenFile(filepath.Join(w.root, "f"), os.O_WRONLY|os.O_APPEND, 0)
		require.NoError(t, err)
		defer f.Close()
		d := merge.Decision{Path: "f", Action: merge.Delete, Expect: fileEntry("f", "base")}
		if word == "write" {
			d.Action, d.Want = merge.Write, w.body("f", "agent")
		}
		req := w.request([]merge.Decision{d})
		req.noExchange = point == "moved f"
		req.fault = func(p string) error {
			if p == point {
				_, err := f.WriteString(" and more")
				return err
			}
			return nil
		}
		results, err := apply(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, merge.Slipped, results[0].Status, at)
		have := contentsOf(w.tree())
		require.Contains(t, have, "base and more", at)
		if word == "write" {
			require.Contains(t, have, "agent", at)
		}
	}
}

// Two saves in a row slip in while a path is deleted: one stays there, and the result
// says where the other is.
func TestD12_ASecondSaveDuringADeleteIsFound(t *testing.T) {
	w := newWorld(t)
	w.put("f", "saved once")
	req := w.request([]merge.Decision{{Path: "f", Action: merge.Delete, Expect: fileEntry("f", "base")}})
	req.fault = func(point string) error {
		if point == "moved f" {
			w.put("f", "saved twice")
		}
		return nil
	}
	results, err := apply(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, merge.Slipped, results[0].Status)
	require.Equal(t, "saved twice", w.tree()["f"])
	kept, err := os.ReadFile(filepath.Join(w.root, results[0].Noted().Copy))
	require.NoError(t, err)
	require.Equal(t, "saved once", string(kept))
}

// TestD11_RecoveryKeepsWhateverLiesThere has a killed run leave each combination of entries at a path and in staging.
func TestD11_RecoveryKeepsWhateverLiesThere(t *testing.T) {
	for _, m := range layouts {
		recoversWhatever(t, m)
	}
}

func recoversWhatever(t *testing.T, m mounts) {
	w := newWorld(t)
	req := w.mount(applyRequest{root: w.root, stateDir: w.state}, m)
	staging := core.RuntimeDir + "/staging/run/"
	j := &journal{Run: "run"}
	if m != nil {
		staging, j.Volumes = volumeStaging("run")+"/", []string{"", "unmounted"}
	}
	type left struct {
		change
		path, staged, moved string // what lies there; "no folder" where the path's directory is gone
	}
	var lies []left
	for _, c := range []change{{"old", merge.Delete, "", false}, {"link old", merge.Delete, "", false}, {"old", merge.Write, "new", false},
		{"old", merge.Write, "new", true}, {"old", merge.Write, "link new", true}, {"link old", merge.Write, "dir", false}, {"dir", merge.Write, "new", false}} {
		for _, path := range []string{"no folder", "", c.old, c.want, "saved there"} {
			for _, moved := range []string{"", c.old, "saved moved"} {
				lies = append(lies, left{c, path, c.want, moved}, left{c, path, "", moved})
			}
			if c.want != "" { // exchanged
				lies = append(lies, left{c, path, c.old, ""}, left{c, path, "saved staged", ""})
			}
		}
	}
	for i := range lies {
		l, p := &lies[i], fmt.Sprintf("%03d/p", i)
		l.old, l.want, l.staged, l.moved = textOf(i, l.old), textOf(i, l.want), textOf(i, l.staged), textOf(i, l.moved)
		if l.path != "no folder" {
			l.path = textOf(i, l.path)
			w.save(p, l.path)
		}
		w.save(staging+stagedName(i), l.staged)
		w.save(staging+movedName(i), l.moved)
		j.Records = append(j.Records, journalRecord{i, p, toJournal(w.entry(p, l.old)), toJournal(w.entry(p, l.want)), l.displace})
	}
	require.NoError(t, writeJournal(w.state, j))
	blocker := filepath.Join(w.root, core.RuntimeDir, "displaced")
	require.NoError(t, os.WriteFile(blocker, nil, 0o600))
	_, err := recoverIn(t.Context(), req)
	require.ErrorIs(t, err, core.CodeIO, "where displaced versions can't go")
	require.NoError(t, os.Remove(blocker))
	_, err = recoverIn(t.Context(), req)
	require.NoError(t, err)
	now := w.tree()
	for i, l := range lies {
		p := fmt.Sprintf("%03d/p", i)
		for _, e := range []string{l.path, l.staged, l.moved} {
			stays := strings.HasPrefix(e, "saved") || e == l.old && l.displace
			require.True(t, !stays || now[p] == e || now["kept "+e] == e, "%d: %q of %+v is lost", i, e, l)
		}
		switch {
		case l.path == "no folder":
			require.NotContains(t, now, p)
		case l.path != "":
			require.Equal(t, l.path, now[p], "%d: %+v", i, l)
		case l.moved != "" && l.want == "" && l.moved == l.old:
			require.NotContains(t, now, p, "%d: %+v, what was deleted stays so", i, l)
		case l.moved != "":
			require.Equal(t, l.moved, now[p], "%d: %+v", i, l)
		}
	}
	again, err := recoverWorkspace(t.Context(), w.root, w.state)
	require.NoError(t, err)
	require.Empty(t, again.Problems)
	require.NoFileExists(t, journalPath(w.state))
	require.NoDirExists(t, filepath.Join(w.root, staging))
}

// TestD6_ACopyTakesTheFirstFreeName has other things, or the same version, stand where the copy of a conflict would.
func TestD6_ACopyTakesTheFirstFreeName(t *testing.T) {
	for _, what := range []string{"new", "link new"} {
		for taken := range 3 {
			for _, there := range []bool{false, true} {
				for _, action := range []merge.Action{merge.Write, merge.Copy} {
					w := newWorld(t)
					w.save("f", "mine")
					want := w.entry("f", what)
					digest := want.Digest
					if want.Kind == core.KindLink {
						digest = core.Sum(want.Target)
					}
					names := []string{}
					merge.CopyName("f", digest, func(name string) bool { names = append(names, name); return len(names) < 5 })
					for i := range taken {
						w.save(names[i], "taken")
					}
					if there {
						w.save(names[taken], what)
					}
					d := merge.Decision{Path: "f", Action: action, Expect: fileEntry("f", "old"), Want: want}
					if action == merge.Copy {
						d.Dest, d.Expect = names[0], nil
					}
					results, err := apply(t.Context(), w.request([]merge.Decision{d}))
					require.NoError(t, err)
					copied, status := names[taken], merge.Slipped
					if action == merge.Copy {
						status = merge.Done
						if taken == 0 {
							copied = "" // as planned
						}
					}
					require.Equal(t, status, results[0].Status)
					require.Equal(t, copied, results[0].Noted().Copy)
					now := w.tree()
					require.Equal(t, what, now[names[taken]])
					require.Equal(t, "mine", now["f"])
					require.Len(t, now, taken+2)
				}
			}
		}
	}
}

// TestD6_DisplacedVersionsFindRoom keeps versions whose names, or those of the folders that they lie in, are taken.
func TestD6_DisplacedVersionsFindRoom(t *testing.T) {
	w := newWorld(t)
	var decisions []merge.Decision
	for i, path := range []string{"a", "a", "a/b", "a/b/c", "a/d"} {
		e := w.body(path, strconv.Itoa(i))
		if path == "a/d" {
			e = dirEntry(path)
		}
		decisions = append(decisions, merge.Decision{Path: path, Action: merge.Aside, Want: e})
	}
	req := w.request(decisions)
	results, err := apply(t.Context(), req)
	require.NoError(t, err)
	for i, name := range []string{"a", "a.2", "a.d/b", "a.d/b.d/c", "a.d/d"} {
		require.Equal(t, merge.Done, results[i].Status)
		require.Equal(t, core.RuntimeDir+"/displaced/"+req.run+"/"+name, results[i].Noted().Copy)
		require.True(t, name == "a.d/d" || w.tree()["kept "+strconv.Itoa(i)] != "")
		_, err := os.Stat(filepath.Join(w.root, results[i].Noted().Copy))
		require.NoError(t, err)
	}
}
