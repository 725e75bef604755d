package dir

import (
	"os"

	"golang.org/x/sys/unix"
)

// widen asks for more room in a pipe. The system may refuse: then it stays as it is.
func widen(pipe *os.File, size int) {
	if c, err := pipe.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, size) })
	}
}
