package plan

import (
	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// call is one question to the core in JSON: the name of an operation and what
// it takes. "planner plan", the golden vectors and the WebAssembly module all
// speak this.
type call struct {
	name     string
	request  *Request
	plan     *Plan
	base     *core.Base
	snapshot *core.Snapshot
	results  []merge.Result
	sent     []Sent
	members  []SurveyMember
	texts    texts
	match    match
	words    []string
	value    core.Value // parse_spec
	saved    core.Value // session_matches
	current  core.Value // session_identity, session_matches
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

// Calls returns the names of all operations in a fixed order.
func Calls() []string {
	return []string{"next", "seal", "commit", "read_survey", "snapshot", "base", "match", "merge_text", "quote", "copy_name", "fold",
		"parse_spec", "session_identity", "session_matches"}
}

func callFields(o *core.Object, c *call) {
	core.Enum(o, "call", &c.name, true, Calls()...)
	core.Opt(o, "request", &c.request, requestFields)
	core.Opt(o, "plan", &c.plan, planFields)
	core.Opt(o, "base", &c.base, core.BaseFields)
	core.Opt(o, "snapshot", &c.snapshot, core.SnapshotFields)
	core.List(o, "results", &c.results, resultFields)
	core.List(o, "sent", &c.sent, func(o *core.Object, s *Sent) {
		o.OptStr("name", &s.Name)
		core.Enum(o, "problem", &s.Problem, false, core.ProblemCodes()...)
		o.Digest("digest", &s.Digest, false)
	})
	core.List(o, "members", &c.members, memberFields)
	o.Bytes("text_base", &c.texts.base)
	o.Bytes("text_local", &c.texts.local)
	o.Bytes("text_remote", &c.texts.remote)
	o.Bytes("text", &c.texts.text)
	o.Digest("digest", &c.texts.digest, false)
	o.Strings("exclude", &c.match.exclude)
	o.Strings("seed_exclude", &c.match.seed)
	core.List(o, "ignores", &c.match.ignores, func(o *core.Object, f *core.IgnoreFile) {
		o.OptStr("dir", &f.Dir)
		o.Str("text", &f.Text)
	})
	o.OptStr("path", &c.match.path)
	o.Bool("dir", &c.match.dir)
	o.Strings("words", &c.words)
	o.Value("value", &c.value)
	o.Value("saved", &c.saved)
	o.Value("current", &c.current)
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
		m.Name, m.Mode = string(name), uint16(mode)
		for _, k := range [3]core.Kind{core.KindFile, core.KindDir, core.KindLink} {
			if k.String() == kind {
				m.Kind = k
			}
		}
	}
}

// Call answers one question: JSON in, canonical JSON out. The answer is
// {"result":{…}} or {"error":{…}}; it never panics on input.
func Call(data []byte) []byte {
	var c call
	if err := core.DecodeJSON(data, func(o *core.Object) { callFields(o, &c) }); err != nil {
		return failure(err)
	}
	fields, err := c.run()
	if err != nil {
		return failure(err)
	}
	none := new(struct{})
	return core.EncodeJSON(func(o *core.Object) {
		core.Opt(o, "result", &none, func(o *core.Object, _ *struct{}) { fields(o) })
	})
}

func failure(err error) []byte {
	e, ok := err.(*core.Error)
	if !ok {
		e = &core.Error{Code: core.CodeInvalidRequest, Message: err.Error()}
	}
	return core.EncodeJSON(func(o *core.Object) { core.Opt(o, "error", &e, ErrorFields) })
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

// missing is the error for a call that lacks what it is about.
func missing(field string) error {
	return &core.Error{Code: core.CodeInvalidRequest, Field: field, Message: "field is missing"}
}

func (c *call) run() (func(*core.Object), error) {
	switch c.name {
	case "next":
		return c.next()
	case "seal":
		return c.seal()
	case "commit":
		return c.commit()
	case "read_survey":
		return c.readSurvey()
	case "snapshot":
		if c.snapshot == nil {
			return nil, missing("snapshot")
		}
		return func(o *core.Object) { core.SnapshotFields(o, c.snapshot) }, nil
	case "base":
		if c.base == nil {
			return nil, missing("base")
		}
		return func(o *core.Object) { core.BaseFields(o, c.base) }, nil
	case "match":
		return c.excluded()
	case "merge_text":
		merged, n := merge.MergeText(c.texts.base, c.texts.local, c.texts.remote, merge.Labels{Local: "local", Base: "base", Remote: "sandbox"})
		return func(o *core.Object) { o.Bytes("merged", &merged); o.Count("conflicts", &n) }, nil
	case "quote":
		line := ""
		for i, w := range c.words {
			if i > 0 {
				line += " "
			}
			line += Quote(w)
		}
		return func(o *core.Object) { o.Str("line", &line) }, nil
	case "copy_name":
		if err := core.ValidatePath(c.match.path); err != nil {
			return nil, err
		}
		taken := map[string]bool{}
		for _, w := range c.words {
			taken[w] = true
		}
		name := merge.CopyName(c.match.path, c.texts.digest, func(p string) bool { return taken[p] })
		return func(o *core.Object) { o.Str("path", &name) }, nil
	case "parse_spec":
		spec := ParseSpec(&c.value)
		return func(o *core.Object) { core.Opt(o, "spec", &spec, specFields) }, nil
	case "session_identity":
		id, err := Identity(&c.current)
		return func(o *core.Object) { core.Opt(o, "identity", &id, identityFields) }, err
	case "session_matches":
		same, err := SessionMatches(&c.saved, &c.current)
		return func(o *core.Object) { o.Bool("matches", &same) }, err
	default: // fold
		keys := make([]string, 0, len(c.words))
		for _, w := range c.words {
			keys = append(keys, merge.FoldKey(w, true, true))
		}
		return func(o *core.Object) { o.Strings("keys", &keys) }, nil
	}
}

func (c *call) next() (func(*core.Object), error) {
	if c.request == nil {
		return nil, missing("request")
	}
	p, err := Next(c.request)
	return func(o *core.Object) { planFields(o, p) }, err
}

func (c *call) seal() (func(*core.Object), error) {
	switch {
	case c.request == nil:
		return nil, missing("request")
	case c.plan == nil:
		return nil, missing("plan")
	}
	members, err := Seal(c.request, c.plan, c.sent)
	return func(o *core.Object) {
		core.List(o, "members", &members, func(o *core.Object, m *Member) {
			text := string(m.Data)
			o.Str("name", &m.Name)
			o.Str("text", &text)
		})
	}, err
}

func (c *call) commit() (func(*core.Object), error) {
	if c.plan == nil {
		return nil, missing("plan")
	}
	b, err := Commit(c.base, c.plan, c.results)
	return func(o *core.Object) { core.BaseFields(o, b) }, err
}

func (c *call) readSurvey() (func(*core.Object), error) {
	if c.request == nil {
		return nil, missing("request")
	}
	r, err := ReadSurvey(c.request, c.members, string(c.texts.text), c.texts.digest)
	return func(o *core.Object) { remoteFields(o, r) }, err
}

func (c *call) excluded() (func(*core.Object), error) {
	o := Options{Exclude: c.match.exclude, SeedExclude: c.match.seed, Ignores: c.match.ignores}
	rules, err := o.Rules()
	if err != nil {
		return nil, err
	}
	if err := core.ValidatePath(c.match.path); err != nil {
		return nil, err
	}
	out := rules.ExcludedBelow(c.match.path, c.match.dir)
	return func(o *core.Object) { o.Bool("excluded", &out) }, nil
}
