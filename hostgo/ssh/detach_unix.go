//go:build unix

package ssh

import (
	"os/exec"
	"syscall"
)

// detach gives a command a session of its own, without a terminal.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
