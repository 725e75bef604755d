package ssh_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	cryptossh "golang.org/x/crypto/ssh"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/ssh"
	"github.com/paperclipai/syncplan/hostgo/ssh/sshtest"
	"github.com/paperclipai/syncplan/internal/sshd"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(p, []byte(text), 0o600))
	return p
}

func openWith(t *testing.T, config string) error {
	t.Helper()
	c, err := ssh.Open(t.Context(), ssh.Target{Host: "box", Config: config})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Run(t.Context(), "exit 0", time.Minute)
}

// Whoever's configuration means something else here than to OpenSSH is sent to another
// host, or turned away.
func TestConfigurationMeansWhatItMeansToOpenSSH(t *testing.T) {
	s := sshtest.Start(t)
	list := func(name string) string {
		return write(t, name, name+" "+string(cryptossh.MarshalAuthorizedKey(s.HostKey)))
	}
	block := func(lines ...string) string {
		text := fmt.Sprintf("HostName 127.0.0.1\nPort %s\nUser %s\nIdentityFile %s\nIdentityAgent none\n", s.Port, s.User, s.KeyFile)
		return text + strings.Join(lines, "\n") + "\n"
	}
	known := "UserKnownHostsFile " + s.KnownHosts
	t.Setenv("LISTS", t.TempDir())
	require.NoError(t, os.Link(s.KnownHosts, filepath.Join(os.Getenv("LISTS"), "box-"+s.User+"-box-%")))
	for name, config := range map[string]string{
		"a quoted name":                        "Host other \"box\"\n" + block(known),
		"comments":                             "Host box # mine\n" + strings.ReplaceAll(block(known), "\n", " # why\n"),
		"equals signs":                         "Host=box\n" + strings.ReplaceAll(block(known), " ", "="),
		"quoted files":                         "Host box\n" + block("UserKnownHostsFile \"/no such/list\" \""+s.KnownHosts+"\""),
		"Match host":                           "Match host nobody,box\n" + block(known),
		"Match of the real name":               "Host box\nHostName 127.0.0.1\nMatch host 127.* !user nobody-here\n" + block(known),
		"Match originalhost and user":          "Match originalhost box user " + s.User + "\n" + block(known),
		"Match all":                            "Match All\n" + block(known),
		"Match of another host":                "Match host other\nPort 1\nMatch all\n" + block(known),
		"Match that is negated":                "Match !host box\nPort 1\nMatch all\n" + block(known),
		"stars":                                "Host *bx* *x? box?\nPort 1\nHost *b**o*x*\n" + block(known),
		"a bracket in a pattern":               "Host ![x b?x\n" + block(known),
		"an alias of the key":                  "Host box\n" + block("HostKeyAlias somebody", "UserKnownHostsFile "+list("somebody")),
		"a host without its port":              "Host box\n" + block("UserKnownHostsFile "+list("127.0.0.1")),
		"any host":                             "Host box\n" + block("UserKnownHostsFile "+list("*")),
		"names in the case that they have":     "Host Box BOX\nPort 1\nHost b?x\n" + block(known),
		"users in the case that they have":     "Match user " + strings.ToUpper(s.User) + "\nPort 1\nMatch all\n" + block(known),
		"Match of not all":                     "Match !all\nPort 1\nMatch all\n" + block(known),
		"Match exec":                           "Match exec false\nPort 1\nMatch !exec \"test %n = box\"\nPort 1\nMatch exec \"test %n-%h-%p = box-box-22\"\n" + block(known),
		"Match exec behind what does not hold": "Match host other exec \"touch ran\"\nMatch all\n" + block(known),
		"tokens of a jump":                     "Host box\n" + block(known, "ProxyJump %r@%h:%p") + "Match originalhost 127.0.0.1\n" + block(known),
		"Match final":                          "Match final host 127.0.0.1\nPort " + s.Port + "\nMatch host other final\nPort 1\nMatch all\n" + strings.ReplaceAll(block(known), "Port", "#"),
		"the real name at a second look":       "Host 127.*\nPort " + s.Port + "\nHost box\n" + strings.ReplaceAll(block(known), "Port", "#") + "Match final\n",
		"Match tagged":                         "Match tagged t\nPort 1\nMatch all\nTag t\nMatch tagged t\n" + block(known),
		"another word for yes":                 "Host box\n" + block(known, "HashKnownHosts True", "Compression yes"),
		"the first way excludes another":       "Host box\n" + block(known, "ProxyCommand none", "ProxyJump nowhere.invalid"),
		"tokens and variables":                 "Host box\n" + block("UserKnownHostsFile ${LISTS}/%k-%r-%n-%%"),
		"lists without end":                    "Host box\n" + block(known, "IdentityFile none", "IdentityFile /none", "CertificateFile /none", "CertificateFile /neither"),
		"times with a unit":                    "Host box\n" + block(known, "ConnectTimeout 0", "ServerAliveInterval 1m30s", "ServerAliveCountMax 0"),
		"a port with zeros":                    "Host box\n" + strings.Replace(block(known), "Port ", "Port 00", 1),
		"windows":                              strings.ReplaceAll("Host other\nPort 1\nHost box\n"+block(known, "ProxyCommand none"), "\n", "\r\n"),
		"no list":                              "Host box\n" + block("UserKnownHostsFile none", "GlobalKnownHostsFile none", "StrictHostKeyChecking accept-new"),
		"an amount until the next keys":        "Host box\n" + block(known, "RekeyLimit 1m 1h") + "Match final\nRekeyLimit default none\n",
		"a list of the system's":               "Host box\n" + block("UserKnownHostsFile none", "GlobalKnownHostsFile "+s.KnownHosts),
		"a list that keeps nothing":            "Host box\n" + block("UserKnownHostsFile /dev/null", "StrictHostKeyChecking accept-new"),
		"a command beside the lists":           "Host box\n" + block(known, "KnownHostsCommand /bin/false"),
		"a proxy command":                      "Host box\n" + block(known, "ProxyCommand busybox nc %h %p # not a comment"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			require.NoError(t, openWith(t, write(t, "config", config)))
			left, err := os.ReadDir(".")
			require.NoError(t, err)
			require.Empty(t, left, "\"none\" is no file")
		})
	}
}

