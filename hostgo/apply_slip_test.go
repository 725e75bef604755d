package hostgo

import (
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
	if what == "" || what == "dir" {
		return what
	}
	return fmt.Sprintf("%s %02d", what, i)
}

func (c change) of(i int) change {
	c.old, c.want = textOf(i, c.old), textOf(i, c.want)
	return c
}

func pathOf(i int) string { return fmt.Sprintf("%02d/p", i) }

// slip is somebody who saves something at each path when its change comes to a point.
type slip struct {
	at, saved  string // neither where nobody does
	noExchange bool
	// blocked keeps the folder of displaced versions from being made until the run is over.
	blocked bool
	stood   map[int]string // what the save replaced
}

// TestD12_WhateverSlipsInIsKept has each kind of entry saved at each point of each kind of change.
func TestD12_WhateverSlipsInIsKept(t *testing.T) {
	slips := []slip{{}, {blocked: true}}
	for _, at := range []string{"journal", "moved", "exchanged", "after", "settled"} {
		slips = append(slips, slip{at: at, saved: "saved", blocked: true})
		for _, saved := range []string{"", "saved", "dir saved", "link saved"} {
			slips = append(slips, slip{at: at, saved: saved})
		}
	}
	for _, s := range slips {
		for _, s.noExchange = range []bool{false, true} {
			s.stood = map[int]string{}
			t.Run(fmt.Sprintf("%s at %s, exchange %v, blocked %v", s.saved, s.at, !s.noExchange, s.blocked), s.test)
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
	req := w.request(decisions)
	req.NoExchange = s.noExchange
	blocker := filepath.Join(w.root, core.RuntimeDir, "displaced")
	req.Fault = func(point string) error {
		if s.blocked && point == "journal" {
			require.NoError(t, os.WriteFile(blocker, nil, 0o600))
		}
		for i := range changes {
			if slices.Contains([]string{s.at, s.at + " " + pathOf(i), s.at + " " + strconv.Itoa(i)}, point) {
				s.stood[i] = w.tree()[pathOf(i)]
				w.save(pathOf(i), textOf(i, s.saved))
			}
		}
		return nil
	}
	results, err := Apply(t.Context(), req)
	require.NotNil(t, results)
	if s.blocked {
		require.NoError(t, os.Remove(blocker))
		_, err = Recover(t.Context(), w.root, w.state)
	}
	require.NoError(t, err)
	for i, c := range changes {
		s.check(w, i, c.of(i), results[i])
	}
	again, err := Recover(t.Context(), w.root, w.state)
	require.NoError(t, err)
	require.Empty(t, again.Problems)
	require.NoFileExists(t, journalPath(w.state))
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
	removed := slipped && strings.TrimPrefix(stood, "x ") == c.old
	require.True(w.t, have[c.old] || !isContent(c.old) || !stays || removed, "%+v is lost: %+v", c, res)
	saved := strings.TrimPrefix(textOf(i, s.saved), "dir ")
	require.True(w.t, have[saved] || !isContent(s.saved) || !slipped, "what was saved at %+v is lost: %+v", c, res)
	comes := c.action != merge.Chmod && res.Status != merge.Failed
	removed = slipped && stood == c.want
	require.True(w.t, have[c.want] || !isContent(c.want) || !comes || removed, "%+v did not come: %+v", c, res)
	if copied := res.Noted().Copy; copied != "" {
		_, err := os.Lstat(filepath.Join(w.root, copied))
		require.NoError(w.t, err)
	}
	if slipped || s.blocked {
		return
	}
	require.Equal(w.t, merge.Done, res.Status, "%+v", c)
	there := c.want
	if c.action == merge.Aside {
		there = c.old
	}
	require.Equal(w.t, there, now[pathOf(i)])
}

func isContent(what string) bool { return what != "" && what != "dir" }
