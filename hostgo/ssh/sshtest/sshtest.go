// Package sshtest starts a real OpenSSH server for tests.
package sshtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/internal/sshd"
)

// Start runs a server on the loopback device until the test ends. Further lines of its
// configuration may be given.
func Start(tb testing.TB, lines ...string) *sshd.Server {
	tb.Helper()
	s, err := sshd.Start(tb.TempDir(), "127.0.0.1", lines...)
	require.NoError(tb, err)
	tb.Cleanup(s.Stop)
	return s
}
