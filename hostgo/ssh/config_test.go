package ssh_test

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	cryptossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/paperclipai/syncplan/core"
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
	for name, config := range map[string]string{
		"a quoted name":               "Host other \"box\"\n" + block(known),
		"comments":                    "Host box # mine\n" + strings.ReplaceAll(block(known), "\n", " # why\n"),
		"equals signs":                "Host=box\n" + strings.ReplaceAll(block(known), " ", "="),
		"quoted files":                "Host box\n" + block("UserKnownHostsFile \"/no such/list\" \""+s.KnownHosts+"\""),
		"Match host":                  "Match host nobody,box\n" + block(known),
		"Match of the real name":      "Host box\nHostName 127.0.0.1\nMatch host 127.* !user nobody-here\n" + block(known),
		"Match originalhost and user": "Match originalhost box user " + s.User + "\n" + block(known),
		"Match all":                   "Match All\n" + block(known),
		"Match of another host":       "Match host other\nPort 1\nMatch all\n" + block(known),
		"Match that is negated":       "Match !host box\nPort 1\nMatch all\n" + block(known),
		"Match exec":                  "Match exec true\nPort 1\nMatch all\n" + block(known),
		"stars":                       "Host *bx* *x? box?\nPort 1\nHost *b**o*x*\n" + block(known),
		"a bracket in a pattern":      "Host ![x b?x\n" + block(known),
		"an alias of the key":         "Host box\n" + block("HostKeyAlias somebody", "UserKnownHostsFile "+list("somebody")),
		"a host without its port":     "Host box\n" + block("UserKnownHostsFile "+list("127.0.0.1")),
		"any host":                    "Host box\n" + block("UserKnownHostsFile "+list("*")),
		"no list":                     "Host box\n" + block("UserKnownHostsFile none", "GlobalKnownHostsFile none", "StrictHostKeyChecking accept-new"),
		"a proxy command":             "Host box\n" + block(known, "ProxyCommand busybox nc %h %p # not a comment"),
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
	hostCert := sign(t, ca, host, cryptossh.HostCert, "127.0.*")
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

// A server takes six tries. The key that a configuration names comes first, also where
// only its public half is there, and no key comes twice.
func TestKeysOfAFullAgent(t *testing.T) {
	s := sshtest.Start(t)
	dir, err := os.MkdirTemp("", "agent") // a socket's path is short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	ring := agent.NewKeyring()
	for i := range 8 {
		name := filepath.Join(dir, fmt.Sprint("other", i))
		if i == 7 {
			name = s.KeyFile
		} else {
			_, err := sshd.NewKey(name)
			require.NoError(t, err)
		}
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		key, err := cryptossh.ParseRawPrivateKey(data)
		require.NoError(t, err)
		require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: key}))
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c) }()
		}
	}()
	public, err := os.ReadFile(s.KeyFile + ".pub")
	require.NoError(t, err)
	half := write(t, "half", string(public))
	for _, lines := range []string{"IdentityFile " + s.KeyFile, "IdentityFile " + half, "IdentitiesOnly yes\nIdentityFile " + half} {
		config := fmt.Sprintf("Host box\nHostName 127.0.0.1\nPort %s\nUser %s\nUserKnownHostsFile %s\nIdentityAgent %s\n%s\n",
			s.Port, s.User, s.KnownHosts, filepath.Join(dir, "s"), lines)
		require.NoError(t, openWith(t, write(t, "config", config)), lines)
	}
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
	require.NoError(t, openWith(t, config("sh -c 'cut -d\" \" -f6 /proc/$$/stat >"+session+"; exec busybox nc %h %p'")))
	theirs, err := os.ReadFile(session)
	require.NoError(t, err)
	ours, err := os.ReadFile("/proc/self/stat")
	require.NoError(t, err)
	require.Regexp(t, "^[0-9]+\n$", string(theirs))
	require.NotEqual(t, strings.Fields(string(ours))[5], strings.TrimSpace(string(theirs)))
}
