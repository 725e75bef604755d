package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// answer is the result of a call: its fields, and the value that may be kept.
type answer struct {
	fields func(*core.Object)
	value  any // a pointer; nil where there is nothing to keep
}

func nothing(*core.Object) {}

// operation answers the calls of one name.
type operation struct {
	name string
	run  func(*call) (answer, error)
}

// operations are all of them, in the order of wasm/ABI.md.
func operations() []operation {
	return []operation{
		{"about", (*call).about},
		{"next", (*call).next},
		{"decide", (*call).decide},
		{"uploads", (*call).uploads},
		{"seal", (*call).seal},
		{"commit", (*call).commit},
		{"read_survey", (*call).readSurvey},
		{"read_fetch", (*call).readFetch},
		{"why_file", (*call).whyFile},
		{"part_path", (*call).partPath},
		{"summarise", (*call).summarise},
		{"render", (*call).render},
		{"snapshot", (*call).snapshotItself},
		{"encode_snapshot", (*call).encodeSnapshot},
		{"decode_snapshot", (*call).decodeSnapshot},
		{"base", (*call).baseItself},
		{"encode_base", (*call).encodeBase},
		{"decode_base", (*call).decodeBase},
		{"same_base", (*call).sameBase},
		{"rules", (*call).compile},
		{"match", (*call).matches},
		{"scan_dir", (*call).scanDir},
		{"repo_state", (*call).repoState},
		{"check_path", (*call).checkPath},
		{"check_root", (*call).checkRoot},
		{"check_segment", (*call).checkSegment},
		{"display", (*call).display},
		{"merge_text", (*call).mergeText},
		{"quote", (*call).quote},
		{"copy_name", (*call).copyName},
		{"fold", (*call).fold},
		{"parse_spec", (*call).parseSpec},
		{"session_identity", (*call).sessionIdentity},
		{"session_matches", (*call).sessionMatches},
		{"drop", func(*call) (answer, error) { return answer{fields: nothing}, nil }},
	}
}

// Calls returns the names of all operations in a fixed order.
func Calls() []string {
	var names []string
	for _, op := range operations() {
		names = append(names, op.name)
	}
	return names
}

// operationOf returns the named one, which the decoder has found to exist.
func operationOf(name string) operation {
	list := operations()
	return list[slices.IndexFunc(list, func(op operation) bool { return op.name == name })]
}

// need returns an error for a call that lacks what it is about.
func need[T any](field string, v *T) error {
	if v == nil {
		return invalid(field, "field is missing")
	}
	return nil
}

