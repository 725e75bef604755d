package hostgo

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// failing is a client all of whose calls fail.
type failing struct{ err error }

func (c failing) MakeDir(context.Context, string) error               { return c.err }
func (c failing) WriteFile(context.Context, string, []byte) error     { return c.err }
func (c failing) ReadFile(context.Context, string) ([]byte, error)    { return []byte("half"), c.err }
func (c failing) ListFiles(context.Context, string) ([]string, error) { return []string{"a"}, c.err }
func (c failing) Remove(context.Context, string) error                { return c.err }
func (c failing) Run(context.Context, string, time.Duration) error    { return c.err }
func (c failing) RunStream(_ context.Context, _ string, in io.Reader, out io.Writer, _ time.Duration) error {
	_, r := io.ReadFull(in, make([]byte, 2))
	_, w := out.Write([]byte("abc"))
	return errors.Join(c.err, r, w)
}

// A call that fails is counted, and fails.
func TestACountedCallFails(t *testing.T) {
	broken := errors.New("it broke")
	c, n := count(failing{broken})
	calls := []error{c.MakeDir(t.Context(), ""), c.WriteFile(t.Context(), "", []byte("1234")), c.Remove(t.Context(), ""), c.Run(t.Context(), "true", 0)}
	_, err := c.ReadFile(t.Context(), "")
	calls = append(calls, err)
	_, err = c.ListFiles(t.Context(), "")
	calls = append(calls, err)
	for _, err := range append(calls, c.(Streamer).RunStream(t.Context(), "cat", strings.NewReader("in"), io.Discard, 0)) {
		require.ErrorIs(t, err, broken)
	}
	require.EqualValues(t, len(calls)+1, n.calls.Load())
	require.EqualValues(t, 4+4+3+2, n.sent.Load())
	require.EqualValues(t, 4+3, n.received.Load())
	in, out := errors.New("the input broke"), errors.New("the output broke")
	err = c.(Streamer).RunStream(t.Context(), "cat", iotest.ErrReader(in), errWriter{out}, 0)
	require.ErrorIs(t, err, in)
	require.ErrorIs(t, err, out)
}