// What is not understood or not supported is said, and never leaves a connection weaker than
// OpenSSH would make it.
func TestConfigurationThatIsNotUnderstood(t *testing.T) {
	for line, want := range map[string]string{
		"IdentitiesOnly maybe":                   "the SSH configuration has a value that is not understood: maybe (identitiesonly)",
		"StrictHostKeyChecking sometimes":        "(stricthostkeychecking)",
		"ConnectTimeout soon":                    "(connecttimeout)",
		"ServerAliveInterval 99999999999999999s": "(serveraliveinterval)",
		"Port 70000":                             "(port)",
		"IdentityFile %q":                        "(identityfile)",
		"IdentityFile ${NO_SUCH_VARIABLE}":       "(identityfile)",
		"IdentityFile ~nobody-here/key":          "(identityfile)",
		"IdentityFile /my keys/key":              "a file name with a space wants quotes",
		"User \"me":                              "a quotation has no end",
		"\ufeffHost other":                       "line 2: it does not begin with a keyword",
		"Match localnetwork 10.0.0.0/8":          "the SSH configuration has a condition that planner does not know (Match localnetwork)",
		"IdentityAgent \"\"":                     "line 2: identityagent has an empty value",
		"Host other\nPort # 1":                   "line 3: port has no value",
		"Host other\nProxyCommand":               "line 3: proxycommand has no value",
		"Match host":                             "Match host has no value",
		"Match exec %q":                          "(Match exec)",
		"Ciphers rot13":                          "the SSH configuration allows no algorithm that planner knows (ciphers)",
		"HostKeyAlgorithms -*":                   "(hostkeyalgorithms)",
		"PubkeyAuthentication no":                "(pubkeyauthentication)",
		"PubkeyAuthentication False":             "allows no login with a key",
		"PreferredAuthentications password":      "allows no login with a key",
		"ProxyJump $(id)":                        "names no host to go over: $(id) (proxyjump)",
		"ProxyCommand x\nProxyUseFdpass yes":     "(proxyusefdpass)",
		"AddressFamily inet5":                    "(addressfamily)",
		"BindAddress no.such.name.invalid":       "(bindaddress)",
		"BindInterface eth0":                     "names an interface to connect from, which planner does not look up (bindinterface)",
		"RekeyLimit 1T":                          "(rekeylimit)",
		"RekeyLimit G":                           "(rekeylimit)",
		"KnownHostsCommand /bin/list %H\nStrictHostKeyChecking no": "(knownhostscommand)",
		"CanonicalizeHostname yes\nCanonicalDomains example.com":   "(canonicalizehostname)",
		"UserKnownHostsFile /":                                  "the list of known hosts can't be read",
		"RevokedHostKeys /no/such/list":                         "the list of revoked host keys can't be read",
		"RevokedHostKeys " + write(t, "krl", "SSHKRL\n\x00..."): "the list of revoked host keys is a binary one",
		"RevokedHostKeys " + write(t, "list", "no key\n"):       "the list of revoked host keys has a line that is no key",
	} {
		err := openWith(t, write(t, "config", "GlobalKnownHostsFile none\n"+line+"\n"))
		var e *core.Error
		require.ErrorAs(t, err, &e, line)
		require.ErrorContains(t, err, want)
	}
}