func (c *call) about() (answer, error) {
	return answer{fields: func(o *core.Object) {
		module, abi := core.ModuleVersion, strconv.Itoa(core.ABIMajor)+"."+strconv.Itoa(core.ABIMinor)
		o.Str("module", &module)
		o.Str("abi", &abi)
		for _, n := range []struct {
			name  string
			value int64
		}{{"plan_format", core.PlanFormat}, {"base_format", core.BaseFormat}, {"snapshot_format", core.SnapshotFormat},
			{"max_entries", core.MaxEntries}, {"max_path", core.MaxPath}, {"max_target", core.MaxTarget}, {"max_message", core.MaxMessage},
			{"max_text_merge", merge.MaxTextMerge}, {"survey_tail", SurveyTail}, {"survey_unpacked", SurveyUnpacked}} {
			o.Int(n.name, &n.value, true, 0, core.MaxSize)
		}
		text, dir := SurveyText, core.RuntimeDir
		o.Str("survey_text", &text)
		o.Str("runtime_dir", &dir)
		codes, problems, guards, calls := words(core.Codes()), words(core.ProblemCodes()), words(Guards()), Calls()
		o.Strings("codes", &codes)
		o.Strings("problem_codes", &problems)
		o.Strings("guards", &guards)
		o.Strings("calls", &calls)
	}}, nil
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

func (c *call) next() (answer, error) {
	if err := need("request", c.request); err != nil {
		return answer{}, err
	}
	p, err := Next(c.request)
	return answer{func(o *core.Object) { planFields(o, c.shown(p)) }, p}, err
}

func (c *call) decide() (answer, error) {
	if err := need("request", c.request); err != nil {
		return answer{}, err
	}
	if err := need("request.remote", c.request.Remote); err != nil {
		return answer{}, err
	}
	rules, err := c.request.Options.Rules()
	if err != nil {
		return answer{}, err
	}
	out, err := merge.Decide(c.request.input(c.request.Base, rules))
	return answer{fields: func(o *core.Object) { outcomeFields(o, out) }}, err
}

func (c *call) seal() (answer, error) {
	if err := need("request", c.request); err != nil {
		return answer{}, err
	}
	if err := need("plan", c.plan); err != nil {
		return answer{}, err
	}
	sent, err := c.sent.of(c.plan)
	if err != nil {
		return answer{}, err
	}
	members, err := Seal(c.request, c.plan, sent)
	return answer{fields: func(o *core.Object) {
		core.List(o, "members", &members, func(o *core.Object, m *Member) {
			o.Str("name", &m.Name)
			o.Text("text", &m.Data)
		})
	}}, err
}

func (c *call) commit() (answer, error) {
	if err := need("plan", c.plan); err != nil {
		return answer{}, err
	}
	results, err := c.outcome()
	if err != nil {
		return answer{}, err
	}
	b, err := Commit(c.base, c.plan, results)
	return answer{func(o *core.Object) { core.BaseFields(o, b) }, b}, err
}

func (c *call) readSurvey() (answer, error) {
	if err := need("request", c.request); err != nil {
		return answer{}, err
	}
	r, err := ReadSurvey(c.request, c.members, string(c.texts.text), c.texts.digest)
	return answer{func(o *core.Object) { remoteFields(o, r) }, r}, err
}

func (c *call) readFetch() (answer, error) {
	if err := need("request", c.request); err != nil {
		return answer{}, err
	}
	r, err := ReadFetch(c.request, c.members, string(c.texts.text), c.texts.digest)
	return answer{func(o *core.Object) { remoteFields(o, r) }, r}, err
}

func (c *call) whyFile() (answer, error) {
	if err := need("request", c.request); err != nil {
		return answer{}, err
	}
	path := WhyFile(c.request)
	return answer{fields: func(o *core.Object) { o.Str("path", &path) }}, nil
}

func (c *call) partPath() (answer, error) {
	path, err := PartPath(c.match.path, c.skip)
	return answer{fields: func(o *core.Object) { o.Str("path", &path) }}, err
}

func (c *call) summarise() (answer, error) {
	if err := need("plan", c.plan); err != nil {
		return answer{}, err
	}
	results, err := c.outcome()
	if err != nil {
		return answer{}, err
	}
	if !c.applied {
		results = nil
	} else if results == nil {
		results = []merge.Result{}
	}
	r := Summarise(c.plan, results)
	return answer{fields: func(o *core.Object) { reportFields(o, r) }}, nil
}

func (c *call) render() (answer, error) {
	if err := need("report", c.report); err != nil {
		return answer{}, err
	}
	text := Render(c.report, c.would, c.verbose)
	return answer{fields: func(o *core.Object) { o.Str("text", &text) }}, nil
}

func (c *call) compile() (answer, error) {
	rules, err := c.match.compile()
	return answer{nothing, rules}, err
}

func (c *call) matches() (answer, error) {
	rules := c.rules
	if rules == nil {
		var err error
		if rules, err = c.match.compile(); err != nil {
			return answer{}, err
		}
	}
	if err := core.ValidatePath(c.match.path); err != nil {
		return answer{}, err
	}
	out := rules.ExcludedBelow(c.match.path, c.match.dir)
	return answer{fields: func(o *core.Object) { o.Bool("excluded", &out) }}, nil
}

func (c *call) repoState() (answer, error) {
	state := core.RepoState(c.files)
	return answer{fields: func(o *core.Object) { o.Digest("state", &state, true) }}, nil
}

func (c *call) checkPath() (answer, error) {
	for i, w := range c.words {
		if err := core.ValidatePath(w); err != nil {
			e := *err.(*core.Error)
			e.Field = "words[" + itoa(i) + "]"
			return answer{}, &e
		}
	}
	return answer{fields: nothing}, nil
}

func (c *call) checkRoot() (answer, error) {
	return answer{fields: nothing}, ValidateRoot(c.match.path)
}

func (c *call) checkSegment() (answer, error) {
	return answer{fields: nothing}, ValidateSegment("path", c.match.path)
}

// display takes names as words, or one of any bytes as data.
func (c *call) display() (answer, error) {
	names := c.words
	if c.data != nil {
		names = append(names, string(c.data))
	}
	shown := make([]string, len(names))
	for i, n := range names {
		shown[i] = core.DisplayPath(n)
	}
	return answer{fields: func(o *core.Object) { o.Strings("words", &shown) }}, nil
}

func (c *call) mergeText() (answer, error) {
	merged, n := merge.MergeText(c.texts.base, c.texts.local, c.texts.remote, merge.Labels{Local: "local", Base: "base", Remote: "sandbox"})
	return answer{fields: func(o *core.Object) { o.Blob("merged", &merged); o.Count("conflicts", &n) }}, nil
}

func (c *call) quote() (answer, error) {
	quoted := make([]string, len(c.words))
	for i, w := range c.words {
		quoted[i] = Quote(w)
	}
	line := strings.Join(quoted, " ")
	return answer{fields: func(o *core.Object) { o.Str("line", &line) }}, nil
}

// copyName passes over the names that are taken, and over as many free ones as
// the caller has tried in vain.
func (c *call) copyName() (answer, error) {
	if err := core.ValidatePath(c.match.path); err != nil {
		return answer{}, err
	}
	taken, tried := map[string]bool{}, 0
	for _, w := range c.words {
		taken[w] = true
	}
	name := merge.CopyName(c.match.path, c.texts.digest, func(p string) bool {
		if !taken[p] {
			tried++
		}
		return taken[p] || tried <= c.skip
	})
	return answer{fields: func(o *core.Object) { o.Str("path", &name) }}, nil
}

func (c *call) fold() (answer, error) {
	keys := make([]string, len(c.words))
	for i, w := range c.words {
		keys[i] = merge.FoldKey(w, true, true)
	}
	return answer{fields: func(o *core.Object) { o.Strings("keys", &keys) }}, nil
}

func (c *call) parseSpec() (answer, error) {
	spec := ParseSpec(&c.value)
	return answer{fields: func(o *core.Object) { core.Opt(o, "spec", &spec, specFields) }}, nil
}

func (c *call) sessionIdentity() (answer, error) {
	id, err := Identity(&c.current)
	return answer{fields: func(o *core.Object) { core.Opt(o, "identity", &id, identityFields) }}, err
}

func (c *call) sessionMatches() (answer, error) {
	same := SessionMatches(&c.saved, &c.current)
	return answer{fields: func(o *core.Object) { o.Bool("matches", &same) }}, nil
}
