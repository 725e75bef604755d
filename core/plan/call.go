package plan

import (
	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// call is one question to the core: the name of an operation and what it takes.
// "planner plan", the golden vectors and the WebAssembly module all speak this.
type call struct {
	name     string
	keep     string // the key under which the result stays; "" is not at all
	request  *Request
	plan     *Plan
	base     *core.Base
	other    *core.Base
	snapshot *core.Snapshot
	report   *Report
	rules    *core.Rules
	results  []merge.Result
	sent     sentFields
	stuck    string
	members  []SurveyMember
	files    []core.RepoFile
	texts    texts
	match    match
	words    []string
	value    core.Value // parse_spec
	saved    core.Value // session_matches
	current  core.Value // session_identity, session_matches
	data     []byte
	skip     int
	brief    bool
	applied  bool
	would    bool
	verbose  bool
}

type texts struct {
	base, local, remote []byte
	text                []byte // survey: what follows the archives
	digest              core.Digest
}

type match struct {
	exclude []string
	seed    []string
	ignores []core.IgnoreFile
	path    string
	dir     bool
}

func callFields(o *core.Object, c *call) {
	core.Enum(o, "call", &c.name, true, Calls()...)
	o.OptStr("keep", &c.keep)
	if o.Reading() {
		o.Borrow(c.keep == "")
	}
	core.Opt(o, "request", &c.request, requestFields)
	core.Opt(o, "plan", &c.plan, planFields)
	core.Opt(o, "base", &c.base, core.BaseFields)
	core.Opt(o, "other", &c.other, core.BaseFields)
	core.Opt(o, "snapshot", &c.snapshot, core.SnapshotFields)
	core.Opt(o, "report", &c.report, reportFields)
	core.Opt(o, "rules", &c.rules, compiledFields)
	core.List(o, "results", &c.results, resultFields)
	c.sent.fields(o)
	o.OptStr("stuck", &c.stuck)
	core.List(o, "members", &c.members, memberFields)
	core.List(o, "files", &c.files, func(o *core.Object, f *core.RepoFile) {
		o.Str("name", &f.Name)
		o.Bytes("data", &f.Data)
	})
	o.Bytes("text_base", &c.texts.base)
	o.Bytes("text_local", &c.texts.local)
	o.Bytes("text_remote", &c.texts.remote)
	o.Bytes("text", &c.texts.text)
	o.Digest("digest", &c.texts.digest, false)
	c.match.fields(o)
	o.OptStr("path", &c.match.path)
	o.Bool("dir", &c.match.dir)
	o.Strings("words", &c.words)
	o.Value("value", &c.value)
	o.Value("saved", &c.saved)
	o.Value("current", &c.current)
	o.Bytes("data", &c.data)
	o.Count("skip", &c.skip)
	o.Bool("brief", &c.brief)
	o.Bool("applied", &c.applied)
	o.Bool("would", &c.would)
	o.Bool("verbose", &c.verbose)
}

// compiledFields reads rules where a call takes them compiled.
func compiledFields(o *core.Object, r *core.Rules) {
	var m match
	m.fields(o)
	if o.Reading() && !o.Failed() {
		rules, err := m.compile()
		if o.FailWith(err); err == nil {
			*r = *rules
		}
	}
}

func (m *match) compile() (*core.Rules, error) {
	o := Options{Exclude: m.exclude, SeedExclude: m.seed, Ignores: m.ignores}
	return o.Rules()
}

func (m *match) fields(o *core.Object) {
	o.Strings("exclude", &m.exclude)
	o.Strings("seed_exclude", &m.seed)
	core.List(o, "ignores", &m.ignores, func(o *core.Object, f *core.IgnoreFile) {
		o.OptStr("dir", &f.Dir)
		o.Str("text", &f.Text)
	})
}

func memberFields(o *core.Object, m *SurveyMember) {
	// Names may hold any bytes, so they travel in base64.
	name := []byte(m.Name)
	o.Bytes("name", &name)
	kind := m.Kind.String()
	core.Enum(o, "kind", &kind, true, "file", "dir", "link", "none")
	mode := int64(m.Mode)
	o.Int("mode", &mode, false, 0, 0xffff)
	o.Int("size", &m.Size, false, 0, core.MaxSize)
	o.OptStr("target", &m.Target)
	o.Digest("digest", &m.Digest, false)
	o.Bytes("data", &m.Data)
	o.OptStr("fault", &m.Fault)
	if o.Reading() {
		m.Name, m.Mode, m.Kind = string(name), uint16(mode), core.KindOf(kind)
	}
}

// ErrorFields lists the fields of an error.
func ErrorFields(o *core.Object, e *core.Error) {
	core.Enum(o, "code", &e.Code, true, core.Codes()...)
	path := core.DisplayPath(e.Path)
	o.OptStr("path", &path)
	o.OptStr("field", &e.Field)
	message := e.Error()
	o.Str("message", &message)
	o.OptStr("hint", &e.Hint)
	if o.Reading() {
		e.Message = message
	}
}
