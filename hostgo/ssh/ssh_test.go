package ssh_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	cryptossh "golang.org/x/crypto/ssh"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/clienttest"
	"github.com/paperclipai/syncplan/hostgo/ssh"
	"github.com/paperclipai/syncplan/hostgo/ssh/sshtest"
	"github.com/paperclipai/syncplan/internal/sshd"
)

// open connects to a server, with further settings for it.
func open(t testing.TB, s *sshd.Server, settings ...string) *ssh.Client {
	t.Helper()
	text, err := os.ReadFile(s.Config)
	require.NoError(t, err)
	return connect(t, string(text)+strings.Join(settings, "\n")+"\n")
}

// connect connects to what a configuration calls box.
func connect(t testing.TB, text string) *ssh.Client {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	c, err := ssh.Open(t.Context(), ssh.Target{Host: "box", Config: config})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestClient(t *testing.T) {
	s := sshtest.Start(t)
	clienttest.TestClient(t, func(t testing.TB) (hostgo.Client, string) { return open(t, s), t.TempDir() })
}

// With compression every promise holds as without.
func TestClientThatCompresses(t *testing.T) {
	s := sshtest.Start(t)
	clienttest.TestClient(t, func(t testing.TB) (hostgo.Client, string) {
		c := open(t, s, "Compression yes")
		require.True(t, c.Compresses(t.Context()))
		return c, t.TempDir()
	})
}

// Servers that are set up with care often allow two sessions at a time, or one.
func TestAServerThatTakesFewSessions(t *testing.T) {
	for _, sessions := range []string{"1", "2"} {
		t.Run(sessions, func(t *testing.T) {
			c := open(t, sshtest.Start(t, "MaxSessions "+sessions))
			for range 3 {
				roundTrip(t, c, plan.Hardened, 1)
				status, err := c.Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"sh", "-c", "cat; exit 7"}, Stdin: strings.NewReader("in")})
				require.NoError(t, err)
				require.Equal(t, 7, status)
			}
		})
	}
}

// slowWriter waits once, as a pager does.
type slowWriter struct {
	wait time.Duration
	n    int
}

func (w *slowWriter) Write(b []byte) (int, error) {
	time.Sleep(w.wait)
	w.wait, w.n = 0, w.n+len(b)
	return len(b), nil
}

// A command ends when its last output lies in a pipe on the other side. Whoever takes it
// slowly gets all of it, though another one that was left behind holds it open.
func TestSlowlyTakenOutputIsWhole(t *testing.T) {
	c := open(t, sshtest.Start(t))
	const window = 2 << 20 // what travels before the reader takes anything
	out := &slowWriter{wait: 4 * time.Second}
	var left strings.Builder
	command := fmt.Sprint("sleep 300 & echo $! >&2; head -c ", window+(50<<10), " /dev/zero")
	status, err := c.Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"sh", "-c", command}, Stdout: out, Stderr: &left})
	require.NoError(t, err)
	require.Zero(t, status)
	require.Equal(t, window+(50<<10), out.n)
	require.NoError(t, c.Run(t.Context(), "kill "+left.String(), time.Minute))
}

// What a shell's set-up says in each session is not taken for what a command says.
func TestAShellThatIsNotSilent(t *testing.T) {
	s := sshtest.Start(t, `ForceCommand printf 'a tip\nand half a line'; printf 'so there' >&2; eval "$SSH_ORIGINAL_COMMAND"`)
	for _, compression := range []string{"no", "yes"} {
		c := open(t, s, "Compression "+compression)
		roundTrip(t, c, plan.Hardened, 1)
		var out, errs strings.Builder
		status, err := c.Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"sh", "-c", "echo out; echo err >&2; exit 3"}, Stdout: &out, Stderr: &errs})
		require.NoError(t, err)
		require.Equal(t, 3, status)
		require.Equal(t, "out\nerr\n", out.String()+errs.String())
		require.ErrorIs(t, c.Run(t.Context(), "sleep 60", time.Second), core.CodeTimeout)
	}
}

// A user's own shell need not quote as sh does. This one takes two backslashes for one, as
// fish does, and no line ends, as csh.
func TestAShellThatQuotesOtherwise(t *testing.T) {
	shell := filepath.Join(t.TempDir(), "shell")
	require.NoError(t, os.WriteFile(shell, []byte(`case "$SSH_ORIGINAL_COMMAND" in
*"
"*) echo a line end in quotes >&2; exit 1 ;;
esac
eval "$(printf '%s\n' "$SSH_ORIGINAL_COMMAND" | sed 's/\\\\/\\/g')"
`), 0o600))
	c := open(t, sshtest.Start(t, "ForceCommand sh "+shell))
	roundTrip(t, c, plan.Hardened, 1)
	word := "a\\\\b\\c 'd' !!e\nf"
	var out strings.Builder
	status, err := c.Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"printf", "%s", word}, Stdout: &out})
	require.NoError(t, err)
	require.Zero(t, status)
	require.Equal(t, word, out.String())
}

