package plan

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// A survey's download is a concatenation of tar archives, each with its own end
// blocks, followed by SurveyTail bytes: the SHA-256 of everything before it in
// hexadecimal and a newline, or 64 zeros where the sandbox can't hash.
//
// Members below .paperclip-runtime/<adapter>/run-<id>/ are lists: names end in
// NUL and begin with "./". The list "end" comes last and holds, a line each, the
// head "syncplan-survey 1 <op> <run>", "<stage> <exit status>", "<digest>
// <list>", and "end". Members below .paperclip-runtime/<adapter>/displaced/ are
// versions set aside. All others are the workspace's own.

// SurveyTail is the length of what follows the last archive, in bytes.
const SurveyTail = 65

const surveyHead = "syncplan-survey 1 "

// maxKept bounds the size of a member whose bytes the host must keep: lists,
// and what a repository's state consists of.
const maxKept = 1 << 30

// SurveyMember is one member of the download as the host read it.
type SurveyMember struct {
	Name   string // as it came, "./" stripped; may hold any bytes
	Kind   core.Kind
	Mode   uint16
	Size   int64
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
		return strings.HasPrefix(rest, "run-") || strings.HasPrefix(rest, "displaced/") && strings.HasSuffix(rest, ".path")
	}
	_, below := core.RepoPath(name)
	return below != "" && core.RepoStateName(below)
}

// surveyReader builds a Remote out of lists and members.
type surveyReader struct {
	req     *Request
	rules   *core.Rules
	lists   map[string][]byte
	members map[string]*SurveyMember
	sums    map[string]core.Digest
	execs   map[string]bool
	status  map[string]string
	remote  *Remote
	dirs    map[string]bool
	blind   map[string]bool
	holds   map[string]bool // occupied
}

// ReadSurvey turns a download into what is known of the sandbox. tail is the
// last SurveyTail bytes and sum the digest of all before them. A download that
// is not whole, or not the one asked for, is an error of [core.CodeCorrupt];
// a single bad file is a problem of the snapshot (promises D5, R1).
func ReadSurvey(r *Request, members []SurveyMember, tail string, sum core.Digest) (*Remote, error) {
	rules, err := core.CompileRules(r.Options.Exclude, r.Options.Ignores)
	if err != nil {
		return nil, err
	}
	s := &surveyReader{req: r, rules: rules, lists: map[string][]byte{}, members: map[string]*SurveyMember{},
		status: map[string]string{}, remote: &Remote{Listed: r.Op == merge.Push},
		dirs: map[string]bool{}, blind: map[string]bool{}, holds: map[string]bool{}}
	if want, ok := strings.CutSuffix(tail, "\n"); !ok || want != strings.Repeat("0", 64) && want != sum.String() {
		return nil, corrupt("the download does not have the digest that the sandbox computed")
	}
	s.sort(members)
	if err := s.readEnd(); err != nil {
		return nil, err
	}
	s.remote.Marker = strings.TrimSpace(string(s.lists["marker"]))
	if !core.ValidMarker(s.remote.Marker) {
		s.remote.Marker = ""
	}
	s.readSums()
	s.readTree()
	if err := s.finish(); err != nil {
		return nil, err
	}
	s.readRepos(members)
	s.readAside(members)
	return s.remote, nil
}

func corrupt(why string) error {
	return &core.Error{Code: core.CodeCorrupt, Message: why, Hint: "nothing was written; run it again"}
}

// sort tells lists from the workspace's own members. Of two members with one
// name the first counts.
func (s *surveyReader) sort(members []SurveyMember) {
	lists := core.RuntimeDir + "/" + s.req.Adapter + "/run-" + s.req.Run + "/"
	for i := range members {
		m := &members[i]
		if name, ok := strings.CutPrefix(m.Name, lists); ok {
			if _, seen := s.lists[name]; !seen && m.Fault == "" {
				s.lists[name] = m.Data
			}
		} else if _, seen := s.members[m.Name]; !seen {
			s.members[m.Name] = m
		}
	}
}

// readEnd proves that every list arrived whole.
func (s *surveyReader) readEnd() error {
	end, ok := s.lists["end"]
	if !ok || !strings.HasSuffix(string(end), "\nend\n") {
		return corrupt("the download has no end record")
	}
	lines := strings.Split(strings.TrimSuffix(string(end), "\n"), "\n")
	if lines[0] != surveyHead+string(s.req.Op)+" "+s.req.Run {
		return corrupt("the download answers another run")
	}
	for _, l := range lines[1:] {
		first, second, _ := strings.Cut(l, " ")
		if d, ok := core.ParseDigest(first); ok {
			name := strings.TrimSpace(second)
			if core.Sum(string(s.lists[name])) != d {
				return corrupt("the list \"" + core.DisplayPath(name) + "\" of the download does not have its digest")
			}
			continue
		}
		s.status[first] = second
	}
	for _, name := range [9]string{"marker", "dirs", "files", "execs", "links", "others", "pruned", "blind", "sums"} {
		if _, ok := s.lists[name]; !ok {
			return corrupt("the download lacks the list \"" + name + "\"")
		}
	}
	return nil
}

