package plan

import (
	"encoding/binary"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// verdict says what a scan does with a name in a directory.
type verdict byte

const (
	travels  verdict = iota
	excluded         // it is left out, with all below it
	ofRepo           // a file whose content counts for the state of a repository
)

// judge judges a name in a directory that is not excluded itself. That of a
// directory ends in a slash.
func judge(rules *core.Rules, dir, word string) verdict {
	name, isDir := strings.CutSuffix(word, "/")
	path := core.Join(dir, name)
	if rules.Excluded(path, isDir) {
		return excluded
	}
	if isDir {
		return travels
	}
	if _, below := core.RepoPath(path); below != "" && core.RepoStateName(below) {
		return ofRepo
	}
	return travels
}

// scanDir judges the names of one directory that is not excluded.
func (c *call) scanDir() (answer, error) {
	if err := need("rules", c.rules); err != nil {
		return answer{}, err
	}
	var out, repo []string
	for _, w := range c.words {
		switch judge(c.rules, c.match.path, w) {
		case excluded:
			out = append(out, w)
		case ofRepo:
			repo = append(repo, w)
		}
	}
	return answer{fields: func(o *core.Object) { o.Strings("excluded", &out); o.Strings("repo", &repo) }}, nil
}

// ScanDir is the call scan_dir without JSON, for a host that makes one for each
// directory of a tree. The request holds texts that each end in a NUL: the key of
// kept rules, the path of the directory, and the names. The answer is the number of
// names, 4 bytes, and a byte for each: 0 travels, 1 is excluded, 2 counts for the
// state of a repository. It is nil where no rules are kept under the key, or the
// request has another form.
func (s *Session) ScanDir(request []byte) []byte {
	key, rest, _ := strings.Cut(string(request), "\x00")
	dir, words, ok := strings.Cut(rest, "\x00")
	rules, kept := s.kept[key].(*core.Rules)
	if !ok || !kept || words != "" && !strings.HasSuffix(words, "\x00") {
		return nil
	}
	out := make([]byte, 4, 4+strings.Count(words, "\x00"))
	for words != "" {
		var word string
		word, words, _ = strings.Cut(words, "\x00")
		out = append(out, byte(judge(rules, dir, word)))
	}
	binary.LittleEndian.PutUint32(out, uint32(len(out)-4))
	return out
}
