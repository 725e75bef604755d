package ssh

import (
	"errors"
	"io"
	"net"
	"os/exec"

	"github.com/paperclipai/syncplan/hostgo"
)

// proxyConn is the stdin and stdout of a proxy command. It is closed when the command
// ends, so that nobody waits for one that is gone.
type proxyConn struct {
	net.Conn
	theirs net.Conn
	cmd    *exec.Cmd
	stderr hostgo.Tail
	ended  chan struct{}
}

// startProxy runs a command apart from the terminal: a Ctrl-C there is for the command in
// the sandbox, whose work still has to come home over this connection.
func startProxy(command string) (*proxyConn, error) {
	p := &proxyConn{cmd: exec.Command("sh", "-c", "exec "+command), ended: make(chan struct{})}
	p.Conn, p.theirs = net.Pipe()
	detach(p.cmd)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.WaitDelay = p.theirs, &p.stderr, killTime
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_, _ = io.Copy(in, p.theirs) // the end of the command says what was wrong
		in.Close()
	}()
	go func() {
		_ = p.cmd.Wait() // its state is kept
		p.theirs.Close()
		close(p.ended)
	}()
	return p, nil
}

// Close ends the command.
func (p *proxyConn) Close() error {
	_ = p.cmd.Process.Kill() // it may have ended already
	return p.Conn.Close()
}

// explain says of a login that broke off what a command that ended by itself had to say.
// Where the server's words were understood, they are the reason.
func (p *proxyConn) explain(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	<-p.ended
	exit := &hostgo.ExitError{Status: p.cmd.ProcessState.ExitCode(), Stderr: p.stderr.String()}
	return errors.New("the proxy command ended: " + exit.Error())
}
