package ssh

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// configFile gathers the values of one host from files in OpenSSH's format.
type configFile struct {
	host, user string // as the caller named them
	home, me   string
	top        string // the folder that relative names of included files mean
	values     map[string][]string
	identities []string
	applies    bool
}

func (f *configFile) or(keyword, other string) string {
	if v := f.values[keyword]; len(v) > 0 {
		return v[0]
	}
	return other
}

// files returns the names of a list, of which "none" is empty.
func (f *configFile) files(keyword string, other ...string) []string {
	v, ok := f.values[keyword]
	if !ok {
		return other
	}
	if len(v) == 1 && v[0] == "none" {
		return nil
	}
	return v
}

// read takes in one file; one that does not exist is empty.
func (f *configFile) read(name string, level int) error {
	file, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return &core.Error{Code: core.CodeIO, Path: name, Message: "the SSH configuration can't be read", Err: err}
	}
	defer file.Close()
	if level == 0 {
		f.top = filepath.Dir(name)
	}
	f.applies = true
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		keyword, value := splitLine(lines.Text())
		switch {
		case keyword == "":
		case keyword == "host":
			f.applies = matchHost(value, f.host)
		case keyword == "match":
			f.applies = f.matches(value)
		case !f.applies || len(value) == 0:
		case keyword == "include":
			if err := f.include(value, level); err != nil {
				return err
			}
			f.applies = true
		case keyword == "identityfile":
			f.identities = append(f.identities, value[0])
		default:
			if _, set := f.values[keyword]; !set {
				f.values[keyword] = value
			}
		}
	}
	if err := lines.Err(); err != nil {
		return &core.Error{Code: core.CodeIO, Path: name, Message: "the SSH configuration can't be read", Err: err}
	}
	return nil
}

func (f *configFile) include(patterns []string, level int) error {
	if level == maxInclude {
		return &core.Error{Code: core.CodeLimit, Path: f.top, Message: "the SSH configuration includes too many levels of files"}
	}
	for _, pattern := range patterns {
		if rest, ok := strings.CutPrefix(pattern, "~/"); ok {
			pattern = filepath.Join(f.home, rest)
		} else if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(f.top, pattern)
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue // a pattern that is none names no file
		}
		for _, name := range found {
			if err := f.read(name, level+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// matches reports whether all conditions of a Match line hold. One that takes a command
// (exec), a second look at the file (final, canonical) or the network is never met.
func (f *configFile) matches(words []string) bool {
	for i := 0; i < len(words); i++ {
		name, negated := strings.CutPrefix(strings.ToLower(words[i]), "!")
		if name == "all" {
			continue
		}
		subject := map[string]string{"host": f.hostname(), "originalhost": f.host, "user": first(f.user, f.or("user", f.me)), "localuser": f.me}
		value, ok := subject[name]
		if i++; !ok || i == len(words) || matchHost(strings.Split(words[i], ","), value) == negated {
			return false
		}
	}
	return true
}

// hostname is the name by which the host is reached, as far as it is known.
func (f *configFile) hostname() string {
	return strings.NewReplacer("%%", "%", "%h", f.host).Replace(f.or("hostname", f.host))
}

// splitLine returns the keyword in lower case, and the words of the value. A command is
// one word, as it stands.
func splitLine(line string) (keyword string, value []string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", nil
	}
	i := strings.IndexAny(line+" ", " \t=")
	keyword, line = strings.ToLower(line[:i]), strings.TrimLeft(line[i:], " \t=")
	if keyword == "proxycommand" {
		return keyword, []string{line}
	}
	return keyword, splitWords(line)
}

// splitWords splits at white space that no quotes hold. A backslash stands before a quote
// or another one that is meant, and # begins a comment.
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	quote, open := byte(0), false
	for i := 0; i < len(line); i++ {
		c := line[i]
		escapes := c == '\\' && i+1 < len(line) && (strings.IndexByte(`'"\`, line[i+1]) >= 0 || quote == 0 && line[i+1] == ' ')
		switch {
		case escapes:
			i++
			word.WriteByte(line[i])
		case quote == 0 && (c == ' ' || c == '\t'):
			if open {
				words = append(words, word.String())
				word.Reset()
			}
			open = false
			continue
		case quote == 0 && !open && c == '#':
			return words
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		default:
			word.WriteByte(c)
		}
		open = true
	}
	if open {
		words = append(words, word.String())
	}
	return words
}

// matchHost reports whether a list of patterns matches; a negated one that does
// excludes the host whatever else matches.
func matchHost(patterns []string, host string) bool { return listed(patterns, strings.ToLower(host)) }
