package plan

import (
	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// The JSON form of requests and plans: each function lists the fields of one
// type, for reading and writing alike.

func version(o *core.Object) {
	v := int64(core.PlanFormat)
	o.Int("format_version", &v, true, 0, core.MaxSize)
	if o.Reading() && !o.Failed() {
		o.FailWith(core.CheckFormat("format_version", v, core.PlanFormat))
	}
}

func requestFields(o *core.Object, r *Request) {
	version(o)
	core.Enum(o, "op", &r.Op, true, merge.Push, merge.Pull)
	o.Str("run", &r.Run)
	o.Str("root", &r.Root)
	o.Str("adapter", &r.Adapter)
	o.OptStr("dialect", (*string)(&r.Dialect))
	o.OptStr("remote_cwd", &r.RemoteCwd)
	o.Bool("preview", &r.Preview)
	o.Str("marker", &r.Marker)
	core.Opt(o, "base", &r.Base, core.BaseFields)
	object(o, "local", &r.Local, core.SnapshotFields)
	core.List(o, "local_repos", &r.LocalRepos, core.RepoFields)
	core.Opt(o, "remote", &r.Remote, remoteFields)
	object(o, "options", &r.Options, optionFields)
	core.List(o, "assets", &r.Assets, func(o *core.Object, a *Asset) { o.Str("key", &a.Key) })
	core.List(o, "contents", &r.Contents, contentFields)
	o.Bool("look", &r.Look)
	o.Bool("early", &r.Early)
	o.Bool("checked", &r.Checked)
	o.Bool("forget", &r.Forget)
	digests(o, "fetched", &r.Fetched)
	o.Int("part", &r.Part, false, 0, core.MaxSize)
	o.Bool("stream", &r.Stream)
	o.Strings("resume", &r.Resume)
	if o.Reading() && !o.Failed() {
		o.FailWith(r.Validate())
	}
}

// object is a nested object that is left out when it has no fields.
func object[T any](o *core.Object, name string, p *T, fields func(*core.Object, *T)) {
	if !o.Reading() && string(core.EncodeJSON(func(o *core.Object) { fields(o, p) })) == "{}" {
		return
	}
	q := p
	core.Opt(o, name, &q, fields)
	if o.Reading() && q != nil {
		*p = *q
	}
}

func remoteFields(o *core.Object, r *Remote) {
	o.OptStr("marker", &r.Marker)
	o.Bool("marker_hidden", &r.MarkerHidden)
	object(o, "snapshot", &r.Snapshot, core.SnapshotFields)
	core.List(o, "repos", &r.Repos, core.RepoFields)
	core.List(o, "aside", &r.Aside, func(o *core.Object, v *AsideVersion) {
		o.Digest("id", &v.ID, true)
		o.Path("path", &v.Path)
		core.List(o, "entries", &v.Entries, core.EntryFields)
	})
	o.OptStr("id", &r.ID)
	core.List(o, "left", &r.Left, core.LeftFields)
	o.Bool("partial", &r.Partial)
	digests(o, "bodies", &r.Bodies)
	o.Strings("lacks", &r.Lacks)
	core.List(o, "arrived", &r.Arrived, func(o *core.Object, a *Arrival) {
		o.Path("path", &a.Path)
		o.Digest("digest", &a.Digest, true)
	})
	if o.Reading() && r.Marker != "" && !core.ValidMarker(r.Marker) {
		o.Fail("marker", "a marker is 32 lower-case hexadecimal digits")
	}
}

// digests is a list of digests in hexadecimal.
func digests(o *core.Object, name string, p *[]core.Digest) {
	words := make([]string, len(*p))
	for i, d := range *p {
		words[i] = d.String()
	}
	o.Strings(name, &words)
	if !o.Reading() {
		return
	}
	for i, w := range words {
		d, ok := core.ParseDigest(w)
		if !ok {
			o.Fail(name+"["+itoa(i)+"]", "a digest is 64 lower-case hexadecimal digits")
			return
		}
		*p = append(*p, d)
	}
}

func optionFields(o *core.Object, opt *Options) {
	m := match{exclude: opt.Exclude, seed: opt.SeedExclude, ignores: opt.Ignores}
	m.fields(o)
	opt.Exclude, opt.SeedExclude, opt.Ignores = m.exclude, m.seed, m.ignores
	o.Strings("preserve", &opt.Preserve)
	o.OptStr("policy", (*string)(&opt.Policy))
	core.List(o, "overrides", &opt.Overrides, func(o *core.Object, v *merge.Override) {
		o.Str("glob", &v.Glob)
		o.Str("policy", (*string)(&v.Policy))
	})
	o.Bool("no_text_merge", &opt.NoTextMerge)
	allow := make([]string, 0, len(opt.Allow))
	for _, g := range opt.Allow {
		allow = append(allow, string(g))
	}
	o.Strings("allow", &allow)
	if o.Reading() {
		for _, g := range allow {
			opt.Allow = append(opt.Allow, Guard(g))
		}
	}
	core.Opt(o, "max_delete", &opt.MaxDelete, func(o *core.Object, m *MaxDelete) {
		o.Int("files", &m.Files, false, 0, core.MaxSize)
		o.Int("percent", &m.Percent, false, 0, 100)
		o.Bool("by_share", &m.ByShare)
	})
	object(o, "facts", &opt.Facts, func(o *core.Object, f *merge.Facts) {
		o.Bool("fold_case", &f.FoldCase)
		o.Bool("normalize", &f.Normalize)
		o.Bool("no_executable", &f.NoExecutable)
		o.Bool("backslash", &f.Backslash)
	})
}

func contentFields(o *core.Object, c *Content) {
	o.Digest("digest", &c.Digest, true)
	o.Bytes("data", &c.Data)
	o.Bool("missing", &c.Missing)
}

func planFields(o *core.Object, p *Plan) {
	version(o)
	core.Enum(o, "op", &p.Op, true, merge.Push, merge.Pull)
	o.Str("run", &p.Run)
	core.Enum(o, "phase", &p.Phase, true, PhaseSurvey, PhaseFetch, PhaseContent, PhaseBlocked, PhaseApply)
	core.List(o, "steps", &p.Steps, func(o *core.Object, s *Step) {
		core.Enum(o, "do", &s.Do, true, StepMakeDir, StepWrite, StepUpload, StepRun, StepRead, StepRemove, StepSend, StepReceive)
		o.OptStr("path", &s.Path)
		o.OptStr("command", &s.Command)
		o.OptStr("data", &s.Data)
		o.OptStr("asset", &s.Asset)
	})
	o.OptStr("download", &p.Download)
	core.List(o, "fetch", &p.Fetch, func(o *core.Object, f *Fetch) {
		o.Path("path", &f.Path)
		o.Digest("digest", &f.Digest, true)
	})
	core.List(o, "needs", &p.Needs, needFields)
	core.Enum(o, "guard", &p.Guard, false, Guards()...)
	o.OptStr("reason", &p.Reason)
	o.OptStr("hint", &p.Hint)
	uploadsField(o, p)
	decisionsField(o, &p.Decisions)
	core.List(o, "conflicts", &p.Conflicts, ConflictFields)
	core.List(o, "problems", &p.Problems, core.ProblemFields)
	o.Strings("flagged", &p.Flagged)
	o.Strings("kept", &p.Kept)
	o.Count("mode_only", &p.ModeOnly)
	o.Bool("base_reset", &p.BaseReset)
	o.Strings("waived", &p.Waived)
	o.Strings("lacks", &p.Lacks)
	o.Bool("drop_base", &p.DropBase)
	o.Bool("assumed", &p.Assumed)
	o.OptStr("found", &p.Found)
	o.OptStr("compare", &p.Compare)
	core.Opt(o, "seen", &p.Seen, core.SeenFields)
	o.OptStr("marker", &p.Marker)
	core.List(o, "repos", &p.Repos, core.RepoFields)
	core.List(o, "delivered", &p.Delivered, core.AsideFields)
	if o.Reading() && !o.Failed() {
		o.FailWith(p.validate())
	}
}

// uploadsField lists the uploads, of which the caller checks that each carries out
// a decision.
func uploadsField(o *core.Object, p *Plan) {
	type upload struct {
		name, from string
		index      int
	}
	var list []upload
	if !o.Reading() {
		uploads := p.UploadReader()
		for i := range uploads.Len() {
			u := uploads.At(i)
			list = append(list, upload{u.Name(), u.From, u.Index})
		}
	}
	core.List(o, "uploads", &list, func(o *core.Object, u *upload) {
		o.Path("name", &u.name)
		o.OptStr("from", &u.from)
		o.Count("decision", &u.index)
	})
	if !o.Reading() {
		return
	}
	for i := range list {
		p.Uploads.add(list[i].index, list[i].name, core.MaxPath)
		if list[i].from != "" {
			p.Uploads.reuse(i, list[i].from)
		}
	}
}

func decisionsField(o *core.Object, d *merge.Decisions) {
	list := d.List()
	core.List(o, "decisions", &list, decisionFields)
	if o.Reading() {
		*d = merge.DecisionsOf(list)
	}
}

func decisionFields(o *core.Object, d *merge.Decision) {
	o.Path("path", &d.Path)
	core.Word(o, "row", &d.Row, true, merge.RowWords())
	core.Word(o, "action", &d.Action, true, merge.ActionWords())
	dest := d.Dest
	if !o.Reading() && dest == d.Path {
		dest = ""
	}
	o.OptStr("dest", &dest)
	if o.Reading() {
		d.Dest = dest
		if dest == "" {
			d.Dest = d.Path
		} else if err := core.ValidatePath(dest); err != nil {
			o.FailWith(err)
		}
	}
	core.Opt(o, "expect", &d.Expect, entryState)
	core.Opt(o, "want", &d.Want, entryState)
	o.Bool("displace", &d.Displace)
	o.Bytes("merged", &d.Merged)
	o.Bool("advance", &d.Advance)
	core.Opt(o, "base", &d.Base, entryState)
}

// entryState is an entry whose path stands beside it.
func entryState(o *core.Object, e *core.Entry) {
	c := *e
	c.Path = ""
	kind := c.Kind.String()
	core.Enum(o, "kind", &kind, true, "file", "dir", "link")
	mode := int64(c.Mode)
	o.Int("mode", &mode, false, 0, core.MaxMode)
	o.Int("size", &c.Size, false, 0, core.MaxSize)
	o.Digest("digest", &c.Digest, false)
	o.OptStr("target", &c.Target)
	if o.Reading() {
		c.Mode, c.Kind = uint16(mode), core.KindOf(kind)
		*e = c
	}
}

// ConflictFields lists the fields of a conflict.
func ConflictFields(o *core.Object, c *merge.Conflict) {
	o.Path("path", &c.Path)
	core.Enum(o, "kind", &c.Kind, true, merge.ConflictKindList()...)
	o.OptStr("policy", (*string)(&c.Policy))
	o.OptStr("copy", &c.Copy)
	o.Bool("no_file", &c.NoFile)
}

func resultFields(o *core.Object, r *merge.Result) {
	core.Word(o, "status", &r.Status, true, merge.StatusWords())
	note := r.Noted()
	core.Enum(o, "code", &note.Code, false, core.ProblemCodes()...)
	o.OptStr("detail", &note.Detail)
	o.OptStr("copy", &note.Copy)
	if o.Reading() && note != (merge.Note{}) {
		r.Note = &note
	}
	o.Digest("digest", &r.Digest, false)
	o.Int("size", &r.Size, false, 0, core.MaxSize)
}

func reportFields(o *core.Object, r *Report) {
	core.Enum(o, "op", &r.Op, true, merge.Push, merge.Pull)
	core.Enum(o, "status", &r.Status, true, StatusOK, StatusConflicts, StatusPartial, StatusRefused, StatusError)
	core.List(o, "lines", &r.Lines, func(o *core.Object, l *Line) {
		o.Str("path", &l.Path)
		o.Str("word", &l.Word)
		o.Bool("dir", &l.Dir)
	})
	core.List(o, "conflicts", &r.Conflicts, ConflictFields)
	core.List(o, "problems", &r.Problems, core.ProblemFields)
	o.Strings("flagged", &r.Flagged)
	o.Strings("kept", &r.Kept)
	o.Count("mode_only", &r.ModeOnly)
	o.Count("writes", &r.Writes)
	o.Count("deletes", &r.Deletes)
	core.Enum(o, "guard", &r.Guard, false, Guards()...)
	o.OptStr("reason", &r.Reason)
	o.OptStr("hint", &r.Hint)
	o.Bool("base_reset", &r.BaseReset)
	o.Strings("waived", &r.Waived)
	o.Strings("lacks", &r.Lacks)
}

func outcomeFields(o *core.Object, out *merge.Outcome) {
	decisionsField(o, &out.Decisions)
	core.List(o, "conflicts", &out.Conflicts, ConflictFields)
	core.List(o, "problems", &out.Problems, core.ProblemFields)
	o.Strings("flagged", &out.Flagged)
	core.List(o, "needs", &out.Needs, needFields)
	core.List(o, "repos", &out.Repos, core.RepoFields)
	o.Count("mode_only", &out.ModeOnly)
	o.Count("deletable", &out.Deletable)
	o.Count("deletes", &out.Deletes)
	o.Bool("source_empty", &out.SourceEmpty)
}

func needFields(o *core.Object, n *merge.Need) {
	o.Path("path", &n.Path)
	o.Digest("base", &n.Base, true)
	o.Digest("local", &n.Local, true)
	o.Digest("remote", &n.Remote, true)
}

// EncodePlan returns the canonical JSON of a plan.
func EncodePlan(p *Plan) []byte {
	return core.EncodeJSON(func(o *core.Object) { planFields(o, p) })
}

// DecodePlan reads a plan. A newer format is refused.
func DecodePlan(data []byte) (*Plan, error) {
	p := new(Plan)
	return p, core.DecodeJSON(data, func(o *core.Object) { planFields(o, p) })
}
