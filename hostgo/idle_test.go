package hostgo

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// A stream may take for ever as long as it moves; the time-out counts from its last byte, either way.
func TestATimeoutCountsFromTheLastByte(t *testing.T) {
	for _, moves := range []func(*Idle) error{
		func(i *Idle) error { _, err := i.Reader(strings.NewReader("x")).Read(make([]byte, 1)); return err },
		func(i *Idle) error {
			_, err := i.Reader(strings.NewReader("")).Read(make([]byte, 1))
			return noEnd(err)
		},
		func(i *Idle) error { _, err := i.Writer(io.Discard).Write([]byte("x")); return err },
	} {
		synctest.Test(t, func(t *testing.T) {
			i := NewIdle(t.Context(), time.Minute)
			defer i.Stop()
			for range 100 {
				time.Sleep(time.Minute - 1)
				require.NoError(t, moves(i))
				require.NoError(t, i.Err())
			}
			began := time.Now()
			<-i.Done()
			require.Equal(t, time.Minute, time.Since(began))
			require.NoError(t, moves(i), "what moves after the end brings nothing back")
			time.Sleep(time.Hour)
			err := i.Explain("it", errors.New("killed"))
			require.ErrorIs(t, err, core.CodeTimeout)
			require.ErrorContains(t, err, "it took longer than 1m0s")
		})
	}
}

func noEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// Without a time-out nothing ends by itself.
func TestNoTimeoutIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := NewIdle(t.Context(), 0)
		defer i.Stop()
		time.Sleep(1000 * time.Hour)
		_, err := i.Writer(io.Discard).Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, i.Err())
	})
}

// A stream that breaks ends the call, and is the reason that is told. So is the caller's own end; what only the call
// itself says comes last.
func TestWhyACallEnded(t *testing.T) {
	broken, own := errors.New("the stream broke"), errors.New("exit status 1")
	for name, row := range map[string]struct {
		end  func(i *Idle, stop func())
		err  error // of the call
		code error // nil: none
		want error
	}{
		"well":                        {func(*Idle, func()) {}, nil, nil, nil},
		"with an error":               {func(*Idle, func()) {}, own, core.CodeClient, own},
		"an input that broke":         {func(i *Idle, _ func()) { _, _ = i.Reader(iotest.ErrReader(broken)).Read(nil) }, nil, core.CodeClient, broken},
		"and the call says its own":   {func(i *Idle, _ func()) { _, _ = i.Reader(iotest.ErrReader(broken)).Read(nil) }, own, core.CodeClient, broken},
		"an output that broke":        {func(i *Idle, _ func()) { _, _ = i.Writer(errWriter{broken}).Write(nil) }, nil, core.CodeClient, broken},
		"the caller stopped it":       {func(_ *Idle, stop func()) { stop() }, own, core.CodeCancelled, context.Canceled},
		"the caller, and it was well": {func(_ *Idle, stop func()) { stop() }, nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, timeout := range []time.Duration{0, time.Hour} {
				ctx, stop := context.WithCancel(t.Context())
				i := NewIdle(ctx, timeout)
				row.end(i, stop)
				err := i.Explain("it", row.err)
				if i.Stop(); row.code == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, row.code)
					require.ErrorIs(t, err, row.want)
				}
				require.Error(t, i.Err(), "nothing waits for it any more")
				stop()
			}
		})
	}
	i := NewIdle(t.Context(), 0)
	defer i.Stop()
	require.Nil(t, i.Reader(nil))
	require.Nil(t, i.Writer(nil))
}

type errWriter struct{ err error }

func (w errWriter) Write([]byte) (int, error) { return 0, w.err }
