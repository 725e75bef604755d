package hostgo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/paperclipai/syncplan/core"
)

// maxWait bounds how long a sync waits for another one of the same workspace.
const maxWait = 10 * time.Minute

// acquireLock takes the lock of one workspace, named by its real path, and
// waits while another process holds it: at most ten minutes, or until ctx ends.
// waiting, if not nil, is told once who holds it. The kernel ends the lock with
// the process, so a dead holder blocks nobody (promise R5).
//
// The error is of [core.CodeBusy] or [core.CodeCancelled].
func acquireLock(ctx context.Context, realPath string, waiting func(holder string)) (release func() error, err error) {
	bounded, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if waiting == nil {
		waiting = func(string) {}
	}
	release, err = acquire(bounded, realPath, waiting)
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, &core.Error{Code: core.CodeCancelled, Path: realPath,
			Message: "stopped while waiting for another sync of this workspace", Err: ctx.Err()}
	case bounded.Err() != nil && err != nil:
		return nil, &core.Error{Code: core.CodeBusy, Path: realPath, Message: "another sync holds this workspace",
			Hint: "wait for it to end and run it again"}
	}
	return release, err
}

// lockName is what the lock of a path is called where it needs a short name.
func lockName(realPath string) string {
	sum := sha256.Sum256([]byte(realPath))
	return "syncplan-" + hex.EncodeToString(sum[:16])
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
