package ssh

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/paperclipai/syncplan/core"
)

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	s, err := ssh.NewSignerFromKey(key)
	require.NoError(t, err)
	return s
}

func line(key ssh.PublicKey) string { return string(ssh.MarshalAuthorizedKey(key)) }

// hostCert certifies a key as one of 127.0.0.1, after what a row wants to be otherwise.
func hostCert(t *testing.T, key ssh.PublicKey, authority ssh.Signer, change func(*ssh.Certificate)) *ssh.Certificate {
	t.Helper()
	c := &ssh.Certificate{Key: key, CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity}
	change(c)
	require.NoError(t, c.SignCert(rand.Reader, authority))
	return c
}

func newHostsOf(t *testing.T, config string) *hosts {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(name, []byte(config+"HostName 127.0.0.1\nPort 2222\nGlobalKnownHostsFile none\n"), 0o600))
	s, err := Target{Host: "box", Config: name}.settings(t.Context())
	require.NoError(t, err)
	h, err := newHosts(s)
	require.NoError(t, err)
	return h
}

// Each row is what OpenSSH 9.2 does, or stricter: a host that it refuses and we accept can be
// somebody else.
func TestHostKeys(t *testing.T) {
	ca, host, other := newSigner(t), newSigner(t), newSigner(t)
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	rsaHost, err := ssh.NewSignerFromKey(long)
	require.NoError(t, err)
	oldCA, err := ssh.NewSignerWithAlgorithms(rsaHost.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	require.NoError(t, err)
	asIs := func(*ssh.Certificate) {}
	cert := func(change func(*ssh.Certificate)) ssh.PublicKey { return hostCert(t, host.PublicKey(), ca, change) }
	good, sha1 := cert(asIs), hostCert(t, host.PublicKey(), oldCA, asIs)
	byRSA, ofRSA := hostCert(t, host.PublicKey(), rsaHost, asIs), hostCert(t, rsaHost.PublicKey(), ca, asIs)
	expired := cert(func(c *ssh.Certificate) { c.ValidBefore = 1 })
	revoked := filepath.Join(t.TempDir(), "revoked")
	require.NoError(t, os.WriteFile(revoked, []byte("# stolen\n\n"+line(host.PublicKey())), 0o600))
	words := strings.NewReplacer("HOST ", line(host.PublicKey()), "OTHER ", line(other.PublicKey()), "CA ", line(ca.PublicKey()), "RSA ", line(rsaHost.PublicKey()),
		"CERT ", line(good), "NAME", "[127.0.0.1]:2222", "BARE", "127.0.0.1", "HIDDEN", "|1|LSNqVyqFeXmPZsQYdEPpE7gNJtM=|CKdp0bDe7OadPr+XfbGj8Y5or1w=", // by ssh-keygen -H
		"VEILED", "|1|oDZkBYPVk14di95pmdBmaFjAQAE=|gMEDaYus9uMmu44tXG+Hr353zo0=") // of port 2223
	plain := host.PublicKey()
	for _, row := range []struct {
		name, known, config string
		shows               ssh.PublicKey
		want                string // what the refusal says; "" is none
	}{
		{"known", "NAME HOST ", "", plain, ""},
		{"unknown", "elsewhere HOST ", "", plain, "is not known"},
		{"another one is known", "NAME OTHER ", "StrictHostKeyChecking no", plain, "not the one"},
		{"both are known", "NAME OTHER NAME HOST ", "", plain, ""},
		{"known without the port", "BARE HOST ", "", plain, ""},
		{"with the port another one", "BARE HOST NAME OTHER ", "", plain, "not the one"},
		{"with the port revoked ones only", "BARE HOST @revoked NAME OTHER ", "", plain, ""},
		{"a pattern", "FOO,[127.?.0.1]:* HOST ", "", plain, ""},
		{"on the usual port another one", "BARE OTHER ", "Port 22\nStrictHostKeyChecking no", plain, "not the one"},
		{"excluded", "*,!NAME,!BARE HOST ", "", plain, "is not known"},
		{"hashed", "HIDDEN HOST ", "", plain, ""},
		{"hashed behind another name", "foo,HIDDEN HOST ", "", plain, "is not known"},
		{"hashed, of another host", "VEILED HOST ", "", plain, "is not known"},
		{"no hashed name", "| HOST |1 HOST |1| HOST |1|= HOST ", "", plain, "is not known"},
		{"a certificate without a marker", "NAME CERT ", "", plain, "not the one"},
		{"a marker that nobody knows", "@trusted NAME HOST ", "", plain, "is not known"},
		{"a marker in capitals", "@REVOKED NAME HOST NAME HOST ", "", plain, ""},
		{"revoked", "NAME HOST @revoked * HOST ", "StrictHostKeyChecking no", plain, "it is revoked"},
		{"revoked without the port", "NAME HOST @revoked BARE HOST ", "", plain, "it is revoked"},
		{"revoked as a certificate", "NAME HOST @revoked * CERT ", "", plain, "it is revoked"},
		{"revoked in a list", "NAME HOST ", "RevokedHostKeys " + revoked, plain, "it is revoked"},
		{"certified and revoked in a list", "@cert-authority * CA ", "RevokedHostKeys " + revoked, good, "it is revoked"},
		{"another one revoked in a list", "NAME OTHER ", "RevokedHostKeys " + revoked, other.PublicKey(), ""},
		{"an alias", "alias HOST ", "HostKeyAlias ALIAS", plain, ""},
		{"an alias has no port", "[alias]:2222 HOST ", "HostKeyAlias alias", plain, "is not known"},
		{"certified", "@cert-authority * CA ", "", good, ""},
		{"certified without the port", "@cert-authority BARE CA NAME OTHER ", "", good, ""},
		{"certified by nobody known", "@cert-authority * OTHER ", "", good, "is not known"},
		{"by nobody known, and known itself", "@cert-authority * OTHER NAME HOST ", "", good, ""},
		{"by somebody revoked", "@cert-authority * CA @revoked * CA NAME HOST ", "", good, "authority that certifies it is revoked"},
		{"certified and revoked", "@cert-authority * CA @revoked * HOST ", "", good, "it is revoked"},
		{"certified and revoked as a certificate", "@cert-authority * CA @revoked * CERT ", "", good, "it is revoked"},
		{"a plain key of an authority", "@cert-authority * HOST ", "", plain, "is not known"},
		{"an authority as a plain key", "* CA ", "", good, "not the one"},
		{"for another name", "@cert-authority * CA ", "StrictHostKeyChecking no", cert(func(c *ssh.Certificate) { c.ValidPrincipals[0] = "other" }), "principal"},
		{"for a pattern", "@cert-authority * CA ", "", cert(func(c *ssh.Certificate) { c.ValidPrincipals[0] = "127.0.0.*" }), "principal"},
		{"for an alias", "@cert-authority * CA ", "HostKeyAlias Alias", cert(func(c *ssh.Certificate) { c.ValidPrincipals[0] = "alias" }), ""},
		{"for the name and not the alias", "@cert-authority * CA ", "HostKeyAlias Alias", good, "principal"},
		{"of a user", "@cert-authority * CA ", "", cert(func(c *ssh.Certificate) { c.CertType = ssh.UserCert }), "not one of a host"},
		{"with a condition", "@cert-authority * CA ", "", cert(func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"x": ""} }), "critical option"},
		{"expired", "@cert-authority * CA ", "StrictHostKeyChecking no", expired, "expired"},
		{"expired, and known itself", "@cert-authority * CA NAME HOST ", "", expired, ""},
		{"expired, and another one known", "@cert-authority * CA NAME OTHER ", "", expired, "expired"},
		{"signed by SHA-1", "@cert-authority * RSA ", "", sha1, "CASignatureAlgorithms"},
		{"signed by SHA-1 as wanted", "@cert-authority * RSA ", "CASignatureAlgorithms +ssh-rsa", sha1, ""},
		{"signed otherwise than wanted", "@cert-authority * CA ", "CASignatureAlgorithms ecdsa*,rsa*", good, "CASignatureAlgorithms"},
		{"an algorithm that is not wanted", "NAME HOST ", "HostKeyAlgorithms *-cert-*", good, "HostKeyAlgorithms"},
		{"by a short authority", "@cert-authority * RSA ", "RequiredRSASize 3072", byRSA, "RequiredRSASize"},
		{"by an authority that is long enough", "@cert-authority * RSA ", "RequiredRSASize 2048", byRSA, ""},
		{"short, and certified", "@cert-authority * CA ", "RequiredRSASize 3072", ofRSA, "RequiredRSASize"},
		{"short", "NAME RSA ", "RequiredRSASize 3072", rsaHost.PublicKey(), "RequiredRSASize"},
		{"long enough", "NAME RSA ", "RequiredRSASize 2048", rsaHost.PublicKey(), ""},
		{"another one at the address", "name HOST NAME OTHER ", "HostKeyAlias name\nCheckHostIP yes", plain, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			known := filepath.Join(t.TempDir(), "known")
			require.NoError(t, os.WriteFile(known, []byte(words.Replace(row.known)), 0o600))
			err := newHostsOf(t, "UserKnownHostsFile "+known+"\n"+row.config+"\n").check("", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, row.shows)
			if row.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, row.want)
			}
			left, err := os.ReadFile(known)
			require.NoError(t, err)
			require.Equal(t, words.Replace(row.known), string(left), "nothing is learned")
		})
	}
}

