package hostgo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
)

// acquire opens a file that nobody else may open and that goes away with its
// last handle, which the system closes when the process ends.
func acquire(ctx context.Context, realPath string, waiting func(string)) (func() error, error) {
	name, err := windows.UTF16PtrFromString(filepath.Join(os.TempDir(), lockName(realPath)+".lock"))
	if err != nil {
		return nil, ioError("the workspace's lock can't be taken", realPath, err)
	}
	for told := false; ; {
		h, err := windows.CreateFile(name, windows.GENERIC_WRITE, 0, nil, windows.OPEN_ALWAYS, windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
		if err == nil {
			return func() error { return windows.CloseHandle(h) }, nil
		}
		if !errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			return nil, ioError("the workspace's lock can't be taken", realPath, err)
		}
		if !told {
			told = true
			waiting("another process")
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}
