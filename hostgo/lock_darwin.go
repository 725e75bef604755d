package hostgo

import (
	"context"
	"os"
	"syscall"
	"time"
)

// acquire takes an flock on the workspace's own directory, which needs no file
// and ends with the process.
func acquire(ctx context.Context, realPath string, waiting func(string)) (func() error, error) {
	f, err := os.Open(realPath)
	if err != nil {
		return nil, ioError("the workspace's lock can't be taken", realPath, err)
	}
	for told := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f.Close, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			f.Close()
			return nil, ioError("the workspace's lock can't be taken", realPath, err)
		}
		if !told {
			told = true
			waiting("another process")
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			f.Close()
			return nil, err
		}
	}
}