// A name that leads to the machine of another one shows in its address.
func TestTheKeyOfTheAddress(t *testing.T) {
	host, other := newSigner(t), newSigner(t)
	known := filepath.Join(t.TempDir(), "known")
	require.NoError(t, os.WriteFile(known, []byte("[name]:2222 "+line(host.PublicKey())+"[10.0.0.1]:2222 "+line(other.PublicKey())+
		"[10.0.0.2]:2222 "+line(other.PublicKey())+"[10.0.0.2]:2222 "+line(host.PublicKey())+"@revoked [10.0.0.3]:2222 "+line(other.PublicKey())), 0o600))
	for _, row := range []struct {
		ip     byte
		config string
		want   string // what the refusal says; "" is none
	}{
		{1, "CheckHostIP yes", "the key of 10.0.0.1 port 2222 is not the one that is known"},
		{1, "CheckHostIP no", ""},
		{1, "CheckHostIP yes\nProxyJump elsewhere", ""}, // the address is none of the host's
		{0, "CheckHostIP yes", ""},
		{2, "CheckHostIP yes", ""},
		{3, "CheckHostIP yes", ""},
		{4, "CheckHostIP yes", ""},
	} {
		name := filepath.Join(t.TempDir(), "config")
		require.NoError(t, os.WriteFile(name, []byte("GlobalKnownHostsFile none\nUserKnownHostsFile "+known+"\n"+row.config+"\n"), 0o600))
		s, err := Target{Host: "name", Port: "2222", Config: name}.settings(t.Context())
		require.NoError(t, err)
		h, err := newHosts(s)
		require.NoError(t, err)
		var remote net.Addr
		if row.ip != 0 { // a proxy command has none
			remote = &net.TCPAddr{IP: net.IPv4(10, 0, 0, row.ip)}
		}
		if err := h.check("", remote, host.PublicKey()); row.want != "" {
			require.ErrorContains(t, err, row.want, row)
		} else {
			require.NoError(t, err, row)
		}
	}
}

