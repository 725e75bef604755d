package plan

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// surveyed is a pull of a sandbox that was seen before, or of one of which nothing is known.
func surveyed(seen bool) *Request {
	file := func(path, content string) core.Entry {
		return core.Entry{Path: path, Kind: core.KindFile, Mode: 0o644, Size: int64(len(content)), Digest: core.Sum(content)}
	}
	tree := core.TreeOf([]core.Entry{{Path: ".git", Kind: core.KindDir, Mode: 0o755}, file(".git/HEAD", "ref: refs/heads/main\n"),
		file("a", "a"), {Path: "d", Kind: core.KindDir, Mode: 0o755}, file("d/b", "b")})
	r := &Request{Op: merge.Pull, Run: "run00002", Root: "/w", Adapter: "planner", Marker: strings.Repeat("2", 32),
		Local: core.Snapshot{Entries: tree}, Options: Options{Exclude: []string{"skip", "*.o"}, Allow: []Guard{GuardReplaced, GuardEmptied, GuardMassDelete}}}
	r.Base = &core.Base{Marker: strings.Repeat("1", 32), Entries: tree}
	if seen {
		r.Base.Seen = &core.Seen{ID: "run00001", Rules: rulesDigest(&r.Options), Left: []core.Left{{Name: "skip", Kind: "x"}}}
	}
	return r
}

// FuzzReadSurvey holds that whatever a sandbox tells of itself is a snapshot that can be decided
// on, or refused with one of our errors, and that no decision which follows writes into a
// repository, our own folder or what is excluded.
func FuzzReadSurvey(f *testing.F) {
	f.Add(true, "1.0 1.0 5 1 f644 ./a\n\t2.0 2.0 5 1 f755 ./a\n", core.Sum("new").String()+"  ./a\n", "", "find 0 hash 0 pack 0", "a", "new", "")
	f.Add(false, "0 0 !\n0 0 d755 ./d\n1.0 1.0 5 1 81a4 ./a\n1.0 1.0 7 1 l777 ./d/l\n0 0 x ./skip\n", core.Sum("a").String()+"  ./a\n", "./d\n", "find 1 hash 0 pack 0", "d/l", "", "../a")
	f.Add(false, "0 0 !\n", "", "", "find 0 hash 0 pack 0", ".paperclip-runtime/planner/run-run00002/odd-f", "./new\nline\x00./../x\x00", "")
	f.Add(true, "\t0 0 d755 ./sub\n\t0 0 d755 ./sub/.GIT\n", "", "", "find 0 hash 0 pack 0", ".paperclip-runtime/planner/displaced/"+core.Sum("x").String()+".path", ".git/hooks/x", "")
	f.Fuzz(func(t *testing.T, seen bool, lines, sums, blind, status, name, data, target string) {
		r := surveyed(seen)
		with := "-"
		if seen {
			with = r.Base.Seen.ID
		}
		part := func(s string) string {
			if s != "" && !strings.HasSuffix(s, "\n") {
				s += "\n"
			}
			return s + ".\n"
		}
		text := surveyHead + "pull " + r.Run + "\nwith " + with + " left run00002 by find\nmarker " + r.Base.Marker + "\n" + part(lines) + part(sums) + part(blind) + status + "\nend\n"
		var members []SurveyMember
		for _, name := range strings.Split(name, "|") {
			m := SurveyMember{Name: name, Kind: core.KindFile, Mode: 0o644, Size: int64(len(data)), Digest: core.Sum(data)}
			if KeepsData(name) {
				m.Data = []byte(data)
			}
			if target != "" {
				m.Kind, m.Target = core.KindLink, target
			}
			members = append(members, m)
		}
		remote, err := ReadSurvey(r, members, text+zeroSum+"\n", core.Digest{})
		if err != nil {
			require.ErrorIs(t, err, core.CodeCorrupt)
			return
		}
		require.NoError(t, remote.Snapshot.Validate())
		r.Remote = remote
		for _, op := range []merge.Direction{merge.Pull, merge.Push} {
			r.Op = op
			p, err := Next(r)
			if err != nil {
				var known *core.Error
				require.True(t, errors.As(err, &known), "%v", err)
				require.Equal(t, core.CodeLimit, known.Code, "%v", err)
				continue
			}
			rules, err := r.Options.Rules()
			require.NoError(t, err)
			for _, d := range p.Decisions.List() {
				require.NoError(t, core.ValidatePath(d.Path))
				if d.Action == merge.Keep || op == merge.Push {
					continue
				}
				for _, path := range []string{d.Path, d.Dest} {
					repo, _ := core.RepoPath(path + "/")
					require.Empty(t, repo, "%s of %q to %q", d.Action, d.Path, d.Dest)
					require.False(t, path == core.RuntimeDir || core.Under(path, core.RuntimeDir), "%s of %q to %q", d.Action, d.Path, d.Dest)
					require.False(t, rules.ExcludedBelow(d.Path, false), "%s of %q", d.Action, d.Path)
				}
			}
		}
	})
}

// A sandbox may tell a name with a newline as several kinds. Which of them counts must not depend on chance: two hosts
// with the same input make the same plan.
func TestReadSurvey_ANameOfTwoKindsIsReadOneWay(t *testing.T) {
	read := func() core.Tree {
		r := surveyed(false)
		text := surveyHead + "pull " + r.Run + "\nwith - left run00002 by find\nmarker " + r.Base.Marker + "\n0 0 !\n.\n.\n.\nfind 0 hash 0 pack 0\nend\n"
		var members []SurveyMember
		for _, list := range []string{"odd-d", "odd-f", "odd-l"} {
			data := "./new\nline\x00"
			members = append(members, SurveyMember{Name: core.RuntimeDir + "/planner/run-" + r.Run + "/" + list, Kind: core.KindFile, Mode: 0o644,
				Size: int64(len(data)), Digest: core.Sum(data), Data: []byte(data)})
		}
		remote, err := ReadSurvey(r, members, text+zeroSum+"\n", core.Digest{})
		require.NoError(t, err)
		return remote.Snapshot.Entries
	}
	first := read()
	require.NotNil(t, first.Find("new\nline"))
	for range 50 {
		require.True(t, first.Equal(read()))
	}
}