// A shell that takes no commands says so, and that is passed on.
func TestAShellThatTakesNoCommands(t *testing.T) {
	s := sshtest.Start(t, "ForceCommand echo 'no logins here'; exit 1")
	for _, compression := range []string{"no", "yes"} {
		err := open(t, s, "Compression "+compression).RunStream(t.Context(), "true", nil, io.Discard, time.Minute)
		require.ErrorIs(t, err, core.CodeClient)
		require.ErrorContains(t, err, "no logins here")
	}
}

// A server may let nothing but one command of its own run, which may end well. What was asked for was
// not done then.
func TestAServerThatRunsSomethingElse(t *testing.T) {
	for _, other := range []string{"true", "cat", "echo done"} {
		c := open(t, sshtest.Start(t, "ForceCommand "+other))
		for _, in := range []io.Reader{nil, strings.NewReader("body")} {
			err := c.RunStream(t.Context(), "cat >/dev/null", in, io.Discard, time.Minute)
			require.ErrorIs(t, err, core.CodeClient, other)
			require.ErrorContains(t, err, "something else in its place", other)
		}
		_, err := c.Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"true"}})
		require.ErrorContains(t, err, "something else in its place", other)
	}
}

// A server for files alone refuses commands. That is said at once, and not after the time that a
// command may take.
func TestAServerThatRefusesCommands(t *testing.T) {
	key, hostKey := newKey(t, "key"), newKey(t, "host")
	data, err := os.ReadFile(hostKey)
	require.NoError(t, err)
	signer, err := cryptossh.ParsePrivateKey(data)
	require.NoError(t, err)
	config := &cryptossh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go serveNothing(in, config)
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	known := filepath.Join(t.TempDir(), "known")
	require.NoError(t, os.WriteFile(known, fmt.Appendf(nil, "[127.0.0.1]:%s %s", port, cryptossh.MarshalAuthorizedKey(signer.PublicKey())), 0o600))
	c := connect(t, fmt.Sprintf("Host box\n HostName 127.0.0.1\n Port %s\n User me\n IdentityFile %s\n UserKnownHostsFile %s\n IdentityAgent none\n", port, key, known))
	for _, in := range []io.Reader{nil, strings.NewReader("body")} {
		err := c.RunStream(t.Context(), "cat >/dev/null", in, io.Discard, time.Hour)
		require.ErrorIs(t, err, core.CodeClient)
		require.ErrorContains(t, err, "the server runs no commands")
	}
}

// serveNothing opens channels and refuses whatever is asked for in them.
func serveNothing(in net.Conn, config *cryptossh.ServerConfig) {
	_, channels, requests, err := cryptossh.NewServerConn(in, config)
	if err != nil {
		return
	}
	go cryptossh.DiscardRequests(requests)
	for c := range channels {
		if _, requests, err := c.Accept(); err == nil {
			go cryptossh.DiscardRequests(requests)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	s := sshtest.Start(t)
	// Where the command that applies the archive takes it as a stream, it is one call.
	for dialect, calls := range map[plan.Dialect]int{plan.Hardened: 1, plan.Classic: 3} {
		t.Run(string(dialect), func(t *testing.T) { roundTrip(t, open(t, s), dialect, calls) })
	}
}

func roundTrip(t *testing.T, c hostgo.Client, dialect plan.Dialect, calls int) {
	top := t.TempDir()
	local, there := filepath.Join(top, "local"), filepath.Join(top, "there")
	require.NoError(t, os.MkdirAll(filepath.Join(local, "d"), 0o755))
	require.NoError(t, os.Mkdir(there, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(local, "d", "it's"), []byte("1"), 0o644))
	o := hostgo.Options{Workspace: local, Client: c, Root: there, Dialect: dialect, StateDir: filepath.Join(top, "state")}
	r, err := hostgo.Push(t.Context(), o)
	require.NoError(t, err)
	require.EqualValues(t, calls, r.ClientCalls)
	require.NoError(t, os.WriteFile(filepath.Join(there, "d", "it's"), []byte("2"), 0o644))
	r, err = hostgo.Pull(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, plan.StatusOK, r.Status)
	data, err := os.ReadFile(filepath.Join(local, "d", "it's"))
	require.NoError(t, err)
	require.Equal(t, "2", string(data))
}

// A command with input reaches its shell as a line, whatever its bytes are.
func TestInputWithAnyCommand(t *testing.T) {
	c := open(t, sshtest.Start(t))
	word := "two\nlines, 'quotes' \\n \\0101 %b %s $HOME `x` \x01\x7f\xff é"
	for _, stdin := range []io.Reader{nil, strings.NewReader("in")} {
		var out strings.Builder
		status, err := c.Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"sh", "-c", `printf %s "$1"; cat`, "sh", word}, Stdin: stdin, Stdout: &out})
		require.NoError(t, err)
		require.Zero(t, status)
		require.Equal(t, word, strings.TrimSuffix(out.String(), "in"))
		require.Equal(t, stdin != nil, strings.HasSuffix(out.String(), "in"))
	}
}

