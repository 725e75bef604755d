package ssh

import (
	"context"
	"errors"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/paperclipai/syncplan/core/plan"
)

// sparsePause is how long a session that was refused waits before it is asked for again.
const sparsePause = 20 * time.Millisecond

// opened is a channel of which nothing was asked yet, or in which a shell waits.
type opened struct {
	channel  ssh.Channel
	requests <-chan *ssh.Request
	err      error
}

func (c *conn) open() (o opened) {
	o.channel, o.requests, o.err = c.client.OpenChannel("session", nil)
	return o
}

// shell starts a shell that waits. Being ahead of its use, it has the time for the server's answer.
func (c *conn) shell() opened {
	o := c.open()
	if o.err != nil {
		return o
	}
	if ok, err := o.channel.SendRequest("exec", true, execRequest(waitingShell)); err != nil {
		o.err = err
	} else if !ok {
		o.err = errNoCommands
	}
	return o
}

// errSparse stands where a channel is not opened ahead.
var errSparse = &ssh.OpenChannelError{Reason: ssh.ResourceShortage, Message: "not opened ahead"}

func (c *conn) ahead(open func() opened) opened {
	if c.sparse.Load() {
		return opened{err: errSparse}
	}
	return open()
}

// refused reports whether the server has as many sessions as it takes.
func (o opened) refused() bool {
	var e *ssh.OpenChannelError
	return errors.As(o.err, &e)
}

// take returns a channel from a queue, for which another one is opened then. Where the
// server refused one, what else lies open for later may be in its way, or a command that
// has ended here and there not yet.
func (c *conn) take(ctx context.Context, queue chan opened, open func() opened) (o opened, err error) {
	end := time.Now().Add(killTime)
	for {
		select {
		case o = <-queue:
		case <-c.lost:
			return o, c.why
		case <-ctx.Done():
			return o, ctx.Err()
		}
		if !o.refused() || time.Now().After(end) {
			go func() { queue <- c.ahead(open) }()
			return o, o.err
		}
		c.sparse.Store(true)
		c.closeAhead()
		go func() {
			if o.err != errSparse {
				time.Sleep(sparsePause)
			}
			queue <- open()
		}()
	}
}

func (c *conn) closeAhead() {
	for _, queue := range []chan opened{c.idle, c.shells} {
		select {
		case o := <-queue:
			o.close()
			queue <- opened{err: errSparse}
		default:
		}
	}
}

// command asks for a command. Waiting for the answer would cost a round trip; that the server
// runs none shows at the first waiting shell.
func (o opened) command(text string) error {
	_, err := o.channel.SendRequest("exec", false, execRequest(commandLine(text)))
	return err
}

func execRequest(line string) []byte { return ssh.Marshal(struct{ Command string }{line}) }

// commandLine passes a command by way of the user's shell, in a word in which no shell sees
// anything to change: fish takes two backslashes in quotes for one, and csh no line ends.
// One that would be too long for an argument so stands as it is.
func commandLine(text string) string {
	if line := encodedShell + "'" + visible(text) + "'"; len(line) <= maxArg {
		return line
	}
	return plainShell + plan.Quote(text)
}

func (o opened) close() {
	if o.channel != nil {
		_ = o.channel.Close() // it may have ended already
	}
}

// session returns a channel in which a command was started, or is as soon as the
// returned line is written to it.
func (c *conn) session(ctx context.Context, j *job) (o opened, line string, err error) {
	queue, open := c.idle, c.open
	if j.stdin != nil {
		queue, open = c.shells, c.shell
	}
	o, err = c.take(ctx, queue, open)
	switch {
	case err != nil:
		return o, "", err
	case j.stdin != nil:
		return o, visible(j.command) + "\n", nil
	}
	return o, "", o.command(j.command)
}
