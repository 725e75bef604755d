package ssh

import (
	"cmp"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// matches reports whether all conditions of a Match line hold. None is looked at behind one
// that does not, but final asks for a second look wherever it stands.
func (f *configFile) matches(words []string) (bool, error) {
	all := true
	for i := 0; i < len(words); i++ {
		name, negated := strings.CutPrefix(strings.ToLower(words[i]), "!")
		holds := true
		switch name {
		case "all":
		case "final", "canonical":
			f.wantFinal = f.wantFinal || name == "final"
			holds = f.final
		default:
			if i++; i == len(words) {
				return false, errors.New("its Match " + name + " has no value")
			}
			if !all {
				continue
			}
			var err error
			if holds, err = f.holds(name, words[i]); err != nil {
				return false, err
			}
		}
		all = all && holds != negated
	}
	return all, nil
}

func (f *configFile) holds(name, value string) (bool, error) {
	patterns, folded := strings.Split(value, ","), strings.Split(strings.ToLower(value), ",")
	switch name {
	case "host":
		return listed(folded, strings.ToLower(f.hostname())), nil
	case "originalhost":
		return listed(folded, strings.ToLower(f.target.Host)), nil
	case "user":
		return listed(patterns, f.user()), nil
	case "localuser":
		return listed(patterns, f.me), nil
	case "tagged":
		return listed(patterns, f.or("tag", "")), nil
	case "exec":
		return f.succeeds(value)
	}
	return false, &core.Error{Code: core.CodeInvalidRequest, Field: "Match " + core.DisplayPath(name),
		Message: "the SSH configuration has a condition that planner does not know",
		Hint:    "put a Match that planner knows in front of it, such as one for the host"}
}

// succeeds runs the command of a condition.
func (f *configFile) succeeds(command string) (bool, error) {
	v := &values{f: f, tokens: f.tokens()}
	command = v.expand("Match exec", command, false)
	if v.err != nil {
		return false, v.err
	}
	err := exec.CommandContext(f.ctx, "sh", "-c", command).Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || f.ctx.Err() != nil) {
		return false, &core.Error{Code: core.CodeIO, Field: "Match exec", Message: "the command of the SSH configuration can't be run", Err: err}
	}
	return err == nil, nil
}

// hostname is the name by which the host is reached, as far as it is known.
func (f *configFile) hostname() string {
	name, set := f.values["hostname"]
	if !set {
		return f.target.Host
	}
	return strings.NewReplacer("%%", "%", "%h", f.target.Host).Replace(name[0])
}

// canonical is the one spelling of a name or address that lists of known hosts have.
func canonical(name string) string {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.String()
	}
	return strings.ToLower(name)
}

func (f *configFile) user() string { return cmp.Or(f.target.User, f.or("user", f.me)) }

func (f *configFile) port() string {
	port := cmp.Or(f.target.Port, f.or("port", "22"))
	if n, err := strconv.Atoi(port); err == nil {
		return strconv.Itoa(n)
	}
	return port
}

// tokens are what % and a letter stand for, as far as it is known.
func (f *configFile) tokens() map[byte]string {
	here, err := os.Hostname()
	if err != nil {
		here = "localhost"
	}
	short, _, _ := strings.Cut(here, ".")
	return map[byte]string{'%': "%", 'd': f.home, 'h': f.hostname(), 'i': strconv.Itoa(os.Getuid()), 'k': strings.ToLower(cmp.Or(f.or("hostkeyalias", ""), f.target.Host)),
		'L': short, 'l': here, 'n': f.target.Host, 'p': f.port(), 'r': f.user(), 'u': f.me}
}
