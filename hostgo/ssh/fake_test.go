package ssh

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// buffered is an end of a pipe whose writes wait for nobody, as those of a socket.
type buffered struct {
	net.Conn
	writes chan []byte
	closed context.Context
	close  func()
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{Conn: c, writes: make(chan []byte, 1000)}
	b.closed, b.close = context.WithCancel(context.Background())
	go func() {
		for {
			select {
			case data := <-b.writes:
				_, _ = c.Write(data) // whoever reads learns that it is closed
			case <-b.closed.Done():
				return
			}
		}
	}()
	return b
}

func (b *buffered) Write(data []byte) (int, error) {
	select {
	case b.writes <- bytes.Clone(data):
		return len(data), nil
	case <-b.closed.Done():
		return 0, net.ErrClosed
	}
}

func (b *buffered) Close() error {
	b.close()
	return b.Conn.Close()
}

// fake is a server of which nothing is real, for tests in a bubble: time passes there when nothing else is left to do.
type fake struct {
	lives func()                           // returns when it is to say that it lives; nil: at once
	run   func(c ssh.Channel, line string) // runs a command, and says nothing by itself; nil: none ends
}

// connect returns a client of the server.
func (f *fake) connect(t *testing.T) *ssh.Client {
	t.Helper()
	ours, theirs := net.Pipe()
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(newSigner(t))
	go func() {
		_, channels, requests, err := ssh.NewServerConn(newBuffered(theirs), config)
		if err != nil {
			return // the client tells
		}
		go f.answer(requests)
		for asked := range channels {
			if c, requests, err := asked.Accept(); err == nil {
				go f.serve(c, requests)
			}
		}
	}()
	c, channels, requests, err := ssh.NewClientConn(newBuffered(ours), "box", &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	require.NoError(t, err)
	return ssh.NewClient(c, channels, requests)
}

func (f *fake) answer(requests <-chan *ssh.Request) {
	for r := range requests {
		if f.lives != nil {
			f.lives()
		}
		_ = r.Reply(false, nil)
	}
}

func (f *fake) serve(c ssh.Channel, requests <-chan *ssh.Request) {
	for r := range requests {
		var exec struct{ Line string }
		_ = r.Reply(r.Type == "exec", nil) // if it is asked for
		if f.run != nil && r.Type == "exec" && ssh.Unmarshal(r.Payload, &exec) == nil {
			go f.run(c, exec.Line)
		}
	}
}

// starts says what a shell of ours says.
func starts(c ssh.Channel) {
	_, _ = io.WriteString(c, mark+"\n")
	_, _ = io.WriteString(c.Stderr(), mark+" 17\n")
}

// ends ends a command.
func ends(c ssh.Channel, status uint32) {
	_, _ = c.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
	_ = c.Close()
}
