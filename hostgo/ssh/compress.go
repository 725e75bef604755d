package ssh

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/paperclipai/syncplan/core/plan"
)

// farAway is the round trip from which on compressing pays: below it the link is
// a local one, faster than any compressor.
const farAway = 3 * time.Millisecond

// packer is a way to compress that both sides have.
type packer struct {
	pack, unpack string // commands there
	writer       func(io.Writer) (io.WriteCloser, error)
	reader       func(io.Reader) (io.Reader, error)
}

var packers = map[string]*packer{
	"zstd": {"zstd -q -c", "zstd -q -dc",
		func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
		},
		func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) }},
	"gzip": {"gzip -1c", "gzip -dc",
		func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestSpeed) },
		func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
}

// packing is how bodies of a connection are compressed. Until it is known, bodies
// wait: on a slow link that is sooner done than sending them as they are, and on
// a fast one it is known at once.
type packing struct {
	known  chan struct{} // closed when it is
	chosen *packer       // nil for not at all
}

// packer waits until it is known how to compress. It returns nil for not at all.
func (c *conn) packer(ctx context.Context) *packer {
	select {
	case <-c.packing.known:
		return c.packing.chosen
	case <-c.lost:
	case <-ctx.Done():
	}
	return nil
}

// probe measures the link and asks which compressors are there.
func (c *conn) probe(far time.Duration) {
	defer close(c.packing.known)
	start := time.Now()
	if _, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil); err != nil || time.Since(start) < far {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	if _, err := c.run(ctx, job{command: "for t in zstd gzip; do command -v $t >/dev/null && echo $t; done; :", stdout: &out}); err != nil {
		return // the calls themselves report a connection that is gone
	}
	if words := strings.Fields(out.String()); len(words) > 0 {
		c.packing.chosen = packers[words[0]]
	}
}

// wrap returns j with its streams compressed on their way, and what to call when
// it ended. The exit status stays that of the command itself.
func (p *packer) wrap(j job) (wrapped job, finish func() error) {
	wrapped, finish = j, func() error { return nil }
	command := "sh -c " + plan.Quote(j.command)
	if j.stdin != nil {
		wrapped.stdin = packed(p, j.stdin)
		command = p.unpack + " | " + command
	}
	if j.stdout != nil {
		// A pipeline ends with the status of its last part, so the command's own is
		// passed around the compressor.
		command = "{ s=$({ { { " + command + "; } 3>&- 4>&-; echo $? >&4; } | " + p.pack + " >&3; } 4>&1); } 3>&1; exit $s"
		wrapped.stdout, finish = unpacked(p, j.stdout)
	}
	wrapped.command = command
	return wrapped, finish
}

// packed returns a stream of what r delivers, compressed. It need not be read to
// its end.
func packed(p *packer, r io.Reader) io.Reader {
	out, in := io.Pipe()
	go func() {
		w, err := p.writer(in)
		if err == nil {
			_, err = io.CopyBuffer(w, struct{ io.Reader }{r}, make([]byte, 256<<10))
			if e := w.Close(); err == nil {
				err = e
			}
		}
		in.CloseWithError(err)
	}()
	return out
}

// unpacked returns a writer that passes on what is written to it, decompressed.
// finish returns the error of that, and what is missing at the end is one.
func unpacked(p *packer, w io.Writer) (in io.Writer, finish func() error) {
	out, pipe := io.Pipe()
	done := make(chan error, 1)
	go func() {
		r, err := p.reader(out)
		if err == nil {
			_, err = io.Copy(w, r)
		}
		out.CloseWithError(err)
		done <- err
	}()
	return pipe, func() error {
		pipe.Close()
		return <-done
	}
}

// Compresses reports whether bodies are compressed.
func (c *Client) Compresses(ctx context.Context) bool { return c.conn.packer(ctx) != nil }
