package hostgo_test

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/paperclipai/syncplan/core"
)

// In a container whose first process reaps no others, as most programs there, an apply that was killed
// stays in the table of processes: no later push would get past its lock.
func TestD13_AnApplyThatNobodyReapedIsDead(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	b.push()
	dead := exec.Command("true")
	require.NoError(t, dead.Start())
	defer func() { _ = dead.Wait() }()
	require.NoError(t, unix.Waitid(unix.P_PID, dead.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil))
	write(t, b.local, "a", "2")
	write(t, b.sandbox, core.RuntimeDir+"/planner/lock/pid", fmt.Sprint(dead.Process.Pid))
	write(t, b.sandbox, core.RuntimeDir+"/planner/down-x.pid", fmt.Sprint(dead.Process.Pid))
	write(t, b.sandbox, core.RuntimeDir+"/planner/down-x.tar", "1")
	b.push()
	require.Equal(t, "2", read(t, b.sandbox, "a"))
	require.NoFileExists(t, b.sandbox+"/"+core.RuntimeDir+"/planner/down-x.tar")
}