// A caller may name a host that no URL was read for.
func TestTargetsAreNotTrusted(t *testing.T) {
	for _, target := range []ssh.Target{{}, {Host: "-l"}, {Host: "a b"}, {Host: "a\x01"}, {Host: "$(id)"}, {Host: "a", User: "`id`"}, {Host: "a", Port: "x"}} {
		_, err := ssh.Open(t.Context(), target)
		var e *core.Error
		require.ErrorAs(t, err, &e, target)
		require.Equal(t, core.CodeInvalidRequest, e.Code, target)
		require.Equal(t, "sandbox", e.Field, target)
	}
	t.Setenv("HOME", "")
	_, err := ssh.Open(t.Context(), ssh.Target{Host: "a"})
	require.ErrorContains(t, err, "there is no home directory to find keys in")
}

// A firewall may let one of the machine's addresses through.
func TestTheAddressToConnectFrom(t *testing.T) {
	s := sshtest.Start(t)
	from := func(lines string) (string, error) {
		c, err := ssh.Open(t.Context(), ssh.Target{Host: "box", Config: write(t, "config", lines+"\nInclude "+s.Config+"\n")})
		if err != nil {
			return "", err
		}
		defer c.Close()
		var out strings.Builder
		_, err = c.Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"sh", "-c", `printf %s "${SSH_CONNECTION%% *}"`}, Stdout: &out})
		return out.String(), err
	}
	got, err := from("BindAddress 127.0.0.5")
	require.NoError(t, err)
	require.Equal(t, "127.0.0.5", got)
	for _, lines := range []string{"AddressFamily inet6", "BindAddress 192.0.2.1", "AddressFamily inet6\nBindAddress ::1"} {
		_, err := from(lines)
		var e *core.Error
		require.ErrorAs(t, err, &e, lines)
		require.Equal(t, core.CodeClient, e.Code, lines)
	}
}

// Whoever may write to a configuration can have commands run.
func TestAConfigurationOfOthers(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	config, included := filepath.Join(home, ".ssh", "config"), filepath.Join(home, ".ssh", "more")
	require.NoError(t, os.Mkdir(filepath.Dir(config), 0o700))
	require.NoError(t, os.WriteFile(included, nil, 0o600))
	require.NoError(t, os.WriteFile(config, []byte("Include more\nUserKnownHostsFile none\nHostName 127.0.0.1\nPort 1\n"), 0o600))
	for _, name := range []string{"", config, included} {
		if name != "" {
			require.NoError(t, os.Chmod(name, 0o622))
		}
		_, err := ssh.Open(t.Context(), ssh.Target{Host: "box"})
		var e *core.Error
		require.ErrorAs(t, err, &e)
		if name == "" {
			require.Equal(t, core.CodeClient, e.Code)
			continue
		}
		require.Equal(t, core.CodePermission, e.Code)
		require.Equal(t, name, e.Path)
		require.Contains(t, e.Hint, "chmod go-w")
		require.NoError(t, os.Chmod(name, 0o600))
	}
	named := write(t, "named", "Port 70000\n")
	require.NoError(t, os.Chmod(named, 0o622))
	require.ErrorContains(t, openWith(t, named), "(port)", "what the caller named is taken as it is")
	require.NoError(t, os.WriteFile(named, []byte("Include "+included+"\n"), 0o622))
	require.NoError(t, os.Chmod(included, 0o622))
	require.ErrorContains(t, openWith(t, named), "may be written by others")
}

