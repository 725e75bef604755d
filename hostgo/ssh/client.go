// Package ssh is a sandbox that is reached over SSH. Everything goes over
// channels of one connection, each running one command; no file transfer
// protocol is needed on the other side.
package ssh

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// Client implements [hostgo.Client], [hostgo.Streamer], [hostgo.Identified],
// [hostgo.Capable] and [hostgo.Commander].
type Client struct {
	conn     *conn
	identity string
}

// Open connects to a host as OpenSSH would: by the user's configuration, agent,
// keys and known hosts. A host whose key is not known, or another one than
// known, is refused.
func Open(ctx context.Context, t Target) (*Client, error) {
	s, err := t.settings(ctx)
	if err != nil {
		return nil, err
	}
	c, err := connect(ctx, s, 0)
	if err != nil {
		return nil, err
	}
	return &Client{newConn(c, s), "ssh:" + s.user + "@" + s.host + ":" + s.port}, nil
}

// Close ends the connection and whatever still runs over it. It never fails.
func (c *Client) Close() error {
	c.conn.close()
	return nil
}

// Identity implements [hostgo.Identified].
func (c *Client) Identity() string { return c.identity }

// Capabilities implements [hostgo.Capable].
func (c *Client) Capabilities() hostgo.Capabilities {
	return hostgo.Capabilities{Far: !c.conn.packing.isNear()}
}

// maxArg leaves room for the wrapping of a command, below the 131,071 bytes that
// Linux takes for one argument.
const maxArg = 130_000

// missing is the exit status by which our commands say that a file is not there.
const (
	missing     = 44
	missingText = "44"
)

// call runs one of our own commands on a path.
func (c *Client) call(ctx context.Context, what, p, command string, stdin io.Reader, stdout io.Writer) error {
	if err := hostgo.BeginCall(ctx, what, p); err != nil {
		return err
	}
	var tail hostgo.Tail
	status, err := c.conn.run(ctx, job{command: command, stdin: stdin, stdout: stdout, stderr: &tail})
	switch {
	case err != nil:
	case status == missing:
		err = fs.ErrNotExist
	case status != 0:
		err = &hostgo.ExitError{Status: status, Stderr: tail.String()}
	default:
		return nil
	}
	return ifLost(hostgo.ClientError(ctx, what, p, err), runAgain)
}

const runAgain = "run it again; what has arrived whole is not sent again"

// MakeDir implements [hostgo.Client].
func (c *Client) MakeDir(ctx context.Context, p string) error {
	return c.call(ctx, "making the folder", p, "mkdir -p -- "+plan.Quote(p), nil, nil)
}

// WriteFile implements [hostgo.Client].
func (c *Client) WriteFile(ctx context.Context, p string, data []byte) error {
	return c.call(ctx, "writing", p, "cat >"+plan.Quote(p), bytes.NewReader(data), nil)
}

// ReadFile implements [hostgo.Client].
func (c *Client) ReadFile(ctx context.Context, p string) ([]byte, error) {
	var b bytes.Buffer
	q := plan.Quote(p)
	if err := c.call(ctx, "reading", p, "[ -e "+q+" ] || [ -L "+q+" ] || exit "+missingText+"; [ -f "+q+" ] && cat -- "+q, nil, &b); err != nil {
		return nil, err
	}
	return append([]byte{}, b.Bytes()...), nil
}