// Keys are exchanged again and again in a long connection. A host that was new at the first
// time is known at the next: another one in its place is refused, and no line comes twice.
func TestALearnedKeyIsKnownFromThereOn(t *testing.T) {
	host, other := newSigner(t), newSigner(t)
	for _, row := range []struct{ before, config, prefix string }{
		{"", "", "[127.0.0.1]:2222 "},
		{"elsewhere " + line(other.PublicKey()), "", "[127.0.0.1]:2222 "},
		{"elsewhere " + strings.TrimSpace(line(other.PublicKey())), "", "\n[127.0.0.1]:2222 "}, // no end of its line
		{"", "HashKnownHosts yes", "|1|"},
		{"", "HostKeyAlias Alias", "alias "},
	} {
		known := filepath.Join(t.TempDir(), "deep", "known")
		require.NoError(t, os.MkdirAll(filepath.Dir(known), 0o700))
		require.NoError(t, os.WriteFile(known, []byte(row.before), 0o600))
		config := "UserKnownHostsFile " + known + "\nStrictHostKeyChecking accept-new\n" + row.config + "\n"
		h := newHostsOf(t, config)
		for range 3 {
			require.NoError(t, h.check("", nil, host.PublicKey()))
		}
		require.ErrorContains(t, h.check("", nil, other.PublicKey()), "not the one that is known")
		text, err := os.ReadFile(known)
		require.NoError(t, err)
		added, ok := strings.CutPrefix(string(text), row.before+row.prefix)
		require.True(t, ok, string(text))
		require.Equal(t, 1, strings.Count(added, "\n"), added)
		require.NotContains(t, added, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "a salt is none that everybody has")
		require.NoError(t, newHostsOf(t, strings.ReplaceAll(config, "accept-new", "yes")).check("", nil, host.PublicKey()))
	}
}

