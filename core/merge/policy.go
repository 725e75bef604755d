package merge

import "github.com/paperclipai/syncplan/core"

// Policy says what happens to a path that both sides changed.
type Policy string

// The policies. The zero value means [KeepBoth].
const (
	KeepBoth Policy = "keep-both" // local stays, the sandbox's version is written beside it
	Remote   Policy = "remote"    // the sandbox's version takes the path, the local one is displaced
	Local    Policy = "local"     // local stays, the sandbox's version goes where displaced versions go
	Fail     Policy = "fail"      // if any conflict exists nothing is written
)

// ParsePolicy reads a policy by name.
func ParsePolicy(s string) (Policy, error) {
	switch p := Policy(s); p {
	case KeepBoth, Remote, Local, Fail:
		return p, nil
	case "":
		return KeepBoth, nil
	}
	return "", &core.Error{Code: core.CodeInvalidRequest, Field: "policy", Message: "unknown conflict policy \"" + core.DisplayPath(s) + "\"",
		Hint: "use keep-both, remote, local or fail"}
}

// Override gives the paths that a glob matches a policy of their own. The glob
// means what an exclude pattern means.
type Override struct {
	Glob   string
	Policy Policy // "" is [KeepBoth]
}

// Policies are the policies of all paths, compiled.
type Policies struct {
	general   Policy
	overrides []compiledOverride
}

type compiledOverride struct {
	glob   *core.Glob
	policy Policy
}

// CompilePolicies returns what general and overrides mean, or the error of a glob.
func CompilePolicies(general Policy, overrides []Override) (*Policies, error) {
	p := &Policies{general: general}
	if p.general == "" {
		p.general = KeepBoth
	}
	for i := range overrides {
		g, err := core.CompileGlob(overrides[i].Glob)
		if err != nil {
			return nil, err
		}
		p.overrides = append(p.overrides, compiledOverride{g, overrides[i].Policy})
	}
	return p, nil
}

// At returns the policy of a path: that of the first override that matches it,
// else the general one.
func (p *Policies) At(path string) Policy {
	for i := range p.overrides {
		if p.overrides[i].glob.Match(path, false) {
			return p.overrides[i].policy
		}
	}
	return p.general
}
