package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// readClassic builds what is known of the sandbox from the members of its one
// archive alone. The host has checked the archive: headers, sizes and the end
// record (promise D5, as far as classic keeps it).
func readClassic(r *Request, rules *core.Rules, members []SurveyMember) (*Remote, error) {
	left, err := core.CompileTarPatterns(r.Options.classicExcludes())
	if err != nil {
		return nil, err
	}
	s := &surveyReader{leftovers: newLeftovers(rules), req: r, remote: &Remote{}, lists: map[string][]byte{},
		members: map[string]*SurveyMember{}, names: map[core.Left]bool{}}
	if err := s.sort(members); err != nil {
		return nil, err
	}
	s.classicMarker(left)
	for i := range members {
		if m := &members[i]; s.members[m.Name] == m {
			s.classicEntry(m)
		}
	}
	for l := range s.names {
		s.remote.Left = append(s.remote.Left, l)
	}
	s.classicUnknown(left)
	if err := s.finishEntries(); err != nil {
		return nil, err
	}
	s.readRepos(members)
	s.readAside(members)
	s.noteBodies(members)
	return s.remote, nil
}

// classicMarker finds the marker. Where the patterns may have left it out of the
// archive, the sandbox is taken for the one of base, and a guard bounds what
// that may cost.
func (s *surveyReader) classicMarker(left *core.TarPatterns) {
	name := classicMarker(s.req.Adapter)
	if m := s.members[name]; m != nil {
		if text := strings.TrimSuffix(string(m.Data), "\n"); m.Fault == "" && core.ValidMarker(text) {
			s.remote.Marker = text
		}
		return
	}
	if _, out := left.Above(name); out {
		s.remote.MarkerHidden = true
		if s.req.Base != nil {
			s.remote.Marker = s.req.Base.Marker
		}
	}
}

func (s *surveyReader) classicEntry(m *SurveyMember) {
	p := m.Name
	switch {
	case p == "" || p == "." || p == core.RuntimeDir || core.Under(p, core.RuntimeDir) || !s.travels(p):
	case m.Fault != "":
		s.problem(p, core.ProblemUnreadable, m.Fault)
	case m.Kind == core.KindLink:
		s.addLink(p)
	case m.Kind == core.KindDir:
		s.found = append(s.found, core.Entry{Path: p, Kind: core.KindDir, Mode: m.Mode & core.MaxMode})
	case m.Kind == core.KindFile:
		s.found = append(s.found, core.Entry{Path: p, Kind: core.KindFile, Mode: m.Mode & core.MaxMode, Size: m.Size, Digest: m.Digest})
	default:
		s.problem(p, core.ProblemSpecial, "a FIFO, socket or device")
	}
}

// classicUnknown makes unknown what tar may have left out although our rules do
// not: its patterns match at any depth, and through slashes.
func (s *surveyReader) classicUnknown(left *core.TarPatterns) {
	if s.req.Base == nil {
		return
	}
	for e := range s.req.Base.Entries.All() {
		top, out := left.Above(e.Path)
		if s.members[top] != nil {
			top = e.Path // this tar does not take the pattern for what GNU tar does
		}
		if out && s.members[top] == nil && !s.rules.ExcludedBelow(e.Path, e.Kind == core.KindDir) {
			s.problem(top, core.ProblemUnreadable, "tar may have left it out of the sandbox's archive")
		}
	}
}
