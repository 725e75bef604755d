package ssh_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
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

// listen makes a socket whose connections are served.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent") // a socket's path is short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return filepath.Join(dir, "s")
}

// startAgent has an agent hold the keys of files.
func startAgent(t *testing.T, files ...string) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		key, err := cryptossh.ParseRawPrivateKey(data)
		require.NoError(t, err)
		require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: key}))
	}
	return listen(t, func(c net.Conn) { _ = agent.ServeAgent(ring, c) })
}

func newKey(t *testing.T, name string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	_, err := sshd.NewKey(p)
	require.NoError(t, err)
	return p
}

// A server takes six tries. The key that a configuration names comes first, also where
// only its public half is there, and no key comes twice.
func TestKeysOfAFullAgent(t *testing.T) {
	s := sshtest.Start(t)
	held := []string{}
	for i := range 7 {
		held = append(held, newKey(t, fmt.Sprint("other", i)))
	}
	socket := startAgent(t, append(held, s.KeyFile)...)
	public, err := os.ReadFile(s.KeyFile + ".pub")
	require.NoError(t, err)
	half := write(t, "half", string(public))
	for _, lines := range []string{"IdentityFile " + s.KeyFile, "IdentityFile " + half, "IdentitiesOnly yes\nIdentityFile " + half} {
		require.NoError(t, openWith(t, keyConfig(t, s, "IdentityAgent "+socket+"\n"+lines)), lines)
	}
	var e *core.Error
	require.ErrorAs(t, openWith(t, keyConfig(t, s, "IdentityFile /none\nIdentityAgent "+socket)), &e)
	require.Equal(t, core.CodePermission, e.Code)
	require.Contains(t, e.Hint, "set IdentitiesOnly yes")
}

func keyConfig(t *testing.T, s *sshd.Server, lines string) string {
	t.Helper()
	return write(t, "config", fmt.Sprintf("HostName 127.0.0.1\nPort %s\nUser %s\nUserKnownHostsFile %s\n%s\n", s.Port, s.User, s.KnownHosts, lines))
}

// What the configuration keeps from a host, or OpenSSH would not use, is not shown to it.
func TestKeysThatAreNotUsed(t *testing.T) {
	s := sshtest.Start(t)
	socket := startAgent(t, s.KeyFile)
	open := write(t, "open", "")
	data, err := os.ReadFile(s.KeyFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(open, data, 0o600))
	require.NoError(t, os.Chmod(open, 0o640))
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("none", data, 0o600))
	t.Setenv("SSH_AUTH_SOCK", socket)
	t.Setenv("AGENT", socket)
	for lines, hint := range map[string]string{
		"IdentityFile /none":                                           "", // the agent has it
		"IdentityAgent $AGENT\nIdentityFile /none":                     "",
		"IdentityAgent ${AGENT}\nIdentityFile /none":                   "",
		"IdentityFile /none\nIdentitiesOnly true":                      "there is no key",
		"IdentityAgent none\nIdentityFile none":                        "there is no key",
		"IdentityAgent $NO_AGENT\nIdentityFile none":                   "there is no key",
		"IdentityAgent none\nIdentityFile " + open:                     "the key " + open + " may be read by others, so it is not used: chmod 600",
		"IdentitiesOnly yes\nIdentityFile " + open:                     "",
		"IdentityFile " + open:                                         "",
		"IdentityFile /none\nPubkeyAcceptedAlgorithms ecdsa*,*-cert-*": "there is no key",
		"IdentityFile /none\nPubkeyAcceptedKeyTypes ssh-ed*":           "",
	} {
		err := openWith(t, keyConfig(t, s, lines))
		if hint == "" {
			require.NoError(t, err, lines)
			continue
		}
		var e *core.Error
		require.ErrorAs(t, err, &e, lines)
		require.Equal(t, core.CodePermission, e.Code)
		require.Contains(t, e.Hint, hint, lines)
	}
}

