package ssh

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// maxChannels bounds the commands that run at a time: OpenSSH's server takes ten
// sessions a connection, and ending a command takes one more.
const maxChannels = 6

// killTime bounds how long the end of a command on the other side is waited for.
const killTime = 5 * time.Second

// conn is one connection. Channels are opened ahead, so that a command costs one
// round trip. OpenSSH's server takes no input before it has started a command, so
// for those that have some a shell is started ahead that waits for the command.
type conn struct {
	client *ssh.Client
	slots  chan struct{}
	idle   chan opened   // one, of which nothing was asked yet
	shells chan opened   // one, with a waiting shell
	sparse atomic.Bool   // the server takes fewer sessions than are wanted: none is opened ahead
	lost   chan struct{} // closed when the connection is gone
	why    error         // it is gone
	once   sync.Once

	packing packing
}

var (
	errLost       = errors.New("the connection was lost")
	errNoCommands = errors.New("the server runs no commands")
	errNotRun     = errors.New("the server ran something else in its place, or nothing")
)

func newConn(client *ssh.Client, s *settings) *conn {
	c := &conn{client: client, slots: make(chan struct{}, maxChannels), idle: make(chan opened, 1), shells: make(chan opened, 1),
		lost: make(chan struct{}), packing: packing{measured: make(chan struct{}), known: make(chan struct{})}}
	go func() { c.idle <- c.open() }()
	go func() {
		o := c.shell()
		if o.err == errNoCommands {
			c.end(o.err)
		}
		c.shells <- o
	}()
	go func() {
		_ = client.Wait() // why it ended is told by the calls that it ends
		c.end(errLost)
	}()
	go c.probe(s.far, s.dialed)
	go c.keepAlive(s.aliveInterval, s.aliveCount)
	return c
}

func (c *conn) close() { c.end(errLost) }

// end ends the connection, and each call that it carries with a reason. That it ended before
// is no failure: the calls have told what became of it.
func (c *conn) end(why error) {
	c.once.Do(func() {
		c.why = why
		close(c.lost)
	})
	_ = c.client.Close()
}

// keepAlive ends a connection whose other side has gone silent, so that no call
// waits for ever.
func (c *conn) keepAlive(every time.Duration, misses int) {
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	answered := make(chan struct{}, 1)
	answered <- struct{}{}
	silent := 0
	for {
		select {
		case <-c.lost:
			return
		case <-tick.C:
		}
		select {
		case <-answered:
			silent = 0
			go func() {
				if _, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil); err == nil {
					answered <- struct{}{}
				}
			}()
		default:
			if silent++; silent >= misses {
				c.close() // the calls report it
				return
			}
		}
	}
}

// job is one command on the other side.
type job struct {
	command string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	signals <-chan os.Signal
	// leaves is a command that may leave others behind, with its output in their hands.
	leaves bool
}

// The server makes each command a session and process group of its own, whose id
// stands behind the mark on stderr, so that all of it can be ended. The first
// takes the command as one more word, the second the same encoded, and the last as the
// first line of its input.
const (
	sayMark      = "echo; echo " + mark + "; echo >&2; echo " + mark + " $$ >&2; " // half a line may stand before it
	plainShell   = "exec sh -c '" + sayMark + `exec sh -c "$0"' `
	encodedShell = "exec sh -c '" + sayMark + `exec sh -c "$(printf %b "$0")"' `
	waitingShell = "exec sh -c '" + sayMark + `IFS= read -r l && exec sh -c "$(printf %b "$l")"'`
)

