package ssh

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/paperclipai/syncplan/core"
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
	keys, closeAgent := findKeys(s)
	defer closeAgent()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
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
	c, channels, requests, err := ssh.NewClientConn(raw, hosts.address, &ssh.ClientConfig{User: s.user,
		Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(keys.signers)}, HostKeyCallback: hosts.check, HostKeyAlgorithms: hosts.algorithms()})
	if err != nil {
		raw.Close()
		if hosts.refused != nil {
			return nil, hosts.refused
		}
		if ctx.Err() == nil && strings.Contains(err.Error(), "unable to authenticate") {
			return nil, keys.refused(s)
		}
		return nil, s.unreachable(ctx, err)
	}
	return ssh.NewClient(c, channels, requests), nil
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
	return "try it by hand: ssh -p " + s.port + " " + s.user + "@" + s.alias
}

func dial(ctx context.Context, s *settings, jumps int) (net.Conn, error) {
	address := net.JoinHostPort(s.host, s.port)
	switch {
	case jumps == maxJumps:
		return nil, &core.Error{Code: core.CodeLimit, Field: "ProxyJump", Message: "the way to the host leads over too many others"}
	case s.jump != "":
		hop, rest, more := cutLast(s.jump)
		t, err := ParseTarget("ssh://" + strings.TrimPrefix(hop, "ssh://") + "/jump")
		if err != nil {
			return nil, err
		}
		t.Config = s.config
		via, err := t.settings()
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
	raw, err := d.DialContext(ctx, "tcp", address)
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

// proxyConn is the stdin and stdout of a proxy command.
type proxyConn struct {
	net.Conn
	cmd *exec.Cmd
}

func startProxy(command string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	cmd := exec.Command("sh", "-c", "exec "+command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, io.Discard
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // the other end reports the closed pipe
		theirs.Close()
	}()
	return &proxyConn{ours, cmd}, nil
}

func (c *proxyConn) Close() error {
	_ = c.cmd.Process.Kill() // it may have ended already
	return c.Conn.Close()
}

// keys are the agent's and those of files.
type keys struct {
	list      []ssh.Signer
	encrypted []string
}

// findKeys reads keys in OpenSSH's order: those of the agent, then the files. With
// IdentitiesOnly the agent serves just the keys of the files.
func findKeys(s *settings) (*keys, func()) {
	k := &keys{}
	done := func() {}
	files, public := k.files(s)
	if s.agent != "" {
		if c, err := net.Dial("unix", s.agent); err == nil {
			done = func() { c.Close() }
			list, err := agent.NewClient(c).Signers()
			if err == nil {
				for _, key := range list {
					if !s.identitiesOnly || public[string(key.PublicKey().Marshal())] {
						k.list = append(k.list, key)
					}
				}
			}
		}
	}
	k.list = append(k.list, files...)
	return k, done
}

func (k *keys) files(s *settings) (list []ssh.Signer, public map[string]bool) {
	public = map[string]bool{}
	for _, name := range s.identities {
		if data, err := os.ReadFile(name + ".pub"); err == nil {
			if p, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
				public[string(p.Marshal())] = true
			}
		}
		data, err := os.ReadFile(name)
		if err != nil {
			continue // as OpenSSH does; the login fails if nothing else fits
		}
		key, err := ssh.ParsePrivateKey(data)
		var locked *ssh.PassphraseMissingError
		switch {
		case errors.As(err, &locked):
			k.encrypted = append(k.encrypted, name)
		case err == nil:
			public[string(key.PublicKey().Marshal())] = true
			list = append(list, key)
		}
	}
	return list, public
}

func (k *keys) signers() ([]ssh.Signer, error) { return k.list, nil }

func (k *keys) refused(s *settings) error {
	e := &core.Error{Code: core.CodePermission, Message: "the login as " + core.DisplayPath(s.user) + " at " + core.DisplayPath(s.host) + " was refused",
		Hint: s.byHand()}
	if len(k.encrypted) > 0 {
		e.Hint = "the key " + k.encrypted[0] + " needs a passphrase, which only an agent can give: ssh-add " + k.encrypted[0]
	} else if len(k.list) == 0 {
		e.Hint = "there is no key in the agent or in the identity files; make one with ssh-keygen, or start an agent"
	}
	return e
}

// hosts checks a host's key against the known ones.
type hosts struct {
	s       *settings
	address string
	known   ssh.HostKeyCallback
	refused error
}

func newHosts(s *settings) (*hosts, error) {
	h := &hosts{s: s, address: net.JoinHostPort(s.host, s.port)}
	var files []string
	for _, name := range s.knownHosts {
		if _, err := os.Stat(name); err == nil {
			files = append(files, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, &core.Error{Code: core.CodeIO, Path: name, Message: "the list of known hosts can't be read", Err: err}
		}
	}
	var err error
	if h.known, err = knownhosts.New(files...); err != nil {
		return nil, &core.Error{Code: core.CodeIO, Message: "the list of known hosts can't be read", Err: err}
	}
	return h, nil
}

// algorithms lists those of the keys that are known, so that the server does not
// show another one of its keys. Nil is no wish.
func (h *hosts) algorithms() []string {
	var out []string
	var e *knownhosts.KeyError
	if errors.As(h.known(h.address, &net.TCPAddr{}, noKey{}), &e) {
		for _, k := range e.Want {
			t := k.Key.Type()
			if t == ssh.KeyAlgoRSA {
				out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			}
			out = append(out, t)
		}
	}
	return out
}

// noKey is unlike any key.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

func (h *hosts) check(address string, remote net.Addr, key ssh.PublicKey) error {
	if tcp, ok := remote.(*net.TCPAddr); !ok || tcp == nil {
		remote = &net.TCPAddr{}
	}
	err := h.known(address, remote, key)
	var e *knownhosts.KeyError
	name := core.DisplayPath(h.s.host) + " port " + h.s.port
	print := ssh.FingerprintSHA256(key)
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		h.refused = &core.Error{Code: core.CodePermission, Message: "the key of " + name + " is not to be trusted", Err: err}
	case len(e.Want) > 0:
		h.refused = &core.Error{Code: core.CodePermission, Message: "the key of " + name + " is not the one that is known; somebody may be in between. It shows " + key.Type() + " " + print,
			Hint: "if the change is expected, remove the old key: ssh-keygen -R " + knownhosts.Normalize(h.address) + " -f " + e.Want[0].Filename}
	case h.s.accept:
		return h.learn(key)
	default:
		h.refused = &core.Error{Code: core.CodePermission, Message: "the key of " + name + " is not known. It shows " + key.Type() + " " + print,
			Hint: "connect once by hand, and compare the fingerprint: ssh -p " + h.s.port + " " + h.s.user + "@" + h.s.alias}
	}
	return h.refused
}

// learn adds a key to the first list, which "accept-new" asks for.
func (h *hosts) learn(key ssh.PublicKey) error {
	if len(h.s.knownHosts) == 0 {
		return nil
	}
	name := h.s.knownHosts[0]
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}
	if err == nil {
		_, err = f.WriteString(knownhosts.Line([]string{knownhosts.Normalize(h.address)}, key) + "\n")
		if e := f.Close(); err == nil {
			err = e
		}
	}
	if err != nil {
		h.refused = &core.Error{Code: core.CodeIO, Path: name, Message: "the host's key can't be added to the known ones", Err: err}
		return h.refused
	}
	return nil
}
