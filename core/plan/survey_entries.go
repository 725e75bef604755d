package plan

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/paperclipai/syncplan/core"
)

// surveyReader builds a Remote out of a text and members.
type surveyReader struct {
	*leftovers
	req     *Request
	seen    *core.Seen // what the difference is about; nil where all was listed
	remote  *Remote
	known   core.Tree    // the entries that were seen earlier
	found   []core.Entry // those that are there now, in no order
	lists   map[string][]byte
	members map[string]*SurveyMember
	text    surveyText
	sums    map[string]core.Digest
	minus   map[string]bool
	plus    map[string]listed
	names   map[core.Left]bool // that are no entries
	repos   bool               // something in a repository differs
}

// sort tells lists from the workspace's own members. Of two members with one
// name the first counts. Without a list that came and could not be read, what is in it
// would look deleted.
func (s *surveyReader) sort(members []SurveyMember) error {
	lists := core.RuntimeDir + "/" + s.req.Adapter + "/run-" + s.req.Run + "/"
	for i := range members {
		m := &members[i]
		if name, ok := strings.CutPrefix(m.Name, lists); ok {
			if m.Fault != "" {
				return corrupt("a list of the download can't be read: " + m.Fault)
			}
			if _, seen := s.lists[name]; !seen {
				s.lists[name] = m.Data
			}
		} else if _, seen := s.members[m.Name]; !seen {
			s.members[m.Name] = m
		}
	}
	return nil
}

