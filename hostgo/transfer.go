package hostgo

import (
	"context"
	"io"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// wholeBuffer bounds what a client that can't stream is given and asked for in
// one call, in bytes.
const wholeBuffer = 16 << 20

// partOf returns the longest body of one call of a client that can't stream.
func partOf(c Client) (int64, error) {
	most := CapabilitiesOf(c).MaxWrite
	if most <= 0 || most > wholeBuffer {
		most = wholeBuffer
	}
	if most < plan.PartUnit {
		return 0, &core.Error{Code: core.CodeUnsupported, Message: "the sandbox takes too little in one call",
			Hint: "it must take 4096 bytes at least"}
	}
	return most / plan.PartUnit * plan.PartUnit, nil
}

// runStream runs a command of a plan for a client that can stream.
func (s *session) runStream(ctx context.Context, command string, in io.Reader, out io.Writer) error {
	streamer, ok := s.client.(Streamer)
	if !ok {
		return &core.Error{Code: core.CodeInvalidRequest, Field: "stream", Message: "the plan wants a stream that the client does not have"}
	}
	return streamer.RunStream(ctx, command, in, out, s.opts.Timeout)
}

// writeParts writes what r delivers to a file in the sandbox, or to a row of
// parts where the request bounds them.
func (s *session) writeParts(ctx context.Context, path string, r io.Reader) error {
	if s.request.Part == 0 {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return s.client.WriteFile(ctx, path, data)
	}
	buf := make([]byte, s.request.Part)
	for n := 0; ; n++ {
		got, err := io.ReadFull(r, buf)
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return err
		}
		if got == 0 && n > 0 {
			return nil
		}
		name, err := plan.PartPath(path, n)
		if err != nil {
			return err
		}
		if err := s.client.WriteFile(ctx, name, buf[:got]); err != nil || last {
			return err
		}
	}
}

// readParts reads a file of the sandbox, or a row of parts that a short one ends.
func (s *session) readParts(ctx context.Context, path string, w io.Writer) error {
	for n := 0; ; n++ {
		name, err := plan.PartPath(path, n)
		if err != nil {
			return err
		}
		data, err := s.client.ReadFile(ctx, name)
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil || s.request.Part == 0 || int64(len(data)) != s.request.Part {
			return err
		}
	}
}
