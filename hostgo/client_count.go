package hostgo

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// Counts is what went through a client. It is safe for concurrent use.
type Counts struct{ calls, sent, received atomic.Int64 }

// Calls returns the number of calls, failed ones included. Asking for
// capabilities or the identity is no call.
func (n *Counts) Calls() int64 { return n.calls.Load() }

// Sent returns the bytes of bodies written and of command lines, failed calls
// included. What a person's command reads from its stdin does not count.
func (n *Counts) Sent() int64 { return n.sent.Load() }

// Received returns the bytes of bodies read.
func (n *Counts) Received() int64 { return n.received.Load() }

func (n *Counts) call(sent int) {
	n.calls.Add(1)
	n.sent.Add(int64(sent))
}

// Count returns c with a counter. The result implements exactly those of
// [Streamer], [Capable], [Identified] and [Commander] that c does, so that
// counting never changes how a sync is done.
func Count(c Client) (Client, *Counts) {
	n := new(Counts)
	return withOptions(&counted{c, n}, c, n), n
}

// withOptions adds to six the optional interfaces of inner. Go has no way to
// choose a method set at run time but to name each combination.
func withOptions(six *counted, inner Client, n *Counts) Client {
	s, canStream := inner.(Streamer)
	k, canTell := inner.(Capable)
	i, hasName := inner.(Identified)
	x, canExec := inner.(Commander)
	cs, cx := &countedStreamer{s, n}, &countedCommander{x, n}
	switch [4]bool{canStream, canTell, hasName, canExec} {
	case [4]bool{true, true, true, true}:
		return struct {
			*counted
			Streamer
			Capable
			Identified
			Commander
		}{six, cs, k, i, cx}
	case [4]bool{true, true, true, false}:
		return struct {
			*counted
			Streamer
			Capable
			Identified
		}{six, cs, k, i}
	case [4]bool{true, true, false, true}:
		return struct {
			*counted
			Streamer
			Capable
			Commander
		}{six, cs, k, cx}
	case [4]bool{true, true, false, false}:
		return struct {
			*counted
			Streamer
			Capable
		}{six, cs, k}
	case [4]bool{true, false, true, true}:
		return struct {
			*counted
			Streamer
			Identified
			Commander
		}{six, cs, i, cx}
	case [4]bool{true, false, true, false}:
		return struct {
			*counted
			Streamer
			Identified
		}{six, cs, i}
	case [4]bool{true, false, false, true}:
		return struct {
			*counted
			Streamer
			Commander
		}{six, cs, cx}
	case [4]bool{true, false, false, false}:
		return struct {
			*counted
			Streamer
		}{six, cs}
	case [4]bool{false, true, true, true}:
		return struct {
			*counted
			Capable
			Identified
			Commander
		}{six, k, i, cx}
	case [4]bool{false, true, true, false}:
		return struct {
			*counted
			Capable
			Identified
		}{six, k, i}
	case [4]bool{false, true, false, true}:
		return struct {
			*counted
			Capable
			Commander
		}{six, k, cx}
	case [4]bool{false, true, false, false}:
		return struct {
			*counted
			Capable
		}{six, k}
	case [4]bool{false, false, true, true}:
		return struct {
			*counted
			Identified
			Commander
		}{six, i, cx}
	case [4]bool{false, false, true, false}:
		return struct {
			*counted
			Identified
		}{six, i}
	case [4]bool{false, false, false, true}:
		return struct {
			*counted
			Commander
		}{six, cx}
	}
	return six
}

// counted counts the six calls.
type counted struct {
	c Client
	n *Counts
}

func (c *counted) MakeDir(ctx context.Context, path string) error {
	c.n.call(0)
	return c.c.MakeDir(ctx, path)
}

func (c *counted) WriteFile(ctx context.Context, path string, data []byte) error {
	c.n.call(len(data))
	return c.c.WriteFile(ctx, path, data)
}

func (c *counted) ReadFile(ctx context.Context, path string) ([]byte, error) {
	c.n.call(0)
	data, err := c.c.ReadFile(ctx, path)
	c.n.received.Add(int64(len(data)))
	return data, err
}

func (c *counted) ListFiles(ctx context.Context, path string) ([]string, error) {
	c.n.call(0)
	return c.c.ListFiles(ctx, path)
}

func (c *counted) Remove(ctx context.Context, path string) error {
	c.n.call(0)
	return c.c.Remove(ctx, path)
}

func (c *counted) Run(ctx context.Context, command string, timeout time.Duration) error {
	c.n.call(len(command))
	return c.c.Run(ctx, command, timeout)
}

type countedStreamer struct {
	s Streamer
	n *Counts
}

func (c *countedStreamer) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	c.n.call(len(command))
	if in != nil {
		in = &countedReader{in, &c.n.sent}
	}
	if out != nil {
		out = &countedWriter{out, &c.n.received}
	}
	return c.s.RunStream(ctx, command, in, out, timeout)
}

type countedReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	got, err := c.r.Read(p)
	c.n.Add(int64(got))
	return got, err
}

type countedWriter struct {
	w io.Writer
	n *atomic.Int64
}

func (c *countedWriter) Write(p []byte) (int, error) {
	got, err := c.w.Write(p)
	c.n.Add(int64(got))
	return got, err
}

type countedCommander struct {
	x Commander
	n *Counts
}

func (c *countedCommander) Exec(ctx context.Context, req ExecRequest) (int, error) {
	size := 0
	for _, arg := range req.Argv {
		size += len(arg)
	}
	c.n.call(size)
	return c.x.Exec(ctx, req)
}
