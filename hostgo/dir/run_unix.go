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

func signal(p *os.Process, s os.Signal) error {
	if sig, ok := s.(syscall.Signal); ok {
		return syscall.Kill(-p.Pid, sig)
	}
	return p.Signal(s)
}

// status returns the exit status as a shell gives it.
func status(p *os.ProcessState) int {
	if w, ok := p.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return p.ExitCode()
}
