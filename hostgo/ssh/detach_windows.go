package ssh

import (
	"os/exec"
	"syscall"
)

// detach gives a command a process group of its own, which a Ctrl-C does not reach.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
