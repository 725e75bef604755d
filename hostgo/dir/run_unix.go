//go:build unix

package dir

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// group returns a command in a process group of its own, all of which is killed
// when ctx ends.
func group(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = drainTime
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// shareTerminal leaves a command in this process's own group: the kernel stops a
// program of any other group that reads from the terminal. It ends alone then,
// and what it started ends with the terminal's own signals.
func shareTerminal(cmd *exec.Cmd) {
	cmd.SysProcAttr.Setpgid = false
	cmd.Cancel = func() error { return cmd.Process.Kill() }
}

// signal sends s to a command, and to its group where it has one of its own.
func signal(cmd *exec.Cmd, s os.Signal) error {
	sig, ok := s.(syscall.Signal)
	if !ok || !cmd.SysProcAttr.Setpgid {
		return cmd.Process.Signal(s)
	}
	return syscall.Kill(-cmd.Process.Pid, sig)
}

// status returns the exit status as a shell gives it.
func status(p *os.ProcessState) int {
	if w, ok := p.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return p.ExitCode()
}