// readSums reads the digests of names without a newline. GNU sha256sum escapes
// a backslash and a carriage return, and says so in front; the others do not.
func (s *surveyReader) readSums() {
	for l := range strings.SplitSeq(s.text.sums, "\n") {
		escaped := strings.HasPrefix(l, `\`)
		if escaped {
			l = l[1:]
		}
		if len(l) < 69 || l[64:68] != "  ./" {
			continue
		}
		d, ok := core.ParseDigest(l[:64])
		name := l[68:]
		if escaped {
			name = strings.NewReplacer(`\\`, `\`, `\r`, "\r").Replace(name)
		}
		switch {
		case !ok:
		case inRuntime(name):
			s.arrived(name, d, escaped)
		default:
			s.sums[name] = d
		}
	}
}

// readLines sorts the listing, or the difference, into what is there and what
// is not any more.
func (s *surveyReader) readLines() error {
	if s.seen != nil {
		s.known = s.seen.Entries(s.req.Base.Entries, s.req.Local.Entries)
		for _, l := range s.seen.Left {
			// Names that hold a newline are listed anew each time.
			s.names[l] = !strings.Contains(l.Name, "\n")
		}
	}
	var added []listed
	for text := range strings.SplitSeq(s.text.lines, "\n") {
		if text == "" {
			continue
		}
		isNew := s.seen == nil
		if rest, ok := strings.CutPrefix(text, "\t"); ok {
			isNew, text = true, rest
		}
		l, ok := parseLine(text)
		switch {
		case !ok && s.seen != nil:
			return contradiction("")
		case !ok:
			return corrupt("the download holds a line that is none")
		case l.kind == '!' || l.path == core.RuntimeDir:
		case isNew:
			added = append(added, l)
		case !s.dropLine(l):
			return contradiction(l.path)
		}
	}
	for _, l := range added {
		if s.known.Find(l.path) != nil && !s.minus[l.path] {
			return contradiction(l.path)
		}
		s.addLine(l)
	}
	return nil
}

// dropLine forgets a name of the earlier listing. It reports false for one that
// was never told.
func (s *surveyReader) dropLine(l listed) bool {
	left := l.leftover()
	if left.Kind != "" && s.names[left] {
		delete(s.names, left)
		return true
	}
	s.touch(l.path)
	if s.known.Find(l.path) != nil {
		s.minus[l.path] = true
		return true
	}
	// What the host's rules left out stands in the sandbox's listing all the same.
	delete(s.names, core.Left{Name: l.path, Kind: "x"})
	return core.ValidatePath(l.path) == nil && s.rules.ExcludedBelow(l.path, l.kind == 'd') || left.Kind != ""
}

func (s *surveyReader) addLine(l listed) {
	s.touch(l.path)
	if left := l.leftover(); left.Kind != "" {
		s.names[left] = true
		return
	}
	if _, twice := s.plus[l.path]; !twice {
		s.plus[l.path] = l
	}
}

func (s *surveyReader) touch(path string) {
	if repo, _ := core.RepoPath(path + "/"); repo != "" {
		s.repos = true
	}
}

// readOdd adds the names that hold a newline, which are listed anew each time.
func (s *surveyReader) readOdd() {
	execs := map[string]bool{}
	for _, p := range s.list("odd-x") {
		execs[p] = true
	}
	s.readOddSums(s.list("odd-f"))
	for _, list := range []string{"odd-d", "odd-f", "odd-l", "odd-p"} {
		for _, p := range s.list(list) {
			l := listed{kind: list[len("odd-")], mode: 0o644, path: p}
			if l.kind == 'd' || execs[p] {
				l.mode = 0o755
			}
			s.addLine(l)
		}
	}
}

// list splits a list of names. What does not begin with "./" was not written by find.
func (s *surveyReader) list(list string) []string {
	var out []string
	for n := range strings.SplitSeq(string(s.lists[list]), "\x00") {
		if p, ok := strings.CutPrefix(n, "./"); ok {
			out = append(out, p)
		}
	}
	return out
}

// readOddSums pairs digests with names by following the list of files, because
// the tools differ in how they escape a name: a line matches the next file
// whose plain or escaped form it ends in.
func (s *surveyReader) readOddSums(files []string) {
	text := string(s.lists["odd-sums"])
	for _, p := range files {
		name := "./" + p
		for _, form := range [2]string{name, escapeSum(name)} {
			t := strings.TrimPrefix(text, `\`)
			if len(t) < 66+len(form) || t[66:66+len(form)] != form {
				continue
			}
			rest := t[66+len(form):]
			d, ok := core.ParseDigest(t[:64])
			if ok && strings.HasPrefix(rest, "\n") {
				s.sums[p], text = d, rest[1:]
				break
			}
		}
	}
}

// escapeSum is GNU sha256sum's form of a name with a backslash or newline.
func escapeSum(name string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
}

// entries puts together what was seen earlier and what was listed now.
func (s *surveyReader) entries() {
	for path := range s.known.Holding('\n') {
		s.minus[path] = true // listed anew each time
	}
	for _, l := range s.plus {
		s.addEntry(l)
	}
	for l, stands := range s.names {
		if !stands {
			continue
		}
		s.remote.Left = append(s.remote.Left, l)
	}
	for p := range strings.SplitSeq(s.text.blind, "\n") {
		if p, ok := strings.CutPrefix(p, "./"); ok {
			s.blind[p] = true
		}
	}
	if !s.text.whole && len(s.blind) == 0 {
		s.blind[""] = true // something went wrong that no list explains: no absence is certain
	}
}

func (s *surveyReader) addEntry(l listed) {
	if !s.travels(l.path) {
		return
	}
	e := core.Entry{Path: l.path, Mode: l.mode & core.MaxMode}
	switch l.kind {
	case 'd':
		e.Kind = core.KindDir
	case 'l':
		s.addLink(l.path)
		return
	default:
		e.Kind = core.KindFile
		if !s.fill(&e, l) {
			return
		}
	}
	s.found = append(s.found, e)
}

// travels reports whether a name may be an entry, and notes it if not.
func (s *surveyReader) travels(p string) bool {
	if core.ValidatePath(p) == nil {
		return true
	}
	if p != "" && !strings.HasPrefix(p, "/") && !strings.Contains("/"+p+"/", "/../") {
		s.names[core.Left{Name: p, Kind: "n"}] = true
	}
	return false
}

// fill finds the content of a listed file. A body that came counts, unless it is
// not the one that was hashed.
func (s *surveyReader) fill(e *core.Entry, l listed) bool {
	m, sum := s.members[e.Path], s.sums[e.Path]
	switch {
	case m != nil && m.Fault != "":
		s.problem(e.Path, core.ProblemUnreadable, m.Fault)
		return false
	case m != nil && m.Kind == core.KindFile:
		if !sum.IsZero() && sum != m.Digest {
			s.problem(e.Path, core.ProblemChanging, "it changed in the sandbox while it was packed")
			return false
		}
		e.Digest, e.Size = m.Digest, m.Size
	case sum.IsZero():
		s.problem(e.Path, core.ProblemUnreadable, "it could not be read in the sandbox")
		return false
	default:
		e.Digest, e.Size = sum, l.size
	}
	return true
}

func (s *surveyReader) addLink(p string) {
	m := s.members[p]
	switch {
	case m == nil || m.Kind != core.KindLink:
		s.problem(p, core.ProblemUnreadable, "the link could not be read in the sandbox")
	case m.Target == "" || len(m.Target) > core.MaxTarget || !utf8.ValidString(m.Target) || strings.Contains(m.Target, "\x00"):
		s.names[core.Left{Name: p, Kind: "p"}] = true
	default:
		s.found = append(s.found, core.Entry{Path: p, Kind: core.KindLink, Target: m.Target, Mode: 0o777})
	}
}

// finishEntries puts together what is there, and validates it.
func (s *surveyReader) finishEntries() error {
	snap := &s.remote.Snapshot
	core.SortEntries(s.found)
	there := s.there()
	core.Sort(s.remote.Left, func(a, b core.Left) int { return strings.Compare(a.Name+"\x00"+a.Kind, b.Name+"\x00"+b.Kind) })
	s.remote.Left = slices.Compact(s.remote.Left)
	for _, l := range s.remote.Left {
		s.leftovers.left(l)
	}
	s.finish(snap)
	var err error
	if snap.Entries, err = there.Validated(entriesOf(s.req.Base)); err == nil {
		err = snap.Validate()
	}
	if err != nil {
		return &core.Error{Code: core.CodeCorrupt, Message: "the sandbox's listing contradicts itself", Err: err}
	}
	return nil
}

// there returns what was known, without what is gone and with what was found. Only
// that is looked at: the rest was before.
func (s *surveyReader) there() core.Tree {
	var out core.TreeBuilder
	rest, found, gone := s.known.Cursor(), s.found, sortedPaths(s.minus)
	f := finds{surveyReader: s, dirs: map[string]bool{"": true}, skip: "\x00"}
	for len(found)+len(gone) > 0 {
		isDir, path := false, ""
		if len(found) == 0 || len(gone) > 0 && core.ComparePaths(gone[0], found[0].Path) < 0 {
			path = gone[0]
		} else {
			path = found[0].Path
		}
		out.Take(&rest, rest.Before(path))
		if rest.At(path) {
			rest.Skip(1)
		}
		if len(gone) > 0 && gone[0] == path {
			gone = gone[1:]
		}
		if len(found) > 0 && found[0].Path == path {
			if f.keeps(&found[0]) {
				out.Add(&found[0])
				isDir = found[0].Kind == core.KindDir
			}
			found = found[1:]
		}
		if below := rest.Below(path); !isDir && below.Left() > 0 {
			n := 0
			for ; n < len(gone) && core.Under(gone[n], path); n++ {
			}
			if n < below.Left() {
				s.blind[""] = true // its directory went while the listing was made
			}
			gone = gone[n:]
			rest.Skip(below.Left())
		}
	}
	out.Take(&rest, rest.Left())
	return out.Tree()
}

func sortedPaths(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for path := range set {
		list = append(list, path)
	}
	core.Sort(list, core.ComparePaths)
	return list
}

// finds judges what was found, in path order.
type finds struct {
	*surveyReader
	dirs map[string]bool // found ones
	skip string          // nothing below it counts
}

// keeps reports whether a find is an entry. What the rules exclude beyond what
// find could leave out is not, nor is anything whose directory appeared while the
// listing was made.
func (f *finds) keeps(e *core.Entry) bool {
	switch {
	case core.Under(e.Path, f.skip):
		return false
	case f.rules.Excluded(e.Path, e.Kind == core.KindDir):
		f.skip = e.Path
		f.remote.Left = append(f.remote.Left, core.Left{Name: e.Path, Kind: "x"})
		return false
	case !f.listed(core.Parent(e.Path)):
		f.blind[""] = true
		f.skip = e.Path
		return false
	}
	if e.Kind == core.KindDir {
		f.dirs[e.Path] = true
	}
	return true
}

// listed reports whether a directory is an entry.
func (f *finds) listed(dir string) bool {
	if f.dirs[dir] {
		return true
	}
	e := f.known.Find(dir)
	return e != nil && e.Kind == core.KindDir && !f.minus[dir]
}

// noteBodies lists the contents that came along.
func (s *surveyReader) noteBodies(members []SurveyMember) {
	for i := range members {
		if m := &members[i]; m.Kind == core.KindFile && m.Fault == "" && !m.Digest.IsZero() {
			s.remote.Bodies = append(s.remote.Bodies, m.Digest)
		}
	}
	s.remote.sortBodies()
}
