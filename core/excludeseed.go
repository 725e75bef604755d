package core

import (
	"slices"
	"strings"
)

// seedRules exclude what either of two steps of the seed leaves out: its tar,
// with the meaning of [TarPatterns], and its snapshot, which compares exact paths
// from the root. Where only one of them did, the seed deleted files (promise D1).
type seedRules struct {
	tar   *TarPatterns
	exact map[string]bool
}

func (s *seedRules) excluded(path string) bool { return s.exact[path] || s.tar.Excludes(path) }

// WithSeed returns rules that also leave out what the seed would have left out
// for the given workspaceExclude.
func (r *Rules) WithSeed(patterns []string) (*Rules, error) {
	if len(patterns) == 0 {
		return r, nil
	}
	tar, err := CompileTarPatterns(patterns)
	if err != nil {
		return nil, err
	}
	out := *r
	out.seed = &seedRules{tar, map[string]bool{}}
	out.prunes, out.pruned = slices.Clone(r.prunes), r.pruned
	for _, p := range patterns {
		out.seed.exact[p] = true
		text, isText := tarText(p)
		name := strings.TrimPrefix(text, "./")
		switch {
		case isText && ValidatePath(name) != nil:
		case isText && name == text && !strings.Contains(text, "/"):
			out.prune(Prune{Name: text})
		case isText && name != text:
			out.prune(Prune{Path: name})
		}
		if ValidatePath(p) == nil {
			out.prune(Prune{Path: p})
		}
	}
	return &out, nil
}
