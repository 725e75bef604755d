package plan

import (
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// readRepos computes the state of each repository that is part of the snapshot.
// Where nothing in any of them differs they are as they were.
func (s *surveyReader) readRepos(members []SurveyMember) {
	if s.seen != nil && !s.repos {
		s.remote.Repos = s.seen.Repos
		return
	}
	files := map[string][]core.RepoFile{}
	for i := range members {
		m := &members[i]
		repo, below := core.RepoPath(m.Name)
		if repo != "" && m.Data != nil && len(m.Data) <= maxKept && core.RepoStateName(below) {
			files[repo] = append(files[repo], core.RepoFile{Name: below, Data: m.Data})
		}
	}
	for path := range s.remote.Snapshot.Entries.Dirs(".git") {
		s.remote.Repos = append(s.remote.Repos, core.Repo{Path: path, State: core.RepoState(files[path])})
	}
}

// arrived notes a content of an upload that was cut off. A name that the tools
// write in different ways is left out, and its content is sent again.
func (s *surveyReader) arrived(name string, d core.Digest, escaped bool) {
	rest, ok := strings.CutPrefix(name, core.RuntimeDir+"/"+s.req.Adapter+"/in-")
	run, _, below := strings.Cut(rest, "/")
	if ok && below && !escaped && slices.Contains(s.req.Resume, run) && core.ValidatePath(name) == nil {
		s.remote.Arrived = append(s.remote.Arrived, Arrival{name, d})
	}
}

// readAside finds the versions that pushes set aside.
func (s *surveyReader) readAside(members []SurveyMember) {
	prefix := core.RuntimeDir + "/" + s.req.Adapter + "/displaced/"
	byID := map[core.Digest]*AsideVersion{}
	for i := range members {
		m := &members[i]
		rest, ok := strings.CutPrefix(m.Name, prefix)
		hex, isPath := strings.CutSuffix(rest, ".path")
		id, good := core.ParseDigest(hex)
		if ok && isPath && good && core.ValidatePath(string(m.Data)) == nil {
			byID[id] = &AsideVersion{ID: id, Path: string(m.Data)}
		}
	}
	for i := range members {
		m := &members[i]
		rest, ok := strings.CutPrefix(m.Name, prefix)
		if !ok || len(rest) < 64 || m.Fault != "" || m.Kind == 0 {
			continue
		}
		id, good := core.ParseDigest(rest[:64])
		v := byID[id]
		if tail := rest[64:]; good && v != nil && (tail == "" || tail[0] == '/') {
			if p := v.Path + tail; core.ValidatePath(p) != nil {
				bad := core.Problem{Path: core.DisplayPath(p), Code: core.ProblemInvalidName, Detail: "not brought home with the version set aside"}
				if len(p) > core.MaxPath {
					bad.Path, bad.Code = core.DisplayPath(p[:256])+"...", core.ProblemTooLong
				}
				s.remote.Snapshot.Problems = append(s.remote.Snapshot.Problems, bad)
				continue
			}
			v.Entries = append(v.Entries, core.Entry{Path: v.Path + tail, Kind: m.Kind, Mode: m.Mode & core.MaxMode,
				Size: m.Size, Digest: m.Digest, Target: m.Target})
		}
	}
	for _, v := range byID {
		core.SortEntries(v.Entries)
		if len(v.Entries) > 0 && v.isTree() {
			s.remote.Aside = append(s.remote.Aside, *v)
		}
	}
	s.remote.Snapshot.Problems = core.SortProblems(s.remote.Snapshot.Problems)
	core.Sort(s.remote.Aside, func(a, b AsideVersion) int { return core.CompareAsides(a.name(), b.name()) })
}

// withParents adds the directories that hold the first entry.
func withParents(entries []core.Entry) []core.Entry {
	if len(entries) == 0 {
		return nil
	}
	return append(addParents(nil, core.Parent(entries[0].Path), core.Tree{}), entries...)
}
