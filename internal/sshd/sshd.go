// Package sshd runs a real OpenSSH server with throwaway keys, for tests and
// benchmarks.
package sshd

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Server is a running sshd with keys of its own.
type Server struct {
	Dir        string // holds all the files below; as HOME it makes OpenSSH and the planner find Config
	Host, Port string
	User       string
	KeyFile    string // of the one user that may log in
	HostKey    ssh.PublicKey
	KnownHosts string
	Config     string // names all of the above for the host "box"

	cmd   *exec.Cmd
	ended chan struct{} // closed when it ended
}

// Start runs a server on a free port of the address host, with its files in dir.
// Commands have dir as their home, so that nobody's shell set-up runs with each.
// Nothing but the calling thread opens sockets or starts processes, so that a
// caller may have put it into another network namespace.
func Start(dir, host string, lines ...string) (*Server, error) {
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir, Host: host, User: me.Username}
	s.KeyFile, s.KnownHosts, s.Config = s.at("user"), s.at("known_hosts"), s.at(".ssh/config")
	for {
		err := s.listen(lines)
		switch {
		case err == nil:
			return s, nil
		case !errors.Is(err, errTaken):
			return nil, err
		}
	}
}

// errTaken says that another process took the port between its choice and its use.
var errTaken = errors.New("the port is taken")

func (s *Server) listen(lines []string) error {
	l, err := net.Listen("tcp", net.JoinHostPort(s.Host, "0"))
	if err != nil {
		return err
	}
	_, s.Port, err = net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return err
	}
	if err := s.writeFiles(lines); err != nil {
		return fmt.Errorf("the files of sshd can't be written: %w", err)
	}
	if err := s.start(); err != nil {
		return fmt.Errorf("sshd can't be started; install the Debian package openssh-server: %w", err)
	}
	if err := s.await(); err != nil {
		s.Stop()
		return err
	}
	return nil
}

func (s *Server) at(name string) string { return filepath.Join(s.Dir, name) }

func (s *Server) writeFiles(lines []string) error {
	if err := os.MkdirAll(s.at(".ssh"), 0o700); err != nil {
		return err
	}
	userKey, err := NewKey(s.KeyFile)
	if err != nil {
		return err
	}
	if s.HostKey, err = NewKey(s.at("host")); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"authorized":  string(ssh.MarshalAuthorizedKey(userKey)),
		"known_hosts": fmt.Sprintf("[%s]:%s %s", s.Host, s.Port, ssh.MarshalAuthorizedKey(s.HostKey)),
		".ssh/config": fmt.Sprintf("Host box %[1]s\n  HostName %[1]s\n  Port %[2]s\n  User %[3]s\n  IdentityFile %[4]s\n  UserKnownHostsFile %[5]s\n  IdentityAgent none\n  BatchMode yes\n  LogLevel ERROR\n",
			s.Host, s.Port, s.User, s.KeyFile, s.KnownHosts),
		"sshd_config": fmt.Sprintf("Port %s\nListenAddress %s\nHostKey %s\nAuthorizedKeysFile %s\nPidFile %s\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nLogLevel ERROR\nSubsystem sftp internal-sftp\nSetEnv HOME=%s\n",
			s.Port, s.Host, s.at("host"), s.at("authorized"), s.at("pid"), s.Dir) + strings.Join(lines, "\n") + "\n",
	} {
		if err := os.WriteFile(s.at(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) start() error {
	if os.Geteuid() == 0 {
		// As root it drops to a user in an empty folder, which must be there.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return err
		}
	}
	log, err := os.Create(s.at("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", s.at("sshd_config"))
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait() // its log tells why
	}()
	return nil
}

// await waits for the file that sshd writes once it listens. Whoever answers at its
// port may be another.
func (s *Server) await() error {
	longest := time.After(time.Minute)
	for {
		if pid, err := os.ReadFile(s.at("pid")); err == nil && len(pid) > 0 {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
			continue
		case <-s.ended:
		case <-longest:
		}
		log, err := os.ReadFile(s.at("log"))
		if strings.Contains(string(log), "Address already in use") {
			return errTaken
		}
		return errors.Join(fmt.Errorf("sshd does not listen: %s", log), err)
	}
}

// Command is the start of a command line of OpenSSH that reaches the host "box".
func (s *Server) Command() string { return "ssh -F " + s.Config }

// Stop ends the server. Sessions end with their connections.
func (s *Server) Stop() {
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.ended
}

// NewKey writes a new private key, and its public half beside it.
func NewKey(path string) (ssh.PublicKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	public := signer.PublicKey()
	return public, errors.Join(os.WriteFile(path, pem.EncodeToMemory(block), 0o600),
		os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(public), 0o600))
}