// A host whose key can't be kept would be as new the next time, whoever shows itself then.
func TestAKeyThatCantBeLearnedIsRefused(t *testing.T) {
	known := filepath.Join(t.TempDir(), "known")
	require.NoError(t, os.Symlink(filepath.Join(t.TempDir(), "none", "known"), known))
	err := newHostsOf(t, "UserKnownHostsFile "+known+"\nStrictHostKeyChecking accept-new\n").check("", nil, newSigner(t).PublicKey())
	require.ErrorContains(t, err, "the host's key can't be added to the known ones")
	require.ErrorIs(t, err, core.CodeIO)
}

// What was trusted when the connection began is trusted to its end, though a certificate
// may expire meanwhile.
func TestATrustedKeyIsNotJudgedAgain(t *testing.T) {
	ca, host := newSigner(t), newSigner(t)
	known := filepath.Join(t.TempDir(), "known")
	require.NoError(t, os.WriteFile(known, []byte("@cert-authority * "+line(ca.PublicKey())), 0o600))
	h := newHostsOf(t, "UserKnownHostsFile "+known+"\n")
	cert := hostCert(t, host.PublicKey(), ca, func(*ssh.Certificate) {})
	require.NoError(t, h.check("", nil, cert))
	h.known, h.other = nil, nil
	require.NoError(t, h.check("", nil, cert))
	require.Error(t, h.check("", nil, newSigner(t).PublicKey()))
}

// A server shows a key that is known, by an algorithm that is safe; of one that is not known
// the fingerprint is that which OpenSSH shows.
func TestAlgorithmsOfHostKeys(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	old, err := ssh.NewSignerFromKey(key)
	require.NoError(t, err)
	for _, row := range []struct {
		known, config string
		first         []string
	}{
		{"", "", []string{"ssh-ed25519", "ecdsa-sha2-nistp256"}},
		{"[127.0.0.1]:2222 " + line(old.PublicKey()), "", []string{"rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"}},
		{"127.0.0.1 " + line(old.PublicKey()), "HostKeyAlgorithms +ssh-rsa", []string{"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa", "ssh-ed25519"}},
		{"* " + line(old.PublicKey()) + "@cert-authority * " + line(old.PublicKey()), "HostKeyAlgorithms rsa*,ssh-ed25519-cert*",
			[]string{"rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519-cert-v01@openssh.com"}},
		{"[127.0.0.1]:2222 " + line(old.PublicKey()) + "@cert-authority * " + line(old.PublicKey()), "HostKeyAlgorithms rsa*,ssh-ed25519",
			[]string{"rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"}},
		{"@cert-authority * " + line(old.PublicKey()), "HostKeyAlgorithms ssh-ed25519,ecdsa*", []string{"ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp521-cert-v01@openssh.com", "ssh-ed25519"}},
		{"@revoked * " + line(old.PublicKey()), "", []string{"ssh-ed25519"}},
		{"", "HostKeyAlgorithms rsa-sha2-512,rsa-sha2-*,ssh-ed25519", []string{"rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"}},
		{"", "HostKeyAlgorithms ^rsa-sha2-256", []string{"rsa-sha2-256", "ssh-ed25519"}},
		{"", "HostKeyAlgorithms -*cert*,*ed25519*,*nistp256", []string{"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256"}},
	} {
		known := filepath.Join(t.TempDir(), "known")
		require.NoError(t, os.WriteFile(known, []byte(row.known), 0o600))
		h := newHostsOf(t, "UserKnownHostsFile "+known+"\n"+row.config+"\n")
		got := h.algorithms()
		require.Equal(t, row.first, got[:len(row.first)])
		require.ElementsMatch(t, h.s.hostKeyAlgorithms, got)
		require.Equal(t, strings.Contains(row.config, "+ssh-rsa"), strings.Contains(strings.Join(got, ",")+",", ",ssh-rsa,"))
	}
}

