package ssh

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"

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
}

// ParseTarget reads ssh://[user@]host[:port]/absolute/path.
func ParseTarget(s string) (Target, error) {
	bad := func(why string) (Target, error) {
		return Target{}, &core.Error{Code: core.CodeInvalidRequest, Field: "sandbox", Message: why,
			Hint: "write it as ssh://user@host:port/absolute/path"}
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
	case strings.ContainsAny(t.Host, shellMeans+`$\`) || strings.ContainsFunc(t.Host, separates):
		return "the sandbox's URL names a host with characters that no host has"
	case strings.ContainsAny(t.User, shellMeans) || strings.ContainsFunc(t.User, separates) || strings.HasPrefix(t.User, "-") || strings.HasSuffix(t.User, `\`):
		return "the sandbox's URL names a user with characters that no user has"
	case t.Port != "" && !validPort(t.Port):
		return "the port is not a number from 1 to 65535"
	}
	return ""
}

func separates(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

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
	hashKnownHosts          bool   // there it goes under a hash of its name
	revokedHostKeys         string // a list of keys that no host may show; "" for none
	hostKeyAlias            string // the name under which known hosts have it; "" is its own
	checkHostIP             bool   // the key must not be another one than that of the address
	accept                  bool   // a host that is not known, but never another key
	rsaBits                 int    // the least length of an RSA key
	hostKeyAlgorithms       []string
	caAlgorithms            []string // by which an authority may sign the certificate of a host
	userKeyAlgorithms       []string
	transport               ssh.Config
	aliveInterval           time.Duration
	aliveCount              int
	timeout                 time.Duration
	jump, command           string
	network                 string        // tcp, tcp4 or tcp6
	source                  net.IP        // the own address to connect from; nil for any
	far                     time.Duration // the round trip from which on bodies are compressed
	dialed                  time.Duration // how long TCP took to connect; 0 over a jump or a proxy
	config                  string
}

const (
	defaultAlive   = 15 * time.Second
	defaultMisses  = 3
	defaultTimeout = 30 * time.Second
	defaultRSABits = 1024
	maxInclude     = 16 // levels, as in OpenSSH
)

// usualIdentities end in two whose private half is in a device; the agent may have it.
var usualIdentities = [...]string{"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa", "~/.ssh/id_ed25519_sk", "~/.ssh/id_ecdsa_sk"}

func userConfig(home string) string { return filepath.Join(home, ".ssh", "config") }

// settings reads the configuration.
func (t Target) settings(ctx context.Context) (*settings, error) {
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
	f := newConfigFile(ctx, t, home, me)
	if t.Config != "" {
		err = f.gather(t.Config)
	} else {
		err = f.gather(userConfig(home), "/etc/ssh/ssh_config")
	}
	if err != nil {
		return nil, err
	}
	v := &values{f: f, tokens: f.tokens()}
	s := &settings{alias: t.Host, host: canonical(f.hostname()), user: f.user(), port: f.port(), far: farAway, config: t.Config}
	v.tokens['h'] = s.host
	if !validPort(s.port) {
		v.bad("port", s.port)
	}
	s.readKeys(v)
	s.readHosts(v)
	s.readWay(v)
	s.readSource(ctx, v)
	s.readNames(v)
	return s, v.err
}

// readKeys takes in what a user logs in with.
func (s *settings) readKeys(v *values) {
	s.identities = v.files("identityfile", v.f.lists["identityfile"])
	if len(v.f.lists["identityfile"]) == 0 {
		s.identities = v.files("identityfile", usualIdentities[:])
	}
	s.certificates = v.files("certificatefile", v.f.lists["certificatefile"])
	s.identitiesOnly = v.flag("identitiesonly")
	s.agent = os.Getenv("SSH_AUTH_SOCK")
	switch a := v.f.or("identityagent", "SSH_AUTH_SOCK"); {
	case a == "SSH_AUTH_SOCK":
	case a == "none":
		s.agent = ""
	case a[0] == '$' && !strings.HasPrefix(a, "${"):
		s.agent = os.Getenv(a[1:])
	default:
		s.agent = v.file("identityagent", a)
	}
	s.userKeyAlgorithms = v.algorithms("pubkeyacceptedalgorithms", userKeys, nil)
	key := v.word("pubkeyauthentication", "yes", "yes", "true", "no", "false", "unbound", "host-bound")
	methods := strings.Split(v.f.or("preferredauthentications", "publickey"), ",")
	if key == "no" || key == "false" || !slices.Contains(methods, "publickey") {
		v.fail("pubkeyauthentication", "allows no login with a key, and planner knows no other way", "set PubkeyAuthentication yes for this host")
	}
}

// readHosts takes in how a host proves who it is. Wherever OpenSSH would ask or only warn, a
// host is refused.
func (s *settings) readHosts(v *values) {
	list := func(keyword string, other ...string) []string {
		if names, ok := v.f.values[keyword]; ok {
			return v.files(keyword, names)
		}
		return v.files(keyword, other)
	}
	s.knownHosts = list("userknownhostsfile", "~/.ssh/known_hosts", "~/.ssh/known_hosts2")
	if len(s.knownHosts) > 0 {
		s.learned = s.knownHosts[0]
	}
	s.knownHosts = append(s.knownHosts, list("globalknownhostsfile", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")...)
	if files := list("revokedhostkeys"); len(files) > 0 {
		s.revokedHostKeys = files[0]
	}
	s.hashKnownHosts = v.flag("hashknownhosts")
	s.hostKeyAlias = strings.ToLower(v.f.or("hostkeyalias", ""))
	s.checkHostIP = v.flag("checkhostip")
	strict := v.word("stricthostkeychecking", "yes", "yes", "true", "ask", "accept-new", "no", "false", "off")
	s.accept = strict != "yes" && strict != "true" && strict != "ask"
	if s.accept && !strings.EqualFold(v.f.or("knownhostscommand", "none"), "none") {
		v.fail("knownhostscommand", "has a command that knows hosts, which planner does not run: it would take their keys for new ones",
			"set StrictHostKeyChecking yes, and list the host in a file of known hosts")
	}
	s.rsaBits = v.number("requiredrsasize", defaultRSABits)
	insecure := ssh.InsecureAlgorithms()
	s.hostKeyAlgorithms = v.algorithms("hostkeyalgorithms", hostKeys, insecure.HostKeys)
	s.caAlgorithms = v.algorithms("casignaturealgorithms", authorities, []string{ssh.KeyAlgoRSA})
}

// readWay takes in how the host is reached, and how long that may take.
func (s *settings) readWay(v *values) {
	if v.flag("compression") {
		s.far = 0 // bodies are packed whatever the link is
	}
	s.aliveInterval, s.aliveCount = v.duration("serveraliveinterval", defaultAlive), v.number("serveralivecountmax", defaultMisses)
	if s.aliveCount == 0 {
		s.aliveCount = defaultMisses
	}
	if s.timeout = v.duration("connecttimeout", defaultTimeout); s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	if jump := v.f.or("proxyjump", "none"); !strings.EqualFold(jump, "none") {
		s.jump = v.expand("proxyjump", jump, false)
	}
	if command := v.f.or("proxycommand", "none"); !strings.EqualFold(command, "none") {
		s.command = v.expand("proxycommand", command, false)
		if v.flag("proxyusefdpass") {
			v.fail("proxyusefdpass", "has a proxy command that hands over a connection, which planner can't take",
				"use a ProxyCommand that passes on what it reads and writes")
		}
	}
	usual, insecure := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	s.transport.KeyExchanges = v.algorithms("kexalgorithms", usual.KeyExchanges, insecure.KeyExchanges)
	s.transport.Ciphers = v.algorithms("ciphers", usual.Ciphers, insecure.Ciphers)
	s.transport.MACs = v.algorithms("macs", usual.MACs, insecure.MACs)
	s.transport.RekeyThreshold = v.bytes("rekeylimit")
}

// readSource takes in which of the machine's own addresses the connection comes from.
func (s *settings) readSource(ctx context.Context, v *values) {
	suffix := map[string]string{"any": "", "inet": "4", "inet6": "6"}[v.word("addressfamily", "any", "any", "inet", "inet6")]
	s.network = "tcp" + suffix
	if name := v.f.or("bindaddress", ""); name != "" {
		found, err := net.DefaultResolver.LookupIP(ctx, "ip"+suffix, name)
		if err != nil {
			v.bad("bindaddress", name)
			return
		}
		s.source = found[0]
	} else if v.f.or("bindinterface", "") != "" {
		v.fail("bindinterface", "names an interface to connect from, which planner does not look up", "give its address, with BindAddress")
	}
}

// readNames refuses what would give the host another name.
func (s *settings) readNames(v *values) {
	mode := v.word("canonicalizehostname", "no", "no", "false", "yes", "true", "always")
	domains := v.f.or("canonicaldomains", "none")
	_, err := netip.ParseAddr(s.host)
	direct := s.jump == "" && s.command == "" || mode == "always"
	if mode != "no" && mode != "false" && domains != "none" && err != nil && direct && strings.Count(s.host, ".") <= v.number("canonicalizemaxdots", 1) {
		v.fail("canonicalizehostname", "completes names of hosts, which planner does not", "write the full name in the sandbox's URL, or as HostName")
	}
}
