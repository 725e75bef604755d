package ssh

import (
	"net/url"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/paperclipai/syncplan/core"
)

// Target is a host and a folder on it. Empty fields are taken from the user's
// configuration.
type Target struct {
	Host string // a name or alias
	User string // who logs in there
	Port string // 1 to 65535, in digits
	Path string // of the workspace there, absolute
	// Config is the configuration file; "" is ~/.ssh/config, where the system's
	// own in /etc/ssh/ssh_config follows.
	Config string
	// Compress packs bodies whatever the link is; else only those of a slow one.
	Compress bool
}

// ParseTarget reads ssh://[user@]host[:port]/absolute/path.
func ParseTarget(s string) (Target, error) {
	bad := func(why string) (Target, error) {
		return Target{}, &core.Error{Code: core.CodeInvalidRequest, Field: "sandbox", Message: why, Hint: "write it as ssh://user@host:port/absolute/path"}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "ssh":
		return bad("the sandbox's URL can't be read")
	case u.RawQuery != "" || u.Fragment != "":
		return bad("the sandbox's URL holds a ? or #; write them as %3F and %23")
	case !path.IsAbs(u.Path) || path.Clean(u.Path) == "/":
		return bad("the sandbox's URL names no folder")
	case strings.HasPrefix(path.Clean(u.Path), "/~"):
		return bad("~ stands for no home folder in the sandbox's URL; write the absolute path")
	}
	t := Target{Host: u.Hostname(), Port: u.Port(), Path: path.Clean(u.Path)}
	if u.User != nil {
		if _, secret := u.User.Password(); secret {
			return bad("a password in the URL is not used, and would show in the list of processes")
		}
		t.User = u.User.Username()
	}
	if why := t.wrong(); why != "" {
		return bad(why)
	}
	return t, nil
}

// shellMeans are characters that end a word of a shell's, or begin a command.
const shellMeans = "'`\";&<>|(){}"

// wrong says what is wrong with the names, which may come from anybody: a configuration can
// put them into commands of a shell, where they must stay one word.
func (t Target) wrong() string {
	switch {
	case t.Host == "" || t.Host[0] == '-':
		return "the sandbox's URL names no host"
	case strings.ContainsAny(t.Host, shellMeans+`$\`) || strings.ContainsFunc(t.Host, unicode.IsSpace) || strings.ContainsFunc(t.Host, unicode.IsControl):
		return "the sandbox's URL names a host with characters that no host has"
	case strings.ContainsAny(t.User, shellMeans) || strings.ContainsFunc(t.User, unicode.IsControl) || strings.HasSuffix(t.User, `\`),
		strings.HasPrefix(t.User, "-") || strings.Contains(t.User, " -"):
		return "the sandbox's URL names a user with characters that no user has"
	case t.Port != "" && !validPort(t.Port):
		return "the port is not a number from 1 to 65535"
	}
	return ""
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1 && n <= 65535
}

// settings are what a connection needs, after all files were read.
type settings struct {
	alias, host, user, port string
	identities              []string
	certificates            []string
	identitiesOnly          bool
	agent                   string
	knownHosts              []string
	learned                 string // the list that takes in a host that was not known; "" for none
	hostKeyAlias            string // the name under which known hosts have it; "" is its own
	accept                  bool   // a host that is not known, but never another key
	aliveInterval           time.Duration
	aliveCount              int
	timeout                 time.Duration
	jump, command           string
	far                     time.Duration // the round trip from which on bodies are compressed
	dialed                  time.Duration // how long TCP took to connect; 0 over a jump or a proxy
	home                    string
	config                  string
}

const (
	defaultAlive   = 15 * time.Second
	defaultMisses  = 3
	defaultTimeout = 30 * time.Second
	maxInclude     = 16 // levels, as in OpenSSH
)

// settings reads the configuration. Of a keyword the first value counts, but
// identity files add up.
func (t Target) settings() (*settings, error) {
	if why := t.wrong(); why != "" {
		return nil, &core.Error{Code: core.CodeInvalidRequest, Field: "sandbox", Message: why}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, &core.Error{Code: core.CodeIO, Message: "there is no home directory to find keys in", Err: err}
	}
	me := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		me = u.Username
	}
	f := &configFile{host: t.Host, user: t.User, home: home, me: me, values: map[string][]string{}}
	if t.Config != "" {
		err = f.read(t.Config, 0)
	} else if err = f.read(filepath.Join(home, ".ssh", "config"), 0); err == nil {
		err = f.read("/etc/ssh/ssh_config", 0)
	}
	if err != nil {
		return nil, err
	}
	s := &settings{far: farAway, alias: t.Host, home: home, config: t.Config, agent: os.Getenv("SSH_AUTH_SOCK")}
	s.host = f.hostname()
	s.user, s.port = first(t.User, f.or("user", me)), first(t.Port, f.or("port", "22"))
	if !validPort(s.port) {
		return nil, &core.Error{Code: core.CodeInvalidRequest, Field: "port", Message: "the port is not a number from 1 to 65535"}
	}
	expand := strings.NewReplacer("%%", "%", "%d", home, "%h", s.host, "%n", t.Host, "%p", s.port, "%r", s.user, "%u", me)
	file := func(p string) string {
		p = expand.Replace(p)
		if rest, ok := strings.CutPrefix(p, "~/"); ok {
			p = filepath.Join(home, rest)
		}
		return p
	}
	for _, p := range f.identities {
		s.identities = append(s.identities, file(p))
	}
	if len(f.identities) == 0 {
		for _, name := range [3]string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			s.identities = append(s.identities, filepath.Join(home, ".ssh", name))
		}
	}
	if t.Compress || f.or("compression", "no") == "yes" {
		s.far = 0
	}
	s.identitiesOnly = f.or("identitiesonly", "no") == "yes"
	if a := f.or("identityagent", ""); a == "none" {
		s.agent = ""
	} else if a != "" && a != "SSH_AUTH_SOCK" {
		s.agent = file(a)
	}
	for i, p := range f.files("userknownhostsfile", "~/.ssh/known_hosts", "~/.ssh/known_hosts2") {
		if s.knownHosts = append(s.knownHosts, file(p)); i == 0 {
			s.learned = s.knownHosts[0]
		}
	}
	for _, p := range f.files("globalknownhostsfile", "/etc/ssh/ssh_known_hosts") {
		s.knownHosts = append(s.knownHosts, file(p))
	}
	for _, p := range f.files("certificatefile") {
		s.certificates = append(s.certificates, file(p))
	}
	s.hostKeyAlias = f.or("hostkeyalias", "")
	strict := f.or("stricthostkeychecking", "yes")
	s.accept = strict == "accept-new" || strict == "no" || strict == "off"
	s.aliveInterval, s.aliveCount = seconds(f.or("serveraliveinterval", ""), defaultAlive), defaultMisses
	if n, err := strconv.Atoi(f.or("serveralivecountmax", "")); err == nil && n > 0 {
		s.aliveCount = n
	}
	s.timeout = seconds(f.or("connecttimeout", ""), defaultTimeout)
	if s.jump = f.or("proxyjump", ""); s.jump == "none" {
		s.jump = ""
	}
	if s.command = f.or("proxycommand", ""); s.command == "none" || s.jump != "" {
		s.command = ""
	}
	s.command = expand.Replace(s.command)
	return s, nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func seconds(s string, other time.Duration) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return other
	}
	return time.Duration(n) * time.Second
}
