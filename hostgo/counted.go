package hostgo

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// counts is what went through a client, failed calls included.
type counts struct {
	calls    atomic.Int64 // asking for capabilities or the identity is none
	sent     atomic.Int64 // bytes of the bodies written and of command lines
	received atomic.Int64 // bytes of the bodies read
}

func (n *counts) call(sent int) {
	n.calls.Add(1)
	n.sent.Add(int64(sent))
}

// count returns c with counters, and streams if c does: counting never changes how
// a sync is done.
func count(c Client) (Client, *counts) {
	n := new(counts)
	six := &counted{c, n}
	if s, ok := c.(Streamer); ok {
		return &countedStreamer{six, s}, n
	}
	return six, n
}

// counted counts the six calls.
type counted struct {
	c Client
	n *counts
}

// Capabilities implements [Capable].
func (c *counted) Capabilities() Capabilities { return CapabilitiesOf(c.c) }

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
	*counted
	s Streamer
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
