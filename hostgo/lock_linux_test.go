package hostgo

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// Any local user can connect to the socket of a lock, or take its name first.

func TestR5_ConnectionsToALockAreBounded(t *testing.T) {
	path := t.TempDir()
	release, err := AcquireLock(t.Context(), path, nil)
	require.NoError(t, err)
	var all []net.Conn
	for range maxFollowers + 10 {
		c, err := net.Dial("unix", abstractName(path))
		require.NoError(t, err)
		defer c.Close()
		all = append(all, c)
	}
	for _, c := range all[:10] { // those give way to the last ones
		_, err := io.Copy(io.Discard, c)
		require.NoError(t, err)
	}
	require.NoError(t, release())
}

func TestR5_WhoeverHoldsTheNameOfALockDoesNotChooseWhatIsSaid(t *testing.T) {
	path := t.TempDir()
	l, err := net.Listen("unix", abstractName(path))
	require.NoError(t, err)
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.WriteString(c, "\x1b[2Jprocess 1\n") // who waits may be gone
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = AcquireLock(ctx, path, func(holder string) {
		require.Equal(t, "another process", holder)
		cancel()
	})
	require.ErrorIs(t, err, core.CodeCancelled)
}
