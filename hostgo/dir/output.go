package dir

import (
	"context"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// output passes on what a command writes. A command may leave another one behind that
// holds its output open: that is not waited for. But whoever takes the output may be slow,
// and gets all of it.
type output struct {
	from, to *os.File
	done     chan struct{} // closed when there is no more
	reads    atomic.Int64
	holds    atomic.Bool // something that was read and not passed on yet
}

// newOutput begins to pass on to w what is written to the output's file.
func newOutput(w io.Writer) (*output, error) {
	o := &output{done: make(chan struct{})}
	var err error
	if o.from, o.to, err = os.Pipe(); err != nil {
		return nil, err
	}
	go func() {
		defer close(o.done)
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, o, make([]byte, pieceSize)) // w tells
		o.from.Close()
	}()
	return o, nil
}

// Read implements [io.Reader].
func (o *output) Read(b []byte) (int, error) {
	o.holds.Store(false)
	o.reads.Add(1)
	n, err := o.from.Read(b)
	if n > 0 {
		o.holds.Store(true)
	}
	return n, err
}

// finish waits for the rest of the output of a command that has ended, or was ended with
// ctx.
func (o *output) finish(ctx context.Context) {
	o.to.Close()
	for {
		reads := o.reads.Load()
		select {
		case <-o.done:
			return
		case <-time.After(drainTime):
		}
		if ctx.Err() != nil || !o.holds.Load() && o.reads.Load() == reads {
			o.from.Close()
			return
		}
	}
}