// ListFiles implements [hostgo.Client].
func (c *Client) ListFiles(ctx context.Context, p string) ([]string, error) {
	var b bytes.Buffer
	q := plan.Quote(p)
	err := c.call(ctx, "listing", p, "[ -e "+q+" ] || exit "+missingText+"; cd -- "+q+" && find . -mindepth 1 -maxdepth 1 ! -type d -print0", nil, &b)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for n := range strings.SplitSeq(b.String(), "\x00") {
		if n, ok := strings.CutPrefix(n, "./"); ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Remove implements [hostgo.Client].
func (c *Client) Remove(ctx context.Context, p string) error {
	return c.call(ctx, "removing", p, "rm -rf -- "+plan.Quote(p), nil, nil)
}

// Run implements [hostgo.Client].
func (c *Client) Run(ctx context.Context, command string, timeout time.Duration) error {
	return c.RunStream(ctx, command, nil, nil, timeout)
}

// RunStream implements [hostgo.Streamer]. On a slow link both streams are
// compressed.
func (c *Client) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	const what = "a command in the sandbox"
	if err := ctx.Err(); err != nil {
		return hostgo.ClientError(ctx, what, "", err)
	}
	idle := hostgo.NewIdle(ctx, timeout)
	defer idle.Stop()
	var tail hostgo.Tail
	j, finish := c.conn.compress(idle, job{command: command, stdin: idle.Reader(in), stdout: idle.Writer(out), stderr: &tail})
	status, err := c.conn.run(idle, j)
	unpacking := finish()
	switch {
	case err != nil:
	case status != 0: // which is also why the output ends early
		err = &hostgo.ExitError{Status: status, Stderr: tail.String()}
	default:
		err = unpacking
	}
	return ifLost(idle.Explain(what, err), runAgain)
}

// startMark is all that stderr begins with once nothing stands in the way of a command.
// Its statuses 126 and 127 are its own then, and not those of a shell that could not
// start it.
const startMark = "\n"

// markReader takes the mark off what it passes on.
type markReader struct {
	to   io.Writer
	seen bool
}

func (m *markReader) Write(b []byte) (int, error) {
	n := len(b)
	if !m.seen && n > 0 && b[0] == startMark[0] {
		m.seen, b = true, b[1:]
	}
	if m.to == nil || len(b) == 0 {
		return n, nil
	}
	_, err := m.to.Write(b)
	return n, err
}

// Exec implements [hostgo.Commander].
func (c *Client) Exec(ctx context.Context, req hostgo.ExecRequest) (int, error) {
	const what = "the command"
	if len(req.Argv) == 0 {
		return -1, &core.Error{Code: core.CodeInvalidRequest, Field: "argv", Message: "there is no command to run"}
	}
	if err := ctx.Err(); err != nil {
		return -1, hostgo.ClientError(ctx, what, "", err)
	}
	var b strings.Builder
	if req.Dir != "" {
		b.WriteString("cd -- " + plan.Quote(req.Dir) + " || exit 126; ")
	}
	for _, e := range req.Env {
		name, value, ok := strings.Cut(e, "=")
		if !ok || !isVariable(name) {
			return -1, &core.Error{Code: core.CodeInvalidRequest, Field: "env", Message: "a shell has no variable of the name " + core.DisplayPath(name),
				Hint: "use letters, digits and _, no digit first"}
		}
		b.WriteString("export " + name + "=" + plan.Quote(value) + "; ")
	}
	b.WriteString("command -v -- " + plan.Quote(req.Argv[0]) + " >/dev/null || exit 127; echo >&2; exec")
	for _, a := range req.Argv {
		b.WriteString(" " + plan.Quote(a))
	}
	mark := &markReader{to: req.Stderr}
	status, err := c.conn.run(ctx, job{command: b.String(), stdin: req.Stdin, stdout: req.Stdout, stderr: mark, signals: req.Signals, leaves: true})
	if err == nil && !mark.seen && status != 0 {
		return -1, hostgo.NotStarted(ctx, errors.New("it could not be started there"))
	}
	if err == nil {
		return status, nil
	}
	return -1, ifLost(hostgo.ClientError(ctx, what, "", err), "it may go on there; bring home what it does with planner pull")
}

// isVariable reports whether a shell takes a name for one of a variable. Of another one it could
// run a part.
func isVariable(name string) bool {
	for i, c := range name {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// ifLost adds a hint to the error of a call during which the connection was lost.
func ifLost(err error, hint string) error {
	var e *core.Error
	if errors.Is(err, errLost) && errors.As(err, &e) && e.Code == core.CodeClient {
		e.Hint = hint
	}
	return err
}