// visible writes a command in visible characters, as printf's %b reads it, without those
// that mean something within single quotes.
func visible(command string) string {
	var b strings.Builder
	for i := range len(command) {
		if c := command[i]; c < ' ' || c > '~' || strings.IndexByte(`\'!`, c) >= 0 {
			fmt.Fprintf(&b, `\0%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// run runs a job and returns its exit status, 128+n where signal n ended it.
func (c *conn) run(ctx context.Context, j job) (int, error) {
	if len(plainShell+plan.Quote(j.command)) > maxArg {
		return -1, &core.Error{Code: core.CodeLimit, Message: "the command is longer than one argument may be"}
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-c.lost:
		return -1, c.why
	case <-ctx.Done():
		return -1, ctx.Err()
	}
	o, line, err := c.session(ctx, &j)
	if err != nil {
		o.close()
		return -1, c.explain(err)
	}
	return c.wait(ctx, o, line, j)
}

// wait runs a job on a channel of its own, which it closes.
func (c *conn) wait(ctx context.Context, o opened, line string, j job) (int, error) {
	defer o.close()
	return newProcess(c, o, line, j).wait(ctx, j.signals)
}

func (c *conn) explain(err error) error {
	select {
	case <-c.lost:
		return c.why
	default:
		return err
	}
}

// process is a running job.
type process struct {
	conn   *conn
	o      opened
	group  group
	stdout markedWriter
	stderr markedWriter
	input  chan error // why stdin could not be read; closed at its end
	output sync.WaitGroup
	reads  atomic.Int64  // of output
	held   atomic.Int64  // streams whose output was read and not passed on yet
	over   chan struct{} // closed when there is no more output
	sink   error         // of stdout or stderr on this side
	mu     sync.Mutex
	ended  chan int // the status, or -1 for none
}

func newProcess(c *conn, o opened, line string, j job) *process {
	p := &process{conn: c, o: o, input: make(chan error, 1), over: make(chan struct{}), ended: make(chan int, 1)}
	p.group.known = make(chan struct{})
	p.stdout.to, p.stderr.to, p.stderr.told = j.stdout, j.stderr, p.group.tell
	go p.feed(line, j.stdin)
	p.output.Go(func() { p.drain(&p.stdout, o.channel) })
	p.output.Go(func() { p.drain(&p.stderr, o.channel.Stderr()) })
	go p.watch(j.leaves)
	return p
}

// feed writes the line that starts a waiting shell's command, and its input.
func (p *process) feed(line string, stdin io.Reader) {
	var err error
	if stdin != nil {
		_, _ = io.WriteString(p.o.channel, line) // it may have ended already
		source := &sourceReader{r: stdin}
		_, _ = io.CopyBuffer(struct{ io.Writer }{p.o.channel}, source, make([]byte, 64<<10)) // a command need not read all
		err = source.err
	}
	if err == nil {
		_ = p.o.channel.CloseWrite() // it may have ended already
	}
	p.input <- err
}

// sourceReader remembers the error of the source, which must not look like its
// end to the other side.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// outputReader notes what becomes of a process's output.
type outputReader struct {
	io.Reader
	p     *process
	holds bool // something that was read and not passed on yet
}

func (r *outputReader) Read(b []byte) (int, error) {
	if r.holds {
		r.p.held.Add(-1)
	}
	r.p.reads.Add(1)
	n, err := r.Reader.Read(b)
	if r.holds = err == nil; r.holds {
		r.p.held.Add(1)
	}
	return n, err
}

func (p *process) drain(to io.Writer, from io.Reader) {
	output := &outputReader{Reader: from, p: p}
	if _, err := io.CopyBuffer(struct{ io.Writer }{to}, output, make([]byte, 64<<10)); err != nil {
		p.mu.Lock()
		p.sink = err
		p.mu.Unlock()
		_, _ = io.Copy(io.Discard, output)
	}
}

// drainTime is how long the output of a command that has ended may be silent before it is
// taken to be in the hands of something that was left behind.
const drainTime = 2 * time.Second

// leave closes the channel of a command that has ended once nothing more comes.
func (p *process) leave() {
	for {
		reads := p.reads.Load()
		select {
		case <-p.over:
			return
		case <-time.After(drainTime):
		}
		// What the other side sent before it answers has come by then, however slow the link is.
		if _, err := p.conn.roundTrip(); err != nil {
			return // the calls report it
		}
		if p.held.Load() == 0 && p.reads.Load() == reads {
			p.o.close()
			return
		}
	}
}

func (p *process) watch(leaves bool) {
	status := -1
	for r := range p.o.requests {
		switch {
		case r.Type == "exit-status" && len(r.Payload) >= 4:
			status = int(binary.BigEndian.Uint32(r.Payload))
		case r.Type == "exit-signal":
			var sig struct {
				Name   string
				Dumped bool
				Text   string
				Lang   string
			}
			_ = ssh.Unmarshal(r.Payload, &sig)
			status = 128 + signalNumbers[sig.Name]
		}
		if leaves && status >= 0 {
			leaves = false
			go p.leave()
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
	p.output.Wait()
	if p.stderr.to != nil { // of a command that never began this is the reason
		_, _ = io.WriteString(p.stderr.to, p.stdout.unmarked()+p.stderr.unmarked()) // as good as the command's own
	}
	close(p.over)
	p.ended <- status
}

var signalNumbers = map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "SEGV": 11,
	"PIPE": 13, "ALRM": 14, "TERM": 15, "USR1": 10, "USR2": 12}

func (p *process) wait(ctx context.Context, signals <-chan os.Signal) (int, error) {
	input := p.input
	for {
		select {
		case status := <-p.ended:
			return p.result(ctx, status)
		case err := <-input:
			if input = nil; err != nil {
				p.kill("KILL")
				return -1, err
			}
		case s, ok := <-signals:
			if !ok {
				signals = nil
			} else if n, ok := s.(syscall.Signal); ok {
				go p.kill(strconv.Itoa(int(n)))
			}
		case <-ctx.Done():
			p.kill("KILL")
			return -1, ctx.Err()
		case <-p.conn.lost:
			return -1, p.conn.why
		}
	}
}

func (p *process) result(ctx context.Context, status int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return -1, ctx.Err()
	case p.sink != nil:
		return -1, p.sink
	case status < 0:
		// The end of a channel is often seen before that of its connection.
		select {
		case <-p.conn.lost:
			return -1, p.conn.why
		case <-time.After(time.Second):
			return -1, errors.New("it ended without a status")
		}
	case status == 0 && !p.stdout.found && !p.stderr.found:
		return -1, errNotRun
	}
	select {
	case err := <-p.input:
		if err != nil {
			return -1, err
		}
	default:
	}
	return status, nil
}

// kill sends a signal to the command and its children.
func (p *process) kill(signal string) {
	end := time.NewTimer(killTime)
	defer end.Stop()
	select {
	case <-p.group.known:
	case <-p.conn.lost:
		return
	case <-end.C:
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, err := p.conn.client.NewSession()
		if err != nil {
			return
		}
		defer s.Close()
		_ = s.Run("kill -" + signal + " -" + p.group.id) // it may have ended already
	}()
	select {
	case <-done:
	case <-p.conn.lost:
	case <-end.C:
	}
}
