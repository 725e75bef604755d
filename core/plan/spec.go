package plan

import "github.com/paperclipai/syncplan/core"

// ExecutionSpec says how a server reaches a sandbox. It is the seed's
// SandboxRemoteExecutionSpec, read with the seed's own coercions.
type ExecutionSpec struct {
	Provider  string // these three are never empty
	SandboxID string
	RemoteCwd string
	TimeoutMs float64 // finite and above 0
	APIKey    string  // "" is null
}

const sandboxTransport = "sandbox"

// ParseSpec reads a spec out of any value, or returns nil where the value is
// none: texts are trimmed, and the time is whatever JavaScript's Number makes of
// it.
func ParseSpec(v *core.Value) *ExecutionSpec {
	text := func(name string) string { return core.JSTrim(v.Field(name).Text) }
	s := &ExecutionSpec{Provider: text("provider"), SandboxID: text("sandboxId"), RemoteCwd: text("remoteCwd"), APIKey: text("apiKey")}
	n, ok := v.Field("timeoutMs").ToNumber()
	finite := ok && n-n == 0
	if text("transport") != sandboxTransport || s.Provider == "" || s.SandboxID == "" || s.RemoteCwd == "" || !finite || n <= 0 {
		return nil
	}
	s.TimeoutMs = n
	return s
}

// SessionIdentity is the part of a spec that names the sandbox and the folder,
// and that a server saves with a session. A field is nil where the spec has no
// text there.
type SessionIdentity struct{ Provider, SandboxID, RemoteCwd *string }

// Identity returns the identity in a spec that was parsed, or made by hand, or nil
// for a value that JavaScript takes for false. Its texts are taken as they are.
// Any other value that is no object is an error.
func Identity(spec *core.Value) (*SessionIdentity, error) {
	switch {
	case spec.Kind == core.Undefined, spec.Kind == core.NullValue, spec.Kind == core.BoolValue && !spec.Bool,
		spec.Kind == core.NumberValue && spec.Number == 0, spec.Kind == core.StringValue && spec.Text == "":
		return nil, nil
	case spec.Kind != core.ObjectValue:
		return nil, invalid("current", "neither a spec nor null")
	}
	text := func(name string) *string {
		if v := spec.Field(name); v.Kind == core.StringValue {
			return &v.Text
		}
		return nil
	}
	return &SessionIdentity{text("provider"), text("sandboxId"), text("remoteCwd")}, nil
}

// SessionMatches reports whether a saved identity, of which nothing is known,
// names the sandbox of the current spec. Nothing is trimmed. Without a current
// spec, or where that lacks a text, nothing matches.
func SessionMatches(saved, current *core.Value) bool {
	id, err := Identity(current)
	if err != nil || id == nil || saved.Field("transport").Text != sandboxTransport {
		return false
	}
	// A field that is missing or no string has the text "" in what was saved, but none in the spec.
	same := func(name string, text *string) bool { return text != nil && saved.Field(name).Text == *text }
	return same("provider", id.Provider) && same("sandboxId", id.SandboxID) && same("remoteCwd", id.RemoteCwd)
}

func specFields(o *core.Object, s *ExecutionSpec) {
	transport := sandboxTransport
	o.Str("transport", &transport)
	o.Str("provider", &s.Provider)
	o.Str("sandboxId", &s.SandboxID)
	o.Str("remoteCwd", &s.RemoteCwd)
	o.Number("timeoutMs", &s.TimeoutMs)
	o.OptStr("apiKey", &s.APIKey)
}

func identityFields(o *core.Object, s *SessionIdentity) {
	transport := sandboxTransport
	o.Str("transport", &transport)
	for _, f := range [...]struct {
		name string
		text *string
	}{{"provider", s.Provider}, {"sandboxId", s.SandboxID}, {"remoteCwd", s.RemoteCwd}} {
		if f.text != nil {
			o.Str(f.name, f.text)
		}
	}
}
