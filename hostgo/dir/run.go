package dir

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"golang.org/x/term"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// drainTime bounds how long a call waits for silent pipes that an escaped child holds
// open after its process group is gone.
const drainTime = 2 * time.Second

// Run implements [hostgo.Client]. The command's whole process group is killed
// on timeout and when ctx ends.
func (c *Client) Run(ctx context.Context, command string, timeout time.Duration) error {
	return c.RunStream(ctx, command, nil, nil, timeout)
}

// RunStream implements [hostgo.Streamer].
func (c *Client) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	if len(command) >= maxArg {
		return &core.Error{Code: core.CodeLimit, Message: "the command is longer than one argument may be"}
	}
	idle := hostgo.NewIdle(ctx, timeout)
	defer idle.Stop()
	var stderr hostgo.Tail
	cmd := group(idle, "sh", "-c", plan.Script(command))
	cmd.Dir, cmd.Stderr = c.root, &stderr
	if in != nil {
		cmd.Stdin = wide{failing{idle.Reader(in), cmd.Cancel}}
	}
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	err := run(idle, cmd, idle.Writer(out))
	var exit *exec.ExitError
	switch {
	case errors.Is(err, fs.ErrNotExist) && isGone(c.root):
		return &core.Error{Code: core.CodeClient, Path: c.root, Message: "the sandbox's folder is gone"}
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil // a child outlived it with a pipe open
	case errors.As(err, &exit):
		err = &hostgo.ExitError{Status: status(exit.ProcessState), Stderr: stderr.String()}
	}
	return idle.Explain("a command in the sandbox", err)
}

// run runs a command and passes its output on, if out is not nil. What out can't take ends
// ctx, and is told by whoever made that.
func run(ctx context.Context, cmd *exec.Cmd, out io.Writer) error {
	if out == nil {
		return cmd.Run()
	}
	stdout, err := newOutput(out)
	if err != nil {
		return err
	}
	cmd.Stdout = stdout.to
	err = cmd.Run()
	stdout.finish(ctx)
	return err
}

// isGone tells a folder that is not there from a shell that is not.
func isGone(folder string) bool {
	_, err := os.Stat(folder)
	return errors.Is(err, fs.ErrNotExist)
}

// failing is an input whose error kills a command before the pipe that it reads is
// closed, which looks like the end of a whole input.
type failing struct {
	io.Reader
	kill func() error
}

// Read implements [io.Reader].
func (r failing) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && err != io.EOF {
		_ = r.kill() // it may have ended already
	}
	return n, err
}

// wide is an input that travels in large pieces once it proves to be long. With
// those of [io.Copy], and the pipe that a process gets, command and host wait for
// each other most of the time. But what lies in the pipe when an input breaks off
// is lost, and would have to be sent again: so a short one is copied as ever.
type wide struct{ io.Reader }

const (
	longInput = 1 << 20 // bytes
	pieceSize = 64 << 10
)

// WriteTo implements [io.WriterTo], which package exec asks for.
func (r wide) WriteTo(w io.Writer) (int64, error) {
	to := struct{ io.Writer }{w}
	n, err := io.CopyN(to, r.Reader, longInput)
	if err != nil {
		if err == io.EOF {
			err = nil
		}
		return n, err
	}
	if pipe, ok := w.(*os.File); ok {
		widen(pipe, longInput)
	}
	more, err := io.CopyBuffer(to, r.Reader, make([]byte, pieceSize))
	return n + more, err
}

// Exec implements [hostgo.Commander].
func (c *Client) Exec(ctx context.Context, req hostgo.ExecRequest) (int, error) {
	const what = "the command"
	if len(req.Argv) == 0 {
		return -1, &core.Error{Code: core.CodeInvalidRequest, Field: "argv", Message: "there is no command to run"}
	}
	atTerminal := isTerminal(req.Stdin)
	cmd := group(ctx, req.Argv[0], req.Argv[1:]...)
	if atTerminal {
		shareTerminal(cmd)
	}
	cmd.Dir, cmd.Stdin = req.Dir, req.Stdin
	cmd.Stdout, cmd.Stderr = req.Stdout, req.Stderr
	cmd.Env = append(os.Environ(), req.Env...)
	if cmd.Dir == "" {
		cmd.Dir = c.root
	}
	if err := cmd.Start(); err != nil {
		return -1, hostgo.NotStarted(ctx, err)
	}
	stop := passSignals(req.Signals, func(s os.Signal) {
		if atTerminal && s == os.Interrupt {
			return // the terminal has sent it to the command already
		}
		_ = signal(cmd, s) // a command that is just ending need not get it any more
	})
	err := cmd.Wait()
	stop()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return -1, hostgo.ClientError(ctx, what, "", ctx.Err())
	case err == nil, errors.As(err, &exit), errors.Is(err, exec.ErrWaitDelay):
		return status(cmd.ProcessState), nil
	}
	return -1, hostgo.ClientError(ctx, what, "", err)
}

// passSignals hands signals to send until it is stopped, which waits for one that is under way.
func passSignals(signals <-chan os.Signal, send func(os.Signal)) (stop func()) {
	ended, passed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(passed)
		for {
			select {
			case s, ok := <-signals:
				if !ok {
					return
				}
				send(s)
			case <-ended:
				return
			}
		}
	}()
	return func() { close(ended); <-passed }
}

// isTerminal reports whether a command reads from a person's terminal.
func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