// A command that a signal ended has the status that a shell gives it.
func TestCommandsThatSignalsEnd(t *testing.T) {
	c := open(t, sshtest.Start(t))
	for name, n := range map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "SEGV": 11, "PIPE": 13, "ALRM": 14, "TERM": 15, "USR1": 10, "USR2": 12} {
		status, err := c.Exec(t.Context(), hostgo.ExecRequest{Argv: []string{"sh", "-c", "kill -" + name + " $$; sleep 60"}})
		require.NoError(t, err, name)
		require.Equal(t, 128+n, status, name)
	}
	_, err := c.Exec(t.Context(), hostgo.ExecRequest{})
	require.ErrorIs(t, err, core.CodeInvalidRequest)
	require.ErrorIs(t, c.Run(t.Context(), strings.Repeat("x", 130_000), 0), core.CodeLimit)
}

func TestHostsAndKeys(t *testing.T) {
	s := sshtest.Start(t)
	config := func(lines ...string) string {
		p := filepath.Join(t.TempDir(), "config")
		text := fmt.Sprintf("Host box\n  HostName 127.0.0.1\n  Port %s\n  User %s\n  IdentityAgent none\n", s.Port, s.User)
		require.NoError(t, os.WriteFile(p, []byte(text+strings.Join(lines, "\n")+"\n"), 0o600))
		return p
	}
	other := filepath.Join(t.TempDir(), "other")
	otherKey, err := sshd.NewKey(other)
	require.NoError(t, err)
	changed := filepath.Join(t.TempDir(), "changed")
	require.NoError(t, os.WriteFile(changed, fmt.Appendf(nil, "[127.0.0.1]:%s %s", s.Port, cryptossh.MarshalAuthorizedKey(otherKey)), 0o600))
	none := filepath.Join(t.TempDir(), "none")
	fresh := filepath.Join(t.TempDir(), "deep", "fresh")
	for _, c := range []struct {
		name, config, want, hint string
	}{
		{"unknown host", config("IdentityFile "+s.KeyFile, "UserKnownHostsFile "+none), "is not known", "ssh -p " + s.Port},
		{"true is yes", config("IdentityFile "+s.KeyFile, "UserKnownHostsFile "+none, "StrictHostKeyChecking true"), "is not known", "ssh -p"},
		{"ask is yes", config("IdentityFile "+s.KeyFile, "UserKnownHostsFile "+none, "StrictHostKeyChecking ask"), "is not known", "connect once by hand, and compare the fingerprint: ssh -p"},
		{"changed host", config("IdentityFile "+s.KeyFile, "UserKnownHostsFile "+changed), "is not the one that is known", "remove the old key: ssh-keygen -R '[127.0.0.1]:" + s.Port + "' -f " + changed},
		{"changed host is never accepted", config("IdentityFile "+s.KeyFile, "UserKnownHostsFile "+changed, "StrictHostKeyChecking no"), "is not the one that is known", "ssh-keygen -R"},
		{"wrong key", config("IdentityFile "+other, "UserKnownHostsFile "+s.KnownHosts), "was refused", "try it by hand"},
		{"no key", config("IdentityFile "+none, "UserKnownHostsFile "+s.KnownHosts), "was refused", "there is no key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ssh.Open(t.Context(), ssh.Target{Host: "box", Config: c.config})
			require.ErrorIs(t, err, core.CodePermission)
			require.ErrorContains(t, err, c.want)
			var e *core.Error
			require.ErrorAs(t, err, &e)
			require.Contains(t, e.Hint, c.hint)
		})
	}
	for range 2 { // learned once, known the second time
		c, err := ssh.Open(t.Context(), ssh.Target{Host: "box", Config: config("IdentityFile "+s.KeyFile, "UserKnownHostsFile "+fresh, "StrictHostKeyChecking accept-new")})
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	_, err = ssh.Open(t.Context(), ssh.Target{Host: "box", Port: "1", Config: s.Config})
	require.ErrorIs(t, err, core.CodeClient)
	var e *core.Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.Hint, "try it by hand: ssh -p 1 ")
}