// names splits a list. What does not begin with "./" was not written by find.
func (s *surveyReader) names(list string) []string {
	var out []string
	for _, n := range strings.Split(string(s.lists[list]), "\x00") {
		if p, ok := strings.CutPrefix(n, "./"); ok {
			out = append(out, p)
		}
	}
	return out
}

// readSums pairs digests with names by following the list of files, because
// the tools differ in how they escape a name: a line matches the next file
// whose plain or escaped form it ends in.
func (s *surveyReader) readSums() {
	s.sums = map[string]core.Digest{}
	text := string(s.lists["sums"])
	for _, p := range s.names("files") {
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
	if !strings.ContainsAny(name, "\\\n\r") {
		return name
	}
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
}

// readTree turns the lists into entries and problems.
func (s *surveyReader) readTree() {
	s.execs = map[string]bool{}
	for _, p := range s.names("execs") {
		s.execs[p] = true
	}
	for _, p := range s.names("dirs") {
		if s.travels(p) {
			s.dirs[p] = true
			s.add(core.Entry{Path: p, Kind: core.KindDir, Mode: s.mode(p, 0o755)})
		}
	}
	for _, p := range s.names("files") {
		if s.travels(p) {
			s.addFile(p)
		}
	}
	for _, p := range s.names("links") {
		if s.travels(p) {
			s.addLink(p)
		}
	}
	for _, p := range s.names("others") {
		if s.travels(p) {
			s.problem(p, core.ProblemSpecial, "a FIFO, socket or device")
		}
	}
	for _, p := range s.names("pruned") {
		if p != core.RuntimeDir && s.travels(p) {
			s.holds[core.Parent(p)] = true
		}
	}
	for _, p := range s.names("blind") {
		s.blind[p] = true
	}
	for _, stage := range [5]string{"dirs", "files", "execs", "links", "others"} {
		// Something went wrong that no list explains: no absence is certain.
		if s.status[stage] != "0" && len(s.blind) == 0 {
			s.blind[""] = true
		}
	}
}

func (s *surveyReader) add(e core.Entry) {
	s.remote.Snapshot.Entries = append(s.remote.Snapshot.Entries, e)
}

func (s *surveyReader) problem(path string, code core.ProblemCode, detail string) {
	s.remote.Snapshot.Problems = append(s.remote.Snapshot.Problems, core.Problem{Path: path, Code: code, Detail: detail})
}

// travels reports whether p is a path that may travel, and lists it as a
// problem of its parent if not. Below a bad name only the name itself counts.
func (s *surveyReader) travels(p string) bool {
	if utf8.ValidString(p) && len(p) <= core.MaxPath {
		return core.ValidatePath(p) == nil
	}
	if len(p) > core.MaxPath && utf8.ValidString(p) {
		dir := p
		for len(dir) > core.MaxPath {
			dir = core.Parent(dir)
		}
		s.holds[dir] = true
		s.problem(core.DisplayPath(p[:256])+"...", core.ProblemTooLong, "")
		return false
	}
	parent := ""
	for _, seg := range strings.Split(p, "/") {
		if !utf8.ValidString(seg) {
			s.holds[parent] = true
			s.problem(core.Join(parent, core.DisplayPath(seg)), core.ProblemInvalidName, "the name is not valid UTF-8")
			return false
		}
		parent = core.Join(parent, seg)
	}
	return false
}

func (s *surveyReader) mode(p string, unknown uint16) uint16 {
	if m := s.members[p]; m != nil && m.Fault == "" {
		return m.Mode & core.MaxMode
	}
	return unknown
}

func (s *surveyReader) addFile(p string) {
	m, sum := s.members[p], s.sums[p]
	e := core.Entry{Path: p, Kind: core.KindFile, Digest: sum, Mode: 0o644}
	switch {
	case m != nil && m.Fault != "":
		s.problem(p, core.ProblemUnreadable, m.Fault)
		return
	case m != nil && m.Kind == core.KindFile:
		if !sum.IsZero() && sum != m.Digest {
			s.problem(p, core.ProblemChanging, "it changed in the sandbox while it was packed")
			return
		}
		e.Digest, e.Size, e.Mode = m.Digest, m.Size, m.Mode&core.MaxMode
	case s.req.Op == merge.Pull || sum.IsZero():
		s.problem(p, core.ProblemUnreadable, "it could not be read in the sandbox")
		return
	}
	if e.Mode &^= 0o100; s.execs[p] {
		e.Mode |= 0o100
		if m == nil {
			e.Mode = 0o755
		}
	}
	s.add(e)
}

func (s *surveyReader) addLink(p string) {
	m := s.members[p]
	switch {
	case m == nil || m.Kind != core.KindLink:
		s.problem(p, core.ProblemUnreadable, "the link could not be read in the sandbox")
	case m.Target == "" || len(m.Target) > core.MaxTarget || !utf8.ValidString(m.Target) || strings.Contains(m.Target, "\x00"):
		s.problem(p, core.ProblemSpecial, "the link's text is not valid UTF-8, empty or too long")
	default:
		s.add(core.Entry{Path: p, Kind: core.KindLink, Target: m.Target, Mode: 0o777})
	}
}

// finish sorts, drops what the rules exclude beyond what find could leave out,
// and validates.
func (s *surveyReader) finish() error {
	snap := &s.remote.Snapshot
	core.SortEntries(snap.Entries)
	kept := snap.Entries[:0]
	skip := "\x00"
	for i := range snap.Entries {
		e := snap.Entries[i]
		if core.Under(e.Path, skip) {
			continue
		}
		if s.rules.Excluded(e.Path, e.Kind == core.KindDir) {
			skip = e.Path
			s.holds[core.Parent(e.Path)] = true
			continue
		}
		if parent := core.Parent(e.Path); parent != "" && !s.dirs[parent] {
			// Its directory appeared while the lists were made.
			s.blind[""] = true
			skip = e.Path
			continue
		}
		kept = append(kept, e)
	}
	snap.Entries = kept
	snap.Problems = slices.DeleteFunc(snap.Problems, func(p core.Problem) bool {
		return core.ValidatePath(p.Path) == nil && s.rules.ExcludedBelow(p.Path, false)
	})
	snap.Problems = core.SortProblems(snap.Problems)
	snap.Incomplete, snap.Occupied = s.sorted(s.blind), s.sorted(s.holds)
	if err := snap.Validate(); err != nil {
		return &core.Error{Code: core.CodeCorrupt, Message: "the sandbox's listing contradicts itself", Err: err}
	}
	return nil
}

// sorted lists directories that are valid paths and not excluded.
func (s *surveyReader) sorted(set map[string]bool) []string {
	var out []string
	for p := range set {
		if p == "" || core.ValidatePath(p) == nil && !s.rules.ExcludedBelow(p, true) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, core.ComparePaths)
	return out
}

// readRepos computes the state of each repository that is part of the snapshot.
func (s *surveyReader) readRepos(members []SurveyMember) {
	files := map[string][]core.RepoFile{}
	for i := range members {
		m := &members[i]
		repo, below := core.RepoPath(m.Name)
		if repo != "" && m.Data != nil && len(m.Data) <= maxKept && core.RepoStateName(below) {
			files[repo] = append(files[repo], core.RepoFile{Name: below, Data: m.Data})
		}
	}
	for i := range s.remote.Snapshot.Entries {
		if e := &s.remote.Snapshot.Entries[i]; e.Kind == core.KindDir && core.Name(e.Path) == ".git" {
			s.remote.Repos = append(s.remote.Repos, core.Repo{Path: e.Path, State: core.RepoState(files[e.Path])})
		}
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
			v.Entries = append(v.Entries, core.Entry{Path: v.Path + tail, Kind: m.Kind, Mode: m.Mode & core.MaxMode, Size: m.Size, Digest: m.Digest, Target: m.Target})
		}
	}
	for _, v := range byID {
		core.SortEntries(v.Entries)
		check := core.Snapshot{Entries: withParents(v.Entries)}
		if len(v.Entries) > 0 && v.Entries[0].Path == v.Path && check.Validate() == nil {
			s.remote.Aside = append(s.remote.Aside, *v)
		}
	}
	slices.SortFunc(s.remote.Aside, func(a, b AsideVersion) int {
		return core.CompareAsides(core.Aside{Path: a.Path, Digest: a.ID}, core.Aside{Path: b.Path, Digest: b.ID})
	})
}

// withParents adds the directories that hold the first entry.
func withParents(entries []core.Entry) []core.Entry {
	if len(entries) == 0 {
		return nil
	}
	return append(addParents(nil, core.Parent(entries[0].Path), nil), entries...)
}
