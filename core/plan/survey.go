package plan

import (
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// A survey's download is a concatenation of tar archives, each with its own end
// blocks and maybe none at all, and then a text:
//
//	syncplan-survey 2 <op> <run>
//	with <run of the listing compared with, or -> left <run of the listing left, or -> by <lister>
//	marker <marker, or ->
//	the difference of the listings, or all listeds where none was compared with
//	.
//	<digest>  ./path   of files, as sha256sum writes it; of uploads that were cut off, too
//	.
//	./path             of directories that can't be listed
//	.
//	find <status> hash <status> pack <status>
//	end
//
// followed by SurveyTail bytes: the SHA-256 of everything before it in
// hexadecimal and a newline, or 64 zeros where the sandbox can't hash. The form
// of a line is told in script.go; in a difference a line that is new has a tab
// before it.
//
// Members below .paperclip-runtime/<adapter>/run-<id>/ are lists of the names
// that hold a newline, each name ended by NUL. Members below
// .paperclip-runtime/<adapter>/displaced/ are versions set aside. All others are
// the workspace's own.

// A download of many small files is compressed with gzip, whose first bytes no tar and no text
// begins with: the host unpacks that first, and takes no more than SurveyUnpacked bytes out of it.

// SurveyUnpacked bounds what comes out of a compressed download, in bytes: twice what one is
// made of.
const SurveyUnpacked = 4 << 20

// packedBlocks is what the size of a download that is compressed stays below, in blocks of 512 bytes.
const packedBlocks = "4096"

// SurveyTail is the length of what follows the text, in bytes.
const SurveyTail = 65

// SurveyText begins the text of a download.
const SurveyText = "syncplan-survey "

const surveyHead = SurveyText + "2 "

// maxKept bounds the size of a member whose bytes the host must keep: lists,
// and what a repository's state consists of.
const maxKept = 1 << 30

// SurveyMember is one member of the download as the host read it.
type SurveyMember struct {
	Name   string      // as it came, "./" stripped; may hold any bytes
	Kind   core.Kind   // 0 where Fault says why
	Mode   uint16      // permission bits; what is above 0777 is dropped
	Size   int64       // of a file, in bytes
	Target string      // of a link
	Digest core.Digest // of a file's bytes as they were received
	Data   []byte      // where KeepsData says so
	Fault  string      // why it is refused; "" is good
}

// KeepsData reports whether the host hands the bytes of the named member to
// [ReadSurvey] instead of staging them.
func KeepsData(name string) bool {
	if rest, ok := strings.CutPrefix(name, core.RuntimeDir+"/"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		return rest == "marker" || strings.HasPrefix(rest, "run-") || strings.HasPrefix(rest, "displaced/") && strings.HasSuffix(rest, ".path")
	}
	_, below := core.RepoPath(name)
	return below != "" && core.RepoStateName(below)
}

// ReadSurvey turns a download into what is known of the sandbox. text is what
// follows the archives, the tail included, and sum the digest of all before the
// tail. A download that is not whole, or not the one asked for, is an error of
// [core.CodeCorrupt]; one that contradicts what was seen earlier names the field
// "seen", and then a survey that forgets it helps. A single bad file is a problem
// of the snapshot (promises D5, R1). In classic there is neither text nor sum.
func ReadSurvey(r *Request, members []SurveyMember, text string, sum core.Digest) (*Remote, error) {
	rules, err := r.Options.Rules()
	if err != nil {
		return nil, err
	}
	if r.Dialect == Classic {
		return readClassic(r, rules, members)
	}
	s := &surveyReader{leftovers: newLeftovers(rules), req: r, seen: r.seen(), remote: &Remote{Partial: true},
		lists: map[string][]byte{}, members: map[string]*SurveyMember{}, sums: map[string]core.Digest{},
		minus: map[string]bool{}, plus: map[string]listed{}, names: map[core.Left]bool{}}
	if err := s.text.read(text, sum, string(r.Op), r.Run); err != nil {
		return nil, err
	}
	if s.text.with == "" {
		s.seen = nil
	} else if s.seen == nil || s.text.with != s.seen.ID {
		return nil, corrupt("the download compares with a listing that was not asked for")
	}
	s.remote.Marker, s.remote.ID = s.text.marker, s.text.left
	s.remote.Lacks = s.lacks()
	if err := s.sort(members); err != nil {
		return nil, err
	}
	s.readSums()
	if err := s.readLines(); err != nil {
		return nil, err
	}
	s.readOdd()
	s.entries()
	if err := s.finishEntries(); err != nil {
		return nil, err
	}
	s.readRepos(members)
	s.readAside(members)
	s.noteBodies(members)
	slices.SortFunc(s.remote.Arrived, func(a, b Arrival) int { return core.ComparePaths(a.Path, b.Path) })
	return s.remote, nil
}

func corrupt(why string) error {
	return &core.Error{Code: core.CodeCorrupt, Message: why, Hint: "nothing was written; run it again"}
}

// FieldSeen is the field of an error that a survey without what was seen
// earlier would not have.
const FieldSeen = "seen"

func contradiction(path string) error {
	return &core.Error{Code: core.CodeCorrupt, Field: FieldSeen, Path: path, Message: "the sandbox's listing contradicts the one before",
		Hint: "run it again"}
}

// surveyText is the text of a download, cut at its marks.
type surveyText struct {
	with, left, marker string
	lines, sums        string
	blind              string
	hashes             bool // the sandbox has digests
	compares           bool // and listings that can be compared
	whole              bool // the listing did not fail anywhere
}

func cutTail(text string, sum core.Digest) (string, error) {
	n := len(text) - SurveyTail
	if n < 0 || text[len(text)-1] != '\n' || text[n:n+64] != zeroSum && text[n:n+64] != sum.String() {
		return "", corrupt("the download does not have the digest that the sandbox computed")
	}
	return text[:n], nil
}

func (t *surveyText) read(text string, sum core.Digest, op, run string) error {
	body, err := cutTail(text, sum)
	if err != nil {
		return err
	}
	body, ok := strings.CutSuffix(body, "\nend\n")
	if !ok {
		return corrupt("the download has no end record")
	}
	head, body, _ := strings.Cut(body, "\n")
	if head != surveyHead+op+" "+run {
		return corrupt("the download answers another run")
	}
	with, body, _ := strings.Cut(body, "\n")
	marker, body, _ := strings.Cut(body, "\n")
	var parts [3]string
	for i := range parts {
		if rest, ok := strings.CutPrefix(body, ".\n"); ok {
			body = rest
			continue
		}
		if parts[i], body, ok = strings.Cut(body, "\n.\n"); !ok {
			return corrupt("the download lacks a part")
		}
	}
	t.lines, t.sums, t.blind = parts[0], parts[1], parts[2]
	words := strings.Fields(with)
	if len(words) != 6 || words[0] != "with" || words[2] != "left" {
		return corrupt("the download does not say what it was compared with")
	}
	t.with, t.left = noDash(words[1]), noDash(words[3])
	t.hashes, t.compares = !strings.HasPrefix(text[len(text)-SurveyTail:], zeroSum), words[5] != "plain"
	if t.left != "" && !core.ValidRun(t.left) {
		return corrupt("the download names a listing by no run")
	}
	if t.marker = noDash(strings.TrimPrefix(marker, "marker ")); !core.ValidMarker(t.marker) {
		t.marker = ""
	}
	t.whole = strings.HasPrefix(body, "find 0 ")
	return nil
}

func noDash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}