// A key with a passphrase tells its public half, by which the agent is known to have it.
func TestAnEncryptedKeyThatTheAgentHas(t *testing.T) {
	s := sshtest.Start(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := cryptossh.MarshalPrivateKeyWithPassphrase(private, "", []byte("secret"))
	require.NoError(t, err)
	locked := write(t, "locked", string(pem.EncodeToMemory(block)))
	block, err = cryptossh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	public, err := cryptossh.NewPublicKey(private.Public())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir, "authorized"), cryptossh.MarshalAuthorizedKey(public), 0o600))
	socket := startAgent(t, write(t, "held", string(pem.EncodeToMemory(block))))
	lines := "IdentitiesOnly yes\nIdentityFile " + locked + "\nIdentityAgent "
	require.NoError(t, openWith(t, keyConfig(t, s, lines+socket)))
	var e *core.Error
	require.ErrorAs(t, openWith(t, keyConfig(t, s, lines+"none")), &e)
	require.Contains(t, e.Hint, "needs a passphrase, which only an agent can give: ssh-add "+locked)
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir, "authorized"), nil, 0o600))
	require.ErrorAs(t, openWith(t, keyConfig(t, s, lines+socket)), &e)
	require.Contains(t, e.Hint, "try it by hand", "the agent has the key")
}

// An agent that never answers, as one at the end of a connection that was lost, is given up.
func TestAnAgentThatNeverAnswers(t *testing.T) {
	s := sshtest.Start(t)
	socket := listen(t, func(net.Conn) {})
	err := openWith(t, keyConfig(t, s, "ConnectTimeout 1\nIdentityFile "+s.KeyFile+"\nIdentityAgent "+socket))
	require.ErrorIs(t, err, core.CodeTimeout)
}

// slowAgent has keys, and waits with a signature until the test is over.
type slowAgent struct {
	agent.Agent
	over <-chan struct{}
}

func (a slowAgent) Sign(cryptossh.PublicKey, []byte) (*cryptossh.Signature, error) {
	<-a.over
	return nil, errors.New("over")
}

// One that waits for a person, who does not come, is no refusal by the host.
func TestAnAgentThatNeverSigns(t *testing.T) {
	s := sshtest.Start(t)
	data, err := os.ReadFile(s.KeyFile)
	require.NoError(t, err)
	key, err := cryptossh.ParseRawPrivateKey(data)
	require.NoError(t, err)
	ring := agent.NewKeyring()
	require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: key}))
	socket := listen(t, func(c net.Conn) { _ = agent.ServeAgent(slowAgent{ring, t.Context().Done()}, c) })
	err = openWith(t, keyConfig(t, s, "ConnectTimeout 1\nIdentityFile none\nIdentityAgent "+socket))
	require.ErrorIs(t, err, core.CodeTimeout)
}

// Whoever stays connected to a host does not keep its agent busy.
func TestTheAgentIsLeftOnceLoggedIn(t *testing.T) {
	s := sshtest.Start(t)
	left := make(chan struct{}, 1)
	socket := listen(t, func(c net.Conn) {
		to, err := net.Dial("unix", startAgent(t, s.KeyFile))
		if err == nil {
			go func() { _, _ = io.Copy(c, to) }()
			_, _ = io.Copy(to, c)
			to.Close()
		}
		left <- struct{}{}
	})
	c, err := ssh.Open(t.Context(), ssh.Target{Host: "box", Config: keyConfig(t, s, "IdentityFile none\nIdentityAgent "+socket)})
	require.NoError(t, err)
	defer c.Close()
	select {
	case <-left:
	case <-time.After(time.Minute):
		require.Fail(t, "the connection to the agent is still open")
	}
}

// A certificate that is named is the only one that is shown.
func TestACertificateThatIsNamed(t *testing.T) {
	ca, me := newKey(t, "ca"), newKey(t, "me")
	s := sshtest.Start(t, "TrustedUserCAKeys "+ca+".pub")
	beside := sign(t, ca, me, cryptossh.UserCert, s.User)
	lines := "IdentityAgent none\nIdentityFile " + me + "\n"
	require.NoError(t, openWith(t, keyConfig(t, s, lines)))
	require.NoError(t, openWith(t, keyConfig(t, s, lines+"CertificateFile /none\nCertificateFile "+beside)))
	require.ErrorIs(t, openWith(t, keyConfig(t, s, lines+"CertificateFile /none")), core.CodePermission)
	other := newKey(t, "other")
	require.ErrorIs(t, openWith(t, keyConfig(t, s, lines+"CertificateFile "+sign(t, ca, other, cryptossh.UserCert, s.User))), core.CodePermission, "that of another key")
	require.ErrorIs(t, openWith(t, keyConfig(t, s, lines+"CertificateFile "+sign(t, ca, me, cryptossh.HostCert, s.User))), core.CodePermission, "that of a host")
}