// A name in a file that another file includes is one in the folder of the first.
func TestIncludedNamesAreRelativeToTheTop(t *testing.T) {
	s := sshtest.Start(t)
	top := filepath.Dir(s.Config)
	require.NoError(t, os.Mkdir(filepath.Join(top, "d"), 0o700))
	require.NoError(t, os.Rename(s.Config, filepath.Join(top, "hosts")))
	require.NoError(t, os.WriteFile(filepath.Join(top, "d", "more"), []byte("Include hosts\n"), 0o600))
	require.NoError(t, os.WriteFile(s.Config, []byte("Include d/* # all\n"), 0o600))
	require.NoError(t, openWith(t, s.Config))
}

// sign makes the certificate of a public key file beside it, as ssh-keygen -s does.
func sign(t *testing.T, authority, file string, kind uint32, name string) string {
	t.Helper()
	ca, err := os.ReadFile(authority)
	require.NoError(t, err)
	signer, err := cryptossh.ParsePrivateKey(ca)
	require.NoError(t, err)
	public, err := os.ReadFile(file + ".pub")
	require.NoError(t, err)
	key, _, _, _, err := cryptossh.ParseAuthorizedKey(public)
	require.NoError(t, err)
	cert := &cryptossh.Certificate{Key: key, CertType: kind, KeyId: "test", ValidPrincipals: []string{name}, ValidBefore: cryptossh.CertTimeInfinity}
	if kind == cryptossh.UserCert {
		cert.Extensions = map[string]string{"permit-pty": ""}
	}
	require.NoError(t, cert.SignCert(rand.Reader, signer))
	out := file + "-cert.pub"
	require.NoError(t, os.WriteFile(out, cryptossh.MarshalAuthorizedKey(cert), 0o600))
	return out
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	ca, host, me := filepath.Join(dir, "ca"), filepath.Join(dir, "host"), filepath.Join(dir, "me")
	authority, err := sshd.NewKey(ca)
	require.NoError(t, err)
	for _, name := range []string{host, me} {
		_, err := sshd.NewKey(name)
		require.NoError(t, err)
	}
	hostCert := sign(t, ca, host, cryptossh.HostCert, "127.0.0.1")
	s := sshtest.Start(t, "HostKey "+host, "HostCertificate "+hostCert, "TrustedUserCAKeys "+ca+".pub")
	sign(t, ca, me, cryptossh.UserCert, s.User)
	line := string(cryptossh.MarshalAuthorizedKey(authority))
	config := func(known, key string) string {
		return write(t, "config", fmt.Sprintf("Host box\nHostName 127.0.0.1\nPort %s\nUser %s\nIdentityAgent none\nIdentityFile %s\nUserKnownHostsFile %s\nGlobalKnownHostsFile none\n",
			s.Port, s.User, key, write(t, "known", known)))
	}
	require.NoError(t, openWith(t, config("@cert-authority * "+line, me)))
	require.ErrorContains(t, openWith(t, config("@cert-authority other "+line, me)), "is not known")
	require.ErrorContains(t, openWith(t, config("@cert-authority * "+line+"@revoked * "+line, me)), "is not to be trusted")
	s.Stop()
	s = sshtest.Start(t, "HostKey "+host, "HostCertificate "+sign(t, ca, host, cryptossh.HostCert, "other"))
	require.ErrorContains(t, openWith(t, config("@cert-authority * "+line, s.KeyFile)), "is not to be trusted")
}

