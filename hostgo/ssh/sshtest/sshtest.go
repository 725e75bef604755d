// Package sshtest starts a real OpenSSH server for tests and benchmarks.
package sshtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// Server is a running sshd with keys of its own, on a free port of the loopback
// device.
type Server struct {
	Dir        string // holds all the files below
	Host, Port string
	User       string
	KeyFile    string // of the one user that may log in
	HostKey    ssh.PublicKey
	KnownHosts string
	Config     string // names all of the above for the host "box"
}

// Start runs a server until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	require.NoError(tb, err, "install the Debian package openssh-server; see .ci/run")
	me, err := user.Current()
	require.NoError(tb, err)
	s := &Server{Dir: tb.TempDir(), Host: "127.0.0.1", User: me.Username}
	s.KeyFile, s.KnownHosts, s.Config = s.at("user"), s.at("known_hosts"), s.at("config")
	userKey := NewKey(tb, s.KeyFile)
	s.HostKey = NewKey(tb, s.at("host"))
	s.write(tb, "authorized", string(ssh.MarshalAuthorizedKey(userKey)))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	_, s.Port, err = net.SplitHostPort(l.Addr().String())
	require.NoError(tb, err)
	require.NoError(tb, l.Close())
	s.write(tb, "known_hosts", fmt.Sprintf("[127.0.0.1]:%s %s", s.Port, ssh.MarshalAuthorizedKey(s.HostKey)))
	s.write(tb, "config", fmt.Sprintf("Host box 127.0.0.1\n  HostName 127.0.0.1\n  Port %s\n  User %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n  IdentityAgent none\n", s.Port, s.User, s.KeyFile, s.KnownHosts))
	s.write(tb, "sshd_config", fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nLogLevel ERROR\n",
		s.Port, s.at("host"), s.at("authorized")))
	if os.Geteuid() == 0 {
		// As root it drops to a user in an empty folder, which must be there.
		require.NoError(tb, os.MkdirAll("/run/sshd", 0o755))
	}
	cmd := exec.Command(sshd, "-D", "-e", "-f", s.at("sshd_config"))
	log, err := os.Create(s.at("log"))
	require.NoError(tb, err)
	defer log.Close()
	cmd.Stderr = log
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	s.await(tb)
	return s
}

func (s *Server) at(name string) string { return filepath.Join(s.Dir, name) }

func (s *Server) write(tb testing.TB, name, text string) {
	tb.Helper()
	require.NoError(tb, os.WriteFile(s.at(name), []byte(text), 0o600))
}

func (s *Server) await(tb testing.TB) {
	tb.Helper()
	for range 500 {
		if c, err := net.Dial("tcp", net.JoinHostPort(s.Host, s.Port)); err == nil {
			c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	log, err := os.ReadFile(s.at("log"))
	require.NoError(tb, err)
	require.Fail(tb, "the server does not answer", "%s", log)
}

// NewKey writes a new private key, and its public half beside it.
func NewKey(tb testing.TB, path string) ssh.PublicKey {
	tb.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(tb, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(tb, err)
	require.NoError(tb, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(tb, err)
	require.NoError(tb, os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600))
	return signer.PublicKey()
}