func TestAgentAndJump(t *testing.T) {
	s := sshtest.Start(t)
	config := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("Host a b\n HostName 127.0.0.1\n Port %s\n User %s\n UserKnownHostsFile %s\n IdentityAgent %s\n IdentityFile /nonexistent\nHost b\n ProxyJump a\n", s.Port, s.User, s.KnownHosts, startAgent(t, s.KeyFile))
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	for _, host := range []string{"a", "b"} {
		c, err := ssh.Open(t.Context(), ssh.Target{Host: host, Config: config})
		require.NoError(t, err)
		require.NoError(t, c.Run(t.Context(), "exit 0", time.Minute))
		require.NoError(t, c.Close())
	}
}

// startProxy forwards the first bytes to the server, and then cuts the connection
// or falls silent.
func startProxy(t *testing.T, s *sshd.Server, after int64, silent bool) *ssh.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", net.JoinHostPort(s.Host, s.Port))
		if err != nil {
			in.Close()
			return
		}
		go func() { _, _ = io.Copy(in, out) }()
		_, _ = io.CopyN(out, in, after)
		if silent {
			return // both stay open, and nothing passes any more
		}
		in.Close()
		out.Close()
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	dir := t.TempDir()
	known := filepath.Join(dir, "known")
	require.NoError(t, os.WriteFile(known, fmt.Appendf(nil, "[127.0.0.1]:%s %s", port, cryptossh.MarshalAuthorizedKey(s.HostKey)), 0o600))
	config := filepath.Join(dir, "config")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "Host box\n HostName 127.0.0.1\n User %s\n IdentityFile %s\n UserKnownHostsFile %s\n IdentityAgent none\n ServerAliveInterval 1\n ServerAliveCountMax 2\n", s.User, s.KeyFile, known), 0o600))
	c, err := ssh.Open(t.Context(), ssh.Target{Host: "box", Port: port, Config: config})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestADroppedConnectionIsAnError(t *testing.T) {
	s := sshtest.Start(t)
	body := make([]byte, 8<<20)
	rand.Read(body) // so that no compressor makes it shorter than what passes
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprint("silent=", silent), func(t *testing.T) {
			c := startProxy(t, s, 1<<20, silent)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := c.WriteFile(ctx, filepath.Join(t.TempDir(), "f"), body)
			require.ErrorIs(t, err, core.CodeClient)
			require.ErrorContains(t, err, "the connection was lost")
			var e *core.Error
			require.ErrorAs(t, err, &e)
			require.Contains(t, e.Hint, "run it again")
			require.ErrorIs(t, c.Run(ctx, "exit 0", 0), core.CodeClient)
			_, err = c.Exec(ctx, hostgo.ExecRequest{Argv: []string{"true"}})
			require.ErrorAs(t, err, &e)
			require.Contains(t, e.Hint, "planner pull")
			require.NoError(t, c.Close(), "what was done before is done")
		})
	}
}

func TestParseTarget(t *testing.T) {
	got, err := ssh.ParseTarget("ssh://me@host:2222/a%20b/c/")
	require.NoError(t, err)
	require.Equal(t, ssh.Target{Host: "host", User: "me", Port: "2222", Path: "/a b/c"}, got)
	_, err = ssh.ParseTarget("ssh://host:65535/a")
	require.NoError(t, err)
	for _, bad := range []string{"ssh://", "ssh://host", "ssh://host/", "ssh://host/~/a", "ssh://host/~me", "ssh://me:secret@host/a", "ssh:///a", "http://host/a", "ssh://host/a?b", "ssh://host/a#b", "ssh://host:65536/a", "ssh://host:x/a", "ssh://host:99999/a", "ssh://host:0/a", "ssh://-oProxyCommand=x/a",
		"ssh://$(id)/a", "ssh://a;id/a", "ssh://a&id/a", "ssh://a>b/a", "ssh://[fe80::1%25a b]/a", "ssh://[fe80::1%25a%20b]/a", "ssh://[fe80::1%25$(id)]/a",
		"ssh://-l@host/a", "ssh://$(id)@host/a", "ssh://%60id%60@host/a", "ssh://a%20b@host/a", "ssh://a%0Aid@host/a", "ssh://a%01@host/a", "ssh://a%5C@host/a"} {
		_, err := ssh.ParseTarget(bad)
		require.ErrorIs(t, err, core.CodeInvalidRequest, bad)
		require.NotContains(t, err.Error(), "secret")
	}
}
