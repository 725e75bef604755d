package dir

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// group returns a command in a process group of its own. Ending it ends the
// command alone: Windows has no kill for a group, and a sandbox there is a
// matter of trust anyway.
func group(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
	cmd.WaitDelay = drainTime
	return cmd
}

// shareTerminal has nothing to do: a console is shared by all groups.
func shareTerminal(*exec.Cmd) {}

func signal(cmd *exec.Cmd, s os.Signal) error { return cmd.Process.Signal(s) }

func status(p *os.ProcessState) int { return p.ExitCode() }
