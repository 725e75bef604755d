package hostgo

import (
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// TestR5_OneHoldsALockAndTheOthersWait has two wait for a holder: each is told once who that is,
// and has it in its turn.
func TestR5_OneHoldsALockAndTheOthersWait(t *testing.T) {
	path := t.TempDir()
	release, err := acquireLock(t.Context(), path, nil)
	require.NoError(t, err)
	told, got := make(chan string, 10), make(chan func() error, 2)
	for range 2 {
		go func() {
			release, err := acquireLock(t.Context(), path, func(holder string) { told <- holder })
			if err != nil {
				panic(err)
			}
			got <- release
		}()
	}
	for range 2 {
		require.Equal(t, "process "+strconv.Itoa(os.Getpid()), <-told)
	}
	require.Empty(t, got)
	for range 2 {
		require.NoError(t, release())
		release = <-got
	}
	require.NoError(t, release())
	require.Empty(t, told)
}

// TestR5_WaitingForALockEndsWithItsContext is about a wait that was told of, and one that begins too late.
func TestR5_WaitingForALockEndsWithItsContext(t *testing.T) {
	path := t.TempDir()
	release, err := acquireLock(t.Context(), path, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		_, err = acquireLock(ctx, path, func(string) { cancel() })
		require.ErrorIs(t, err, core.CodeCancelled)
	}
	require.NoError(t, release())
}

// A lock that was taken when its context had ended already is held by nobody, or given back by
// whoever has it.
func TestR5_ALockIsNotLost(t *testing.T) {
	path := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		release, err := acquireLock(ctx, path, func(string) { require.Fail(t, "somebody has it") })
		if err == nil {
			require.NoError(t, release())
		}
	}
}

// A name that somebody holds who does not speak is waited for, and told of once.
func TestR5_ASilentHolderIsToldOfOnce(t *testing.T) {
	path := t.TempDir()
	l, err := net.Listen("unix", abstractName(path))
	require.NoError(t, err)
	go func() {
		for range 3 {
			if c, err := l.Accept(); err == nil {
				c.Close()
			}
		}
		l.Close()
	}()
	var told []string
	release, err := acquireLock(t.Context(), path, func(holder string) { told = append(told, holder) })
	require.NoError(t, err)
	require.NoError(t, release())
	require.Equal(t, []string{"another process"}, told)
}

// Any local user can connect to the socket of a lock, or take its name first.

func TestR5_ConnectionsToALockAreBounded(t *testing.T) {
	path := t.TempDir()
	release, err := acquireLock(t.Context(), path, nil)
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
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = acquireLock(ctx, path, func(holder string) {
		require.Equal(t, "another process", holder)
		cancel()
	})
	require.ErrorIs(t, err, core.CodeCancelled)
}