// A list for each host is one, in whatever case somebody writes the host. USER is only what
// somebody says.
func TestTheTokensOfAList(t *testing.T) {
	me, err := user.Current()
	require.NoError(t, err)
	t.Setenv("USER", "somebody")
	for config, want := range map[string]string{"": "/lists/box-BOX-box-", "HostKeyAlias Alias\nHostName REAL\n": "/lists/alias-BOX-real-"} {
		name := filepath.Join(t.TempDir(), "config")
		require.NoError(t, os.WriteFile(name, []byte(config+"UserKnownHostsFile /lists/%k-%n-%h-%u\n"), 0o600))
		s, err := Target{Host: "BOX", Config: name}.settings(t.Context())
		require.NoError(t, err)
		require.Equal(t, want+me.Username, s.knownHosts[0])
	}
}

// Whoever has no configuration gets what OpenSSH takes.
func TestDefaults(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "/agent")
	name := filepath.Join(home, "config")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	s, err := Target{Host: "box", Config: name}.settings(t.Context())
	require.NoError(t, err)
	below := func(names ...string) (list []string) {
		for _, n := range names {
			list = append(list, filepath.Join(home, ".ssh", n))
		}
		return list
	}
	require.Equal(t, below("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"), s.identities)
	require.Equal(t, append(below("known_hosts", "known_hosts2"), "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"), s.knownHosts)
	require.Equal(t, s.knownHosts[0], s.learned)
	require.Equal(t, "/agent", s.agent)
	require.Equal(t, 1024, s.rsaBits)
	require.Equal(t, []bool{false, false, false, false}, []bool{s.accept, s.hashKnownHosts, s.checkHostIP, s.identitiesOnly})
	require.Equal(t, []time.Duration{15 * time.Second, 30 * time.Second, 3 * time.Millisecond}, []time.Duration{s.aliveInterval, s.timeout, s.far})
	require.Equal(t, 3, s.aliveCount)
	require.Equal(t, []string{"22", "tcp", "", ""}, []string{s.port, s.network, s.jump, s.command})
	safe := ssh.SupportedAlgorithms()
	require.Equal(t, [][]string{safe.KeyExchanges, safe.Ciphers, safe.MACs}, [][]string{s.transport.KeyExchanges, s.transport.Ciphers, s.transport.MACs})
	require.NotContains(t, append(s.hostKeyAlgorithms, s.caAlgorithms...), ssh.KeyAlgoRSA)
}

// A key in an agent is plain bytes, and as long as any other.
func TestAShortKeyOfAnAgentIsNotUsed(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := ssh.NewPublicKey(&key.PublicKey)
	require.NoError(t, err)
	held := &agent.Key{Format: public.Type(), Blob: public.Marshal()}
	for bits, want := range map[string]bool{"2048": true, "2049": false} {
		require.Equal(t, want, newHostsOf(t, "RequiredRSASize "+bits+"\n").s.logsIn(held), bits)
	}
}

// A server looks at few keys: none is shown twice, though file and agent have it.
func TestAKeyIsShownOnce(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	ring := agent.NewKeyring()
	require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: private}))
	dir, err := os.MkdirTemp("", "agent") // a socket's path is short
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_ = agent.ServeAgent(ring, c) // it ends with the connection
		}
	}()
	s, err := settingsOf(t, "box", "IdentityFile "+file+"\nIdentityFile /none\nIdentityAgent "+dir+"/s\n")
	require.NoError(t, err)
	keys, done := findKeys(t.Context(), s)
	defer done()
	require.Len(t, keys.list, 1)
	require.Empty(t, keys.unused)
}
