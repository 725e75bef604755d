package ssh

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// farAway is the round trip from which on compressing pays: below it the link is
// a local one, faster than any compressor.
const farAway = 3 * time.Millisecond

// packer is a way to compress that both sides have. The standard level of this zstd takes
// a fifth more time than its fastest for a twelfth less bytes, which pays up to some 300 Mbit/s. A
// small window costs it one in a hundred, and half the memory.
type packer struct {
	unpack string // the command there
	writer func(io.Writer) (io.WriteCloser, error)
	reader func(io.Reader) (io.Reader, error)
}

// maxWindow is what the other side may make this one hold while it unpacks, in bytes: that of
// the highest ordinary level of zstd. Its default allows gigabytes.
const maxWindow = 8 << 20

// packedWindow is how far back what is compressed here refers, in bytes.
const packedWindow = 2 << 20

var packers = map[string]*packer{
	"zstd": {"zstd -q -dc",
		func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packedWindow))
		},
		func(r io.Reader) (io.Reader, error) {
			return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		}},
	"gzip": {"gzip -dc",
		func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestSpeed) },
		func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
}

// packThere compresses on the other side with what it has. The first line of its
// output says what that is, so that nobody has to ask before.
const packThere = "{ if command -v zstd >/dev/null; then echo zstd; zstd -q -c; elif command -v gzip >/dev/null; then echo gzip; gzip -1c; else echo cat; cat; fi; }"

// packing is how the streams of a connection are compressed. Until it is known
// they wait: on a slow link that is sooner done than sending them as they are,
// and on a fast one it is known at once.
type packing struct {
	measured chan struct{} // closed when far is known, which is all that output needs
	far      bool
	known    chan struct{} // closed when chosen is known
	chosen   *packer       // of input; nil for not at all
}

// isFar waits until it is known whether the link is slow.
func (c *conn) isFar(ctx context.Context) bool {
	select {
	case <-c.packing.measured:
		return c.packing.far
	case <-c.lost:
	case <-ctx.Done():
	}
	return false
}

// isNear reports whether the link is known to be fast by now.
func (p *packing) isNear() bool {
	select {
	case <-p.measured:
		return !p.far
	default:
		return false
	}
}

// packer waits until it is known how to compress input. It returns nil for not
// at all.
func (c *conn) packer(ctx context.Context) *packer {
	select {
	case <-c.packing.known:
		return c.packing.chosen
	case <-c.lost:
	case <-ctx.Done():
	}
	return nil
}

// probe measures the link and asks which compressors are there. The channel for that is
// opened meanwhile, and is its own: a command that comes now does not wait for another.
func (c *conn) probe(far, dialed time.Duration) {
	defer close(c.packing.known)
	own := make(chan opened, 1)
	go func() { own <- c.open() }()
	// A server that has just let somebody in answers late. Where the connection was made
	// as fast as on a near link it is asked again; the end of a tunnel may be far.
	trip, err := c.roundTrip()
	for i := 0; i < 3 && err == nil && trip >= far && dialed > 0 && dialed < far; i++ {
		trip, err = c.roundTrip()
	}
	c.packing.far = err == nil && trip >= far
	close(c.packing.measured)
	o := <-own
	if !c.packing.far || o.err != nil || o.command("for t in zstd gzip; do command -v $t >/dev/null && echo $t; done; :") != nil {
		o.close()
		return // the calls themselves report a connection that is gone
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out hostgo.Tail
	if _, err := c.wait(ctx, o, "", job{stdout: &out}); err != nil {
		return
	}
	if words := strings.Fields(out.String()); len(words) > 0 {
		c.packing.chosen = packers[words[0]]
	}
}

func (c *conn) roundTrip() (time.Duration, error) {
	start := time.Now()
	_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
	return time.Since(start), err
}

// compress returns j with its streams compressed on their way where the link is
// slow, and what to call when it ended. The exit status stays that of the command
// itself.
func (c *conn) compress(ctx context.Context, j job) (wrapped job, finish func() error) {
	var in *io.PipeReader
	wrapped, unpacking := j, func() error { return nil }
	if j.stdin != nil {
		if z := c.packer(ctx); z != nil {
			in = packed(z, j.stdin)
			wrapped.stdin = in
			wrapped.command = z.unpack + " | sh -c " + plan.Quote(j.command)
		}
	}
	if j.stdout != nil && c.isFar(ctx) {
		// A pipeline ends with the status of its last part, so the command's own is
		// passed around the compressor.
		wrapped.command = "{ s=$({ { { sh -c " + plan.Quote(wrapped.command) + "; } 3>&- 4>&-; echo $? >&4; } | " + packThere + " >&3; } 4>&1); } 3>&1; exit $s"
		wrapped.stdout, unpacking = unpacked(j.stdout)
	}
	return wrapped, func() error {
		if in != nil {
			in.Close() // a command need not read all, and what packs the rest would wait for ever
		}
		return unpacking()
	}
}

// packed returns a stream of what r delivers, compressed. It is read to its end or closed.
func packed(p *packer, r io.Reader) *io.PipeReader {
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

// unpacked returns a writer that passes on what packThere wrote, decompressed.
// finish returns the error of that, and what is missing at the end is one.
func unpacked(w io.Writer) (in io.Writer, finish func() error) {
	out, pipe := io.Pipe()
	done := make(chan error, 1)
	go func() {
		r, err := unpacker(out)
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

// unpacker reads the line that says how r is compressed.
func unpacker(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	name, err := b.ReadString('\n')
	if err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	name = strings.TrimSuffix(name, "\n")
	if p := packers[name]; p != nil {
		return p.reader(b)
	} else if name != "cat" {
		return nil, errors.New("the other side compresses in a way that is not known")
	}
	return b, nil
}
