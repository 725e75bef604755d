package clienttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

func checkStreams(e *env) error {
	s, ok := e.c.(hostgo.Streamer)
	if !ok {
		return nil // an optional promise
	}
	data := pattern(3 << 20)
	q := plan.Quote(e.at("stream"))
	if err := s.RunStream(e.ctx, "cat >"+q, bytes.NewReader(data), nil, time.Minute); err != nil {
		return fmt.Errorf("calling RunStream with an input: %w", err)
	}
	if err := e.holds("stream", data); err != nil {
		return err
	}
	var got bytes.Buffer
	if err := s.RunStream(e.ctx, "echo noise >&2; cat "+q+" -", strings.NewReader("and\x00more"), &got, time.Minute); err != nil {
		return fmt.Errorf("calling RunStream with both streams: %w", err)
	}
	if !bytes.Equal(got.Bytes(), append(data, "and\x00more"...)) {
		return fmt.Errorf("RunStream gave %d bytes that are not what the command wrote", got.Len())
	}
	for _, out := range []io.Writer{nil, io.Discard} {
		for _, in := range []io.Reader{nil, bytes.NewReader(data)} {
			err := s.RunStream(e.ctx, "echo some; exit 9", in, out, time.Minute)
			var exit *hostgo.ExitError
			if !errors.As(err, &exit) || exit.Status != 9 {
				return fmt.Errorf("calling RunStream with a command that exits 9 returned %v", err)
			}
		}
	}
	slow := &slowWriter{}
	if err := s.RunStream(e.ctx, "head -c 60000 "+q, nil, slow, time.Minute); err != nil || !bytes.Equal(slow.got.Bytes(), data[:60000]) {
		return fmt.Errorf("RunStream gave %d bytes of 60000 to a writer that takes its time, and error %v", slow.got.Len(), err)
	}
	return checkBrokenStreams(e, s)
}

// slowWriter takes so long for its first bytes that the command has ended before it asks
// for the others.
type slowWriter struct{ got bytes.Buffer }

func (w *slowWriter) Write(b []byte) (int, error) {
	if w.got.Len() == 0 {
		time.Sleep(4 * time.Second)
	}
	return w.got.Write(b)
}

// checkBrokenStreams wants a command killed before it can take half an input for
// a whole one.
func checkBrokenStreams(e *env, s hostgo.Streamer) error {
	boom := errors.New("the stream broke")
	after := plan.Quote(e.at("after"))
	err := s.RunStream(e.ctx, "cat >/dev/null; sleep 1; echo done >"+after, io.MultiReader(bytes.NewReader(pattern(1<<20)), &brokenReader{boom}), nil, time.Minute)
	if !errors.Is(err, boom) {
		return fmt.Errorf("calling RunStream hides an error of its input: %v", err)
	}
	if err := s.RunStream(e.ctx, "echo short", nil, &brokenWriter{boom}, time.Minute); !errors.Is(err, boom) {
		return fmt.Errorf("calling RunStream hides an error of its output at the end: %v", err)
	}
	noise := "n=noise; for i in 0 1 2 3 4 5 6 7 8 9; do n=$n$n; done; while :; do echo $n; done" // much at a time, since a compressor waits for megabytes
	if err := s.RunStream(e.ctx, noise, nil, &brokenWriter{boom}, time.Minute); !errors.Is(err, boom) {
		return fmt.Errorf("calling RunStream hides an error of its output: %v", err)
	}
	if err := s.RunStream(e.ctx, "sleep 60", nil, io.Discard, time.Second); !errors.Is(err, core.CodeTimeout) {
		return fmt.Errorf("calling RunStream with a command that is silent for too long returned %v", err)
	}
	if _, err := e.c.ReadFile(e.ctx, e.at("after")); err == nil {
		return errors.New("a command went on after RunStream could not give it all of its input")
	}
	return nil
}

type brokenWriter struct{ err error }

func (w *brokenWriter) Write([]byte) (int, error) { return 0, w.err }

type brokenReader struct{ err error }

func (r *brokenReader) Read([]byte) (int, error) { return 0, r.err }
