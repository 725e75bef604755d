package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"time"
)

// server is a real sshd on the loopback device, with keys of its own.
type server struct {
	dir, home, port, user string
	cmd                   *exec.Cmd
}

func startServer(top string) (*server, error) {
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	s := &server{dir: filepath.Join(top, "sshd"), user: me.Username}
	s.home = filepath.Join(s.dir, "home")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, s.port, _ = net.SplitHostPort(l.Addr().String()) // it has just been made
	l.Close()
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
	}
	config := fmt.Sprintf("Host box 127.0.0.1\n HostName 127.0.0.1\n Port %s\n User %s\n IdentityFile %s/user\n UserKnownHostsFile %s/known\n IdentityAgent none\n BatchMode yes\n LogLevel ERROR\n", s.port, s.user, s.dir, s.dir)
	sshd := fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nPidFile none\nStrictModes no\nUsePAM no\nSubsystem sftp internal-sftp\n", s.port, s.dir, s.dir)
	script := "mkdir -p " + q(s.home+"/.ssh") + " && cd " + q(s.dir) + " && ssh-keygen -qt ed25519 -N '' -f user && ssh-keygen -qt ed25519 -N '' -f host && printf '[127.0.0.1]:" + s.port + " %s\\n' \"$(cat host.pub)\" >known && printf %s " + q(config) + " >home/.ssh/config && printf %s " + q(sshd) + " >sshd_config && printf '#!/bin/sh\\nexec ssh -F %s/home/.ssh/config \"$@\"\\n' \"$PWD\" >ssh && chmod +x ssh"
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("keys for sshd can't be made: %w\n%s", err, out)
	}
	s.cmd = exec.Command("/usr/sbin/sshd", "-D", "-f", filepath.Join(s.dir, "sshd_config"))
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("sshd can't be started; install the Debian package openssh-server: %w", err)
	}
	for range 500 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+s.port); err == nil {
			c.Close()
			return s, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, fmt.Errorf("sshd does not answer")
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill() // it ends with this program
	_ = s.cmd.Wait()
}

// command is what rsync and tar run to reach the box.
func (s *server) command() string { return "ssh -F " + s.home + "/.ssh/config" }

// wrapper is a program that does the same.
func (s *server) wrapper() string { return s.dir + "/ssh" }

func (s *server) url() string { return "ssh://box" }
