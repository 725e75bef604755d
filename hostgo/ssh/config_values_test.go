package ssh

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// settingsOf reads a configuration for a host.
func settingsOf(t *testing.T, host, config string) (*settings, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(name, []byte(config), 0o600))
	return Target{Host: host, Config: name}.settings(t.Context())
}

func TestValues(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("FOLDER", "/folder")
	t.Setenv("SSH_AUTH_SOCK", "/agent")
	me, err := user.Current()
	require.NoError(t, err)
	alive := func(s *settings) any { return s.aliveInterval }
	count := func(s *settings) any { return s.aliveCount }
	timeout := func(s *settings) any { return s.timeout }
	accept := func(s *settings) any { return s.accept }
	rekey := func(s *settings) any { return s.transport.RekeyThreshold }
	files := func(s *settings) any { return strings.Join(s.identities, " ") }
	agent := func(s *settings) any { return s.agent }
	way := func(s *settings) any { return s.jump + "|" + s.command }
	host := func(s *settings) any { return s.host }
	where := func(s *settings) any { return s.user + "|" + s.port }
	for _, row := range []struct {
		config string
		of     func(*settings) any
		want   any
	}{
		{"ServerAliveInterval 0", alive, time.Duration(0)},
		{"ServerAliveInterval None", alive, 15 * time.Second},
		{"ServerAliveInterval 90", alive, 90 * time.Second},
		{"ServerAliveInterval 1M30s", alive, 90 * time.Second},
		{"ServerAliveInterval 2h", alive, 2 * time.Hour},
		{"ServerAliveInterval 1d", alive, 24 * time.Hour},
		{"ServerAliveInterval 52w2d", alive, 366 * 24 * time.Hour},
		{"ServerAliveCountMax 0", count, 3},
		{"ServerAliveCountMax 1", count, 1},
		{"ConnectTimeout 0", timeout, 30 * time.Second},
		{"ConnectTimeout 5", timeout, 5 * time.Second},
		{"StrictHostKeyChecking Accept-New", accept, true},
		{"StrictHostKeyChecking no", accept, true},
		{"StrictHostKeyChecking off", accept, true},
		{"StrictHostKeyChecking false", accept, true},
		{"StrictHostKeyChecking yes", accept, false},
		{"StrictHostKeyChecking true", accept, false},
		{"StrictHostKeyChecking ask", accept, false},
		{"KnownHostsCommand NONE\nStrictHostKeyChecking no", accept, true},
		{"RekeyLimit Default none", rekey, uint64(0)},
		{"RekeyLimit 100", rekey, uint64(100)},
		{"RekeyLimit 3K", rekey, uint64(3 << 10)},
		{"RekeyLimit 3m 1h", rekey, uint64(3 << 20)},
		{"RekeyLimit 3g", rekey, uint64(3 << 30)},
		{"RekeyLimit 8589934591", rekey, uint64(1<<33 - 1)},
		{"IdentityFile ~/k\nIdentityFile ~/k\nIdentityFile NONE\nIdentityFile ~" + me.Username + "/k", files, home + "/k " + me.HomeDir + "/k"},
		{"IdentityFile %d/a%%b", files, home + "/a%b"},
		{"IdentityFile ${FOLDER}/%n", files, "/folder/box"},
		{"IdentityFile /$FOLDER/}", files, "/$FOLDER/}"},
		{"IdentityAgent none", agent, ""},
		{"IdentityAgent SSH_AUTH_SOCK", agent, "/agent"},
		{"IdentityAgent $FOLDER", agent, "/folder"},
		{"IdentityAgent ${FOLDER}/s", agent, "/folder/s"},
		{"IdentityAgent ~/s", agent, home + "/s"},
		{"ProxyJump None", way, "|"},
		{"ProxyJump a\nProxyJump b\nProxyCommand c", way, "a|"},
		{"ProxyJump none\nProxyCommand c  d %n ${FOLDER} # e", way, "|c  d box ${FOLDER} # e"},
		{"ProxyCommand none\nProxyJump a", way, "|"},
		{"ProxyCommand c\nProxyJump a", way, "|c"},
		{"HostName REAL-%h", host, "real-box"},
		{"HostName a%%b\nMatch final", host, "a%b"},
		{"Match final\nHostName other", host, "box"}, // as by the second look the name is known
		{"HostName 2001:DB8::0:1", host, "2001:db8::1"},
		{"User me\nUser you\nPort 0080", where, "me|80"},
		{"User \"m\\\"e\"\nPort '80'", where, "m\"e|80"},
		{`User m\ e\\`, where, `m e\|22`},
		{`User a\b`, where, `a\b|22`},
		{`User "a\ b"`, where, `a\ b|22`},
		{`User a\`, where, `a\|22`},
		{`User "it's"`, where, "it's|22"},
		{`User 'a"b'`, where, `a"b|22`},
		{"IdentityFile2 /k", files, "/k"},
		{"PubkeyAcceptedKeyTypes ssh-rsa", func(s *settings) any { return s.userKeyAlgorithms[0] }, "ssh-rsa"},
		{"GlobalKnownHostsFile none\nUserKnownHostsFile\t/a\t/b", func(s *settings) any { return strings.Join(s.knownHosts, " ") }, "/a /b"},
		{"User \"a b\"# c\nPort 80 # d", where, "a b#|80"},
	} {
		s, err := settingsOf(t, "box", row.config+"\n")
		require.NoError(t, err, row.config)
		require.Equal(t, row.want, row.of(s), row.config)
	}
	for config, field := range map[string]string{
		"ServerAliveInterval 52w3d":       "serveraliveinterval",
		"ServerAliveInterval 1x":          "serveraliveinterval",
		"ServerAliveInterval s":           "serveraliveinterval",
		"ServerAliveInterval -1":          "serveraliveinterval",
		"ServerAliveInterval 99999999999": "serveraliveinterval",
		"ServerAliveCountMax -1":          "serveralivecountmax",
		"ServerAliveCountMax many":        "serveralivecountmax",
		"RequiredRSASize 1k":              "requiredrsasize",
		"RekeyLimit 8589934592":           "rekeylimit",
		"RekeyLimit 1kk":                  "rekeylimit",
		"Match final\nPort 70000":         "port",
		"Port 80#1":                       "port",
		"Compression 9":                   "compression",
		"IdentityFile a%":                 "identityfile",
		"IdentityFile ${FOLDER":           "identityfile",
		"ProxyJump %q":                    "proxyjump",
		"ProxyCommand %q":                 "proxycommand",
		"HostKeyAlgorithms nothing":       "hostkeyalgorithms",
		"KexAlgorithms nothing":           "kexalgorithms",
		"MACs nothing":                    "macs",
		"CASignatureAlgorithms nothing":   "casignaturealgorithms",
		"PubkeyAcceptedAlgorithms none":   "pubkeyacceptedalgorithms",
	} {
		_, err := settingsOf(t, "box", config+"\n")
		var e *core.Error
		require.ErrorAs(t, err, &e, config)
		require.Equal(t, core.CodeInvalidRequest, e.Code, config)
		require.Equal(t, field, e.Field, config)
	}
}

// Where OpenSSH would look for a host under another name, the name that is given could be
// somebody else's.
func TestNamesThatOpenSSHCompletes(t *testing.T) {
	const domains = "CanonicalDomains example.com\n"
	for config, refused := range map[string]bool{
		"":                                       false,
		"CanonicalizeHostname no\n" + domains:    false,
		"CanonicalizeHostname false\n" + domains: false,
		"CanonicalizeHostname yes\n":             false,
		"CanonicalizeHostname yes\nCanonicalDomains none\n":                           false,
		"CanonicalizeHostname yes\n" + domains:                                        true,
		"CanonicalizeHostname true\n" + domains:                                       true,
		"CanonicalizeHostname Always\n" + domains:                                     true,
		"CanonicalizeHostname yes\nHostName 10.1\n" + domains:                         true,
		"CanonicalizeHostname yes\nHostName ::1\n" + domains:                          false,
		"CanonicalizeHostname yes\nHostName a.b.c\n" + domains:                        false,
		"CanonicalizeHostname yes\nHostName a.b.c\nCanonicalizeMaxDots 2\n" + domains: true,
		"CanonicalizeHostname yes\nHostName a.b\nCanonicalizeMaxDots 0\n" + domains:   false,
		"CanonicalizeHostname yes\nProxyJump a\n" + domains:                           false,
		"CanonicalizeHostname yes\nProxyCommand a\n" + domains:                        false,
		"CanonicalizeHostname always\nProxyJump a\n" + domains:                        true,
	} {
		_, err := settingsOf(t, "box", config)
		if !refused {
			require.NoError(t, err, config)
			continue
		}
		var e *core.Error
		require.ErrorAs(t, err, &e, config)
		require.Equal(t, "canonicalizehostname", e.Field, config)
	}
}

// Which lines are for a host decides who is reached, and by which key it is known.
func TestWhichLinesAreForAHost(t *testing.T) {
	me, err := user.Current()
	require.NoError(t, err)
	for config, want := range map[string]string{
		"Host box !box\nPort 1\n":                                                   "22",
		"Host !other\nPort 1\n":                                                     "22",
		"Host *\nPort 1\n":                                                          "1",
		"Host other\nMatch all\nPort 1\n":                                           "1",
		"Match host other\nHost box\nPort 1\n":                                      "1",
		"Match !host other,!box\nPort 1\n":                                          "1",
		"Match host BOX originalhost Box\nPort 1\n":                                 "1",
		"Match originalhost real\nPort 1\nMatch all\nHostName real\n":               "22",
		"HostName real\nMatch host box\nPort 1\n":                                   "22",
		"HostName real\nMatch host real originalhost box\nPort 1\n":                 "1",
		"Match localuser " + me.Username + "\nPort 1\n":                             "1",
		"Match localuser nobody-here\nPort 1\n":                                     "22",
		"Match user nobody-here\nPort 1\n":                                          "22",
		"User somebody\nMatch user somebody\nPort 1\n":                              "1",
		"Match canonical\nPort 1\n":                                                 "22",
		"Match !canonical\nPort 1\n":                                                "1",
		"Match !final\nPort 1\n":                                                    "1",
		"Match final\nPort 1\n":                                                     "1",
		"Match final all\nPort 1\nMatch canonical all\nPort 2\n":                    "1",
		"Match canonical\nPort 2\nMatch final\nUser me\n":                           "2",
		"Match host other final\nPort 1\n":                                          "22",
		"Port 3\nMatch final\nPort 1\n":                                             "3",
		"Match host other exec false,x\nPort 1\n":                                   "22",
		"Match exec true\nPort 1\n":                                                 "1",
		"Match exec \"exit 7\"\nPort 1\n":                                           "22",
		"Match !exec \"exit 7\"\nPort 1\n":                                          "1",
		"Match tagged \"\"\nPort 1\n":                                               "1",
		"Tag a\nTag b\nMatch tagged b\nPort 1\n":                                    "22",
		"Match tagged a*,b\nPort 1\nMatch all\nTag ab\nMatch tagged b,a?\nPort 2\n": "2",
	} {
		s, err := settingsOf(t, "box", config)
		require.NoError(t, err, config)
		require.Equal(t, want, s.port, config)
	}
}

// A file that can't be read, or of which there is no end, could have said how a host is known.
func TestFilesOfAConfiguration(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	file := func(name, text string) string {
		p := filepath.Join(home, name)
		require.NoError(t, os.WriteFile(p, []byte(text), 0o600))
		return p
	}
	file("other", "Host other\nPort 2\n")
	file("one", "Port 1\n")
	loop := file("loop", "Include loop\n")
	for i := range maxInclude + 1 {
		file(fmt.Sprint("deep", i), fmt.Sprintf("Include deep%d\n", i+1))
	}
	file(fmt.Sprint("deep", maxInclude+1), "Port 1\n")
	for _, row := range []struct {
		config, port string
		code         core.Code // "" is none
	}{
		{filepath.Join(home, "none"), "22", ""},
		{file("a", "Include other none*\nInclude one\n"), "1", ""},
		{file("b", "Include other\nPort 3\n"), "3", ""},
		{file("c", "Host other\nInclude one\nPort 4\nHost *\nPort 5"), "5", ""},
		{file("d", "Include ~/one\n"), "1", ""},
		{file("e", "Include [ one\n"), "1", ""},
		{file("f", "Include deep1\n"), "22", core.CodeLimit},
		{file("g", "Include deep2\n"), "1", ""},
		{loop, "", core.CodeLimit},
		{home, "", core.CodeIO},
		{filepath.Join(loop, "below"), "", core.CodeIO},
		{file("h", "# "+strings.Repeat("x", 1<<20)), "", core.CodeIO},
		{file("i", "Include "+home+"\n"), "", core.CodeIO},
	} {
		s, err := Target{Host: "box", Config: row.config}.settings(t.Context())
		if row.code != "" {
			require.ErrorIs(t, err, row.code, row)
			continue
		}
		require.NoError(t, err, row)
		require.Equal(t, row.port, s.port, row)
	}
}

// A command that could not be run says nothing of which lines are for a host.
func TestAConditionThatCantBeAsked(t *testing.T) {
	name := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(name, []byte("Match exec \"exec sleep 60\"\nPort 1\n"), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := Target{Host: "box", Config: name}.settings(ctx)
	require.ErrorContains(t, err, "the command of the SSH configuration can't be run")
	t.Setenv("PATH", "/none")
	_, err = Target{Host: "box", Config: name}.settings(t.Context())
	require.ErrorContains(t, err, "the command of the SSH configuration can't be run")
}
