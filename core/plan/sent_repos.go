package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// checkRepos holds that each repository was sent as it was scanned: then all that its
// refs and its index name came along, since a scan reads those before it lists the objects.
// A commit that is made meanwhile would leave the sandbox a branch without objects, and
// whoever uses git there keeps the next push from mending it (promise S3).
func (s *Sent) checkRepos(p *Plan) error {
	changed := map[int]bool{}
	for _, n := range s.notes {
		changed[n.Upload] = changed[n.Upload] || n.Problem == core.ProblemChanging
	}
	uploads := p.UploadReader()
	for i := range uploads.Len() {
		u := uploads.At(i)
		if d := u.Decision; d.Row != merge.RowGit || u.From != "" || d.Want.Kind != core.KindFile {
			continue
		}
		repo, name := core.RepoPath(u.Decision.Path)
		digest, _ := s.record(u.Number)
		want := u.Decision.Want.Digest
		moved := core.RepoStateName(name) && !want.IsZero() && digest != want
		if moved || changed[u.Number] && isObject(name) {
			return &core.Error{Code: core.CodeStalePlan, Path: repo,
				Message: "the repository was used while it was sent; nothing was changed in the sandbox",
				Hint:    "run it again"}
		}
	}
	return nil
}

// isObject reports whether a file of a repository holds objects. Those that git is just
// making have names of their own until nothing lacks them any more.
func isObject(name string) bool {
	return strings.Contains("/"+name, "/objects/") && !strings.HasPrefix(core.Name(name), "tmp_")
}
