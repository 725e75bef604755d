package ssh

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// maxJumps bounds a chain of hosts that lead to each other.
const maxJumps = 8

// connect dials a host, through others where the configuration says so, proves
// who it is, and logs in.
func connect(ctx context.Context, s *settings, jumps int) (*ssh.Client, error) {
	hosts, err := newHosts(s)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	keys, closeAgent := findKeys(ctx, s)
	defer closeAgent()
	raw, err := dial(ctx, s, jumps)
	if err != nil {
		var known *core.Error
		if errors.As(err, &known) {
			return nil, err
		}
		return nil, s.unreachable(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(raw, net.JoinHostPort(s.host, s.port), &ssh.ClientConfig{Config: s.transport, User: s.user,
		Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(keys.signers)}, HostKeyCallback: hosts.check, HostKeyAlgorithms: hosts.algorithms()})
	if err != nil {
		defer raw.Close()
		if hosts.refused != nil {
			return nil, hosts.refused
		}
		if ctx.Err() == nil && refusesLogin(err) {
			return nil, keys.refused(s)
		}
		if p, ok := raw.(*proxyConn); ok && ctx.Err() == nil {
			err = p.explain(err)
		}
		return nil, s.unreachable(ctx, err)
	}
	return ssh.NewClient(c, channels, requests), nil
}

// refusesLogin reports whether a server took none of the keys, or did not look at all of them.
func refusesLogin(err error) bool {
	return strings.Contains(err.Error(), "unable to authenticate") || strings.Contains(err.Error(), "Too many authentication failures")
}

// unreachable is the error of a host that does not answer, or not as a server of
// SSH.
func (s *settings) unreachable(ctx context.Context, err error) error {
	err = hostgo.ClientError(ctx, "connecting to "+core.DisplayPath(s.host)+" port "+s.port, "", err)
	var e *core.Error
	if errors.As(err, &e) {
		e.Hint = s.byHand()
	}
	return err
}

// byHand is the hint that tells what is the host's fault and what is ours.
func (s *settings) byHand() string {
	return "try it by hand: " + s.openSSH()
}

// openSSH is the command that connects as we do.
func (s *settings) openSSH() string { return "ssh -p " + s.port + " " + plan.Word(s.user+"@"+s.alias) }

func dial(ctx context.Context, s *settings, jumps int) (net.Conn, error) {
	address := net.JoinHostPort(s.host, s.port)
	switch {
	case jumps == maxJumps:
		return nil, &core.Error{Code: core.CodeLimit, Field: "ProxyJump", Message: "the way to the host leads over too many others"}
	case s.jump != "":
		hop, rest, more := cutLast(s.jump)
		t, err := ParseTarget("ssh://" + strings.TrimPrefix(hop, "ssh://") + "/jump")
		if err != nil {
			return nil, &core.Error{Code: core.CodeInvalidRequest, Field: "proxyjump",
				Message: "the SSH configuration names no host to go over: " + core.DisplayPath(hop), Hint: "write it as user@host:port"}
		}
		t.Config = s.config
		via, err := t.settings(ctx)
		if err != nil {
			return nil, err
		}
		if more {
			via.jump = rest
		}
		c, err := connect(ctx, via, jumps+1)
		if err != nil {
			return nil, err
		}
		raw, err := c.DialContext(ctx, "tcp", address)
		if err != nil {
			c.Close()
			return nil, err
		}
		return &viaConn{raw, sync.OnceValue(func() error { return errors.Join(raw.Close(), c.Close()) })}, nil
	case s.command != "":
		return startProxy(s.command)
	}
	d, start := net.Dialer{KeepAlive: 30 * time.Second}, time.Now()
	if s.source != nil {
		d.LocalAddr = &net.TCPAddr{IP: s.source}
	}
	raw, err := d.DialContext(ctx, s.network, address)
	s.dialed = time.Since(start)
	return raw, err
}

// cutLast splits the last of a list of hosts off: it is reached over the others.
func cutLast(list string) (last, rest string, more bool) {
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		return list[i+1:], list[:i], true
	}
	return list, "", false
}

// viaConn closes the connection that it runs over with itself. It is closed once,
// though both the caller and the end of what is read close it.
type viaConn struct {
	net.Conn
	close func() error
}

func (c *viaConn) Close() error { return c.close() }