// A proxy command that ends is noticed at once, and what it said is told. One that runs is
// not in the terminal's reach, so that a Ctrl-C ends no connection that a run still needs.
func TestProxyCommand(t *testing.T) {
	s := sshtest.Start(t)
	session := filepath.Join(t.TempDir(), "session")
	config := func(command string) string {
		text, err := os.ReadFile(s.Config)
		require.NoError(t, err)
		return write(t, "config", string(text)+"  ProxyCommand "+command+"\n")
	}
	err := openWith(t, config("sh -c 'echo so that is why >&2; exit 9'"))
	require.ErrorIs(t, err, core.CodeClient)
	require.ErrorContains(t, err, "the proxy command ended: exit status 9; so that is why")
	err = openWith(t, config("busybox nc %h %p\nKexAlgorithms nothing-that-it-has,diffie-hellman-group1-sha1"))
	require.ErrorContains(t, err, "no common algorithm for key exchange")
	require.NoError(t, openWith(t, config("sh -c 'cut -d\" \" -f6 /proc/$$/stat >"+session+"; exec busybox nc %h %p'")))
	theirs, err := os.ReadFile(session)
	require.NoError(t, err)
	ours, err := os.ReadFile("/proc/self/stat")
	require.NoError(t, err)
	require.Regexp(t, "^[0-9]+\n$", string(theirs))
	require.NotEqual(t, strings.Fields(string(ours))[5], strings.TrimSpace(string(theirs)))
}

// A server that takes a connection and says nothing is given up, and so is a proxy command
// to one, which ends then.
func TestAServerThatNeverAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.ErrorIs(t, openWith(t, write(t, "config", "HostName 127.0.0.1\nPort "+port+"\nIdentityAgent none\nConnectTimeout 1\n")), core.CodeTimeout)

	file, id := filepath.Join(t.TempDir(), "id"), ""
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for id == "" && t.Context().Err() == nil {
			text, _ := os.ReadFile(file) // it is not there yet
			id = strings.TrimSpace(string(text))
			time.Sleep(10 * time.Millisecond)
		}
	}()
	config := write(t, "config", "IdentityAgent none\nConnectTimeout 1h\nProxyCommand sh -c 'echo $$ >"+file+"; exec sleep 600'\n")
	_, err = ssh.Open(ctx, ssh.Target{Host: "box", Config: config})
	require.ErrorIs(t, err, core.CodeCancelled)
	require.Eventually(t, func() bool { return exec.Command("kill", "-0", id).Run() != nil }, time.Minute, 10*time.Millisecond)
}

// A jump may lead over several hosts, each reached over those before it. What is wrong with
// one is told as that of any host.
func TestHostsOnTheWay(t *testing.T) {
	s := sshtest.Start(t)
	text, err := os.ReadFile(s.Config)
	require.NoError(t, err)
	server := fmt.Sprintf("\nHostName 127.0.0.1\nPort %s\nUser %s\nIdentityAgent none\nIdentityFile %s\nUserKnownHostsFile ", s.Port, s.User, s.KeyFile)
	hops := "Host good well\n" + server + s.KnownHosts + "\nHost unknown\n" + server + "none\nHost down\nHostName 127.0.0.1\nPort 1\nIdentityAgent none\n"
	for way, want := range map[string]string{
		"good,well":      "",
		"ssh://good":     "",
		"unknown":        "the key of 127.0.0.1 port " + s.Port + " is not known",
		"unknown,good":   "the key of 127.0.0.1 port " + s.Port + " is not known",
		"down":           "connecting to 127.0.0.1 port 1 failed",
		"down,good,well": "connecting to 127.0.0.1 port 1 failed",
		"good,down":      "connecting to 127.0.0.1 port 1 failed",
		"good,,well":     "names no host to go over",
		"good\nHost good\nProxyJump well\nHost well\nProxyJump good": "over too many others (ProxyJump)",
	} {
		err := openWith(t, write(t, "config", string(text)+"ProxyJump "+way+"\n"+hops))
		if want == "" {
			require.NoError(t, err, way)
			continue
		}
		require.ErrorContains(t, err, want, way)
		require.Equal(t, strings.HasPrefix(want, "connecting"), strings.HasPrefix(err.Error(), "connecting"), err.Error())
	}
}
