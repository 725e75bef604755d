package hostgo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/hostgo"
)

// tally is what a client was asked for.
type tally struct {
	hostgo.Client
	Calls, Sent, Received int64
}

func (c *tally) call(sent int) { c.Calls++; c.Sent += int64(sent) }

func (c *tally) MakeDir(ctx context.Context, path string) error {
	c.call(0)
	return c.Client.MakeDir(ctx, path)
}

func (c *tally) WriteFile(ctx context.Context, path string, data []byte) error {
	c.call(len(data))
	return c.Client.WriteFile(ctx, path, data)
}

func (c *tally) ReadFile(ctx context.Context, path string) ([]byte, error) {
	data, err := c.Client.ReadFile(ctx, path)
	c.call(0)
	c.Received += int64(len(data))
	return data, err
}

func (c *tally) ListFiles(ctx context.Context, path string) ([]string, error) {
	c.call(0)
	return c.Client.ListFiles(ctx, path)
}

func (c *tally) Remove(ctx context.Context, path string) error {
	c.call(0)
	return c.Client.Remove(ctx, path)
}

func (c *tally) Run(ctx context.Context, command string, timeout time.Duration) error {
	c.call(len(command))
	return c.Client.Run(ctx, command, timeout)
}

// streamed is a tally of a client that streams.
type streamed struct {
	*tally
	inner hostgo.Streamer
}

func (c streamed) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	c.call(len(command))
	var sent, received bytes.Buffer
	defer func() { c.Sent += int64(sent.Len()); c.Received += int64(received.Len()) }()
	if in != nil {
		in = io.TeeReader(in, &sent)
	}
	if out != nil {
		out = io.MultiWriter(out, &received)
	}
	return c.inner.RunStream(ctx, command, in, out, timeout)
}

// Every call of a sync is in its report, whatever it was for.
func TestReportCountsAllThatWentThroughTheClient(t *testing.T) {
	for _, streams := range []bool{true, false} {
		t.Run(fmt.Sprintf("streams=%v", streams), func(t *testing.T) {
			b := newPair(t)
			b.opts.Identity = "the same sandbox"
			inner := b.opts.Client
			same := func(sync func() *hostgo.Report) {
				t.Helper()
				count := &tally{Client: inner}
				b.opts.Client = count
				if streams {
					b.opts.Client = streamed{count, inner.(hostgo.Streamer)}
				}
				r := sync()
				require.Empty(t, cmp.Diff([]int64{count.Calls, count.Sent, count.Received}, []int64{r.ClientCalls, r.UploadedBytes, r.DownloadedBytes}))
			}
			write(t, b.local, "file", "first")
			same(b.push)
			same(b.push)
			write(t, b.sandbox, "file", "second")
			same(b.pull)
			same(b.pull)
			write(t, b.local, "file", "third")
			write(t, b.sandbox, "other", "met unawares")
			same(b.push)
		})
	}
}
