package hostgo

import (
	"context"
	"io"
	"time"

	"github.com/paperclipai/syncplan/core"
)

// Idle ends a context when no byte moved for a while, as [Streamer] asks of a
// client. It also ends it when a stream fails, so that a command never takes half
// an input for a whole one.
type Idle struct {
	context.Context
	outer   context.Context
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	timeout time.Duration
}

// NewIdle returns a context that ends with ctx, after timeout if that is above
// zero, and when a stream of it fails. The caller calls Stop.
func NewIdle(ctx context.Context, timeout time.Duration) *Idle {
	inner, cancel := context.WithCancelCause(ctx)
	i := &Idle{Context: inner, outer: ctx, cancel: cancel, timeout: timeout}
	if timeout > 0 {
		i.timer = time.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	}
	return i
}

// Stop frees what the context holds.
func (i *Idle) Stop() {
	if i.timer != nil {
		i.timer.Stop()
	}
	i.cancel(context.Canceled)
}

// Explain is what a client returns for a call named what that ended with err, nil
// for success: the reason why the context ended comes first.
func (i *Idle) Explain(what string, err error) error {
	cause := context.Cause(i.Context)
	switch {
	case i.outer.Err() != nil || i.Context.Err() == nil:
		if err == nil {
			return nil
		}
		return ClientError(i.outer, what, "", err)
	case cause == context.DeadlineExceeded:
		return &core.Error{Code: core.CodeTimeout, Message: what + " took longer than " + i.timeout.String(),
			Hint: "allow more with --timeout", Err: cause}
	}
	return &core.Error{Code: core.CodeClient, Message: what + " failed", Err: cause}
}

// Reader returns in as a stream of this context, nil for nil.
func (i *Idle) Reader(in io.Reader) io.Reader {
	if in == nil {
		return nil
	}
	return &idleReader{in, i}
}

// Writer returns out as a stream of this context, nil for nil.
func (i *Idle) Writer(out io.Writer) io.Writer {
	if out == nil {
		return nil
	}
	return &idleWriter{out, i}
}

func (i *Idle) moved(err error) {
	if err != nil && err != io.EOF {
		i.cancel(err)
	} else if i.timer != nil && i.Context.Err() == nil {
		i.timer.Reset(i.timeout)
	}
}

type idleReader struct {
	r io.Reader
	i *Idle
}

func (r *idleReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.i.moved(err)
	return n, err
}

type idleWriter struct {
	w io.Writer
	i *Idle
}

func (w *idleWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.i.moved(err)
	return n, err
}
