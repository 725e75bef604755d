package ssh

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
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
	require.NoError(t, os.WriteFile(name, []byte("HostName 127.0.0.1\nPort 2222\nGlobalKnownHostsFile none\n"+config), 0o600))
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
	expired := cert(func(c *ssh.Certificate) { c.ValidBefore = 1 })
	revoked := filepath.Join(t.TempDir(), "revoked")
	require.NoError(t, os.WriteFile(revoked, []byte("# stolen\n\n"+line(host.PublicKey())), 0o600))
	words := strings.NewReplacer("HOST ", line(host.PublicKey()), "OTHER ", line(other.PublicKey()), "CA ", line(ca.PublicKey()), "RSA ", line(rsaHost.PublicKey()),
		"CERT ", line(good), "NAME", "[127.0.0.1]:2222", "BARE", "127.0.0.1", "HIDDEN", hash(make([]byte, 20), "[127.0.0.1]:2222"), "BARELY", hash(make([]byte, 20), "127.0.0.1"))
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
		{"excluded", "*,!NAME,!BARE HOST ", "", plain, "is not known"},
		{"hashed", "HIDDEN HOST ", "", plain, ""},
		{"hashed behind another name", "foo,HIDDEN HOST ", "", plain, "is not known"},
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
	require.NoError(t, os.WriteFile(known, []byte("[name]:2222 "+line(host.PublicKey())+"[10.0.0.1]:2222 "+line(other.PublicKey())), 0o600))
	for ip, want := range map[byte]string{1: "the key of 10.0.0.1 port 2222 is not the one that is known", 2: ""} {
		name := filepath.Join(t.TempDir(), "config")
		require.NoError(t, os.WriteFile(name, []byte("GlobalKnownHostsFile none\nCheckHostIP yes\nUserKnownHostsFile "+known+"\n"), 0o600))
		s, err := Target{Host: "name", Port: "2222", Config: name}.settings(t.Context())
		require.NoError(t, err)
		h, err := newHosts(s)
		require.NoError(t, err)
		if err := h.check("", &net.TCPAddr{IP: net.IPv4(10, 0, 0, ip)}, host.PublicKey()); want != "" {
			require.ErrorContains(t, err, want)
		} else {
			require.NoError(t, err)
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
		require.NoError(t, newHostsOf(t, strings.ReplaceAll(config, "accept-new", "yes")).check("", nil, host.PublicKey()))
	}
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
		{"", "HostKeyAlgorithms ^rsa-sha2-256", []string{"rsa-sha2-256", "ssh-ed25519"}},
		{"", "HostKeyAlgorithms -*cert*,*ed25519*,*nistp256", []string{"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256"}},
	} {
		known := filepath.Join(t.TempDir(), "known")
		require.NoError(t, os.WriteFile(known, []byte(row.known), 0o600))
		got := newHostsOf(t, "UserKnownHostsFile "+known+"\n"+row.config+"\n").algorithms()
		require.Equal(t, row.first, got[:len(row.first)])
		require.Equal(t, strings.Contains(row.config, "+ssh-rsa"), strings.Contains(strings.Join(got, ",")+",", ",ssh-rsa,"))
	}
}

// A list for each host is one, in whatever case somebody writes the host.
func TestTheTokenOfAKeysName(t *testing.T) {
	for config, want := range map[string]string{"": "/lists/box-BOX", "HostKeyAlias Alias\n": "/lists/alias-BOX"} {
		name := filepath.Join(t.TempDir(), "config")
		require.NoError(t, os.WriteFile(name, []byte(config+"UserKnownHostsFile /lists/%k-%n\n"), 0o600))
		s, err := Target{Host: "BOX", Config: name}.settings(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, s.knownHosts[0])
	}
}
