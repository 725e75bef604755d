package ssh

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// keys are what a user can log in with.
type keys struct {
	list   []ssh.Signer
	unused []unusedKey
}

// unusedKey is a private key that is there, but can't be used.
type unusedKey struct {
	public ssh.PublicKey // nil: not known
	hint   string
}

// identity is one identity file: a private key, or the public half of one in the agent.
type identity struct {
	public ssh.PublicKey // nil: the file names no key that can be read
	signer ssh.Signer    // nil: only the agent may have it
}

func same(a, b ssh.PublicKey) bool {
	return a != nil && b != nil && string(a.Marshal()) == string(b.Marshal())
}

// findKeys gathers keys in OpenSSH's order, since a server takes few tries: those of the
// agent that identity files name, the agent's others unless IdentitiesOnly, then those of
// files alone. What has a certificate shows that first.
func findKeys(ctx context.Context, s *settings) (*keys, func()) {
	k := &keys{}
	files := k.files(s)
	held, done := agentKeys(ctx, s.agent)
	for _, f := range files {
		if i := slices.IndexFunc(held, func(h ssh.Signer) bool { return same(h.PublicKey(), f.public) }); i >= 0 {
			k.list = append(k.list, held[i])
			held = slices.Delete(held, i, i+1)
		}
	}
	if !s.identitiesOnly {
		k.list = append(k.list, held...)
	}
	for _, f := range files {
		if f.signer != nil && !k.holds(f.public) {
			k.list = append(k.list, f.signer)
		}
	}
	k.list = append(certified(s, k.list), k.list...)
	k.list = slices.DeleteFunc(k.list, func(h ssh.Signer) bool { return !s.logsIn(h.PublicKey()) })
	k.unused = slices.DeleteFunc(k.unused, func(u unusedKey) bool { return k.holds(u.public) })
	return k, done
}

func (k *keys) holds(key ssh.PublicKey) bool {
	return slices.ContainsFunc(k.list, func(h ssh.Signer) bool { return same(h.PublicKey(), key) })
}

// logsIn reports whether the configuration allows a login with a key or certificate.
func (s *settings) logsIn(key ssh.PublicKey) bool {
	return rsaBits(key) >= s.rsaBits && slices.ContainsFunc(keyAlgorithms(key), func(a string) bool { return slices.Contains(s.userKeyAlgorithms, a) })
}

// agentKeys asks the agent for its keys; one that does not answer has none.
func agentKeys(ctx context.Context, socket string) (list []ssh.Signer, done func()) {
	done = func() {}
	if socket == "" {
		return nil, done
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, done
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	if list, err = agent.NewClient(c).Signers(); err != nil {
		list = nil
	}
	return list, func() { stop(); c.Close() }
}

func (k *keys) files(s *settings) []identity {
	var list []identity
	for _, name := range s.identities {
		id := identity{public: readPublic(name + ".pub")}
		if data, err := os.ReadFile(name); err == nil {
			k.private(&id, name, data)
		}
		list = append(list, id) // as OpenSSH does; the login fails if nothing else fits
	}
	return list
}

// private takes in a file that may be a private key. One that others may read is not used.
func (k *keys) private(id *identity, name string, data []byte) {
	signer, err := ssh.ParsePrivateKey(data)
	var locked *ssh.PassphraseMissingError
	switch info, statErr := os.Stat(name); {
	case errors.As(err, &locked):
		if locked.PublicKey != nil {
			id.public = locked.PublicKey
		}
		k.unused = append(k.unused, unusedKey{id.public, "the key " + name + " needs a passphrase, which only an agent can give: ssh-add " + plan.Word(name)})
	case err != nil:
		if id.public == nil {
			id.public = readPublic(name)
		}
	case statErr == nil && !isPrivate(info):
		id.public = signer.PublicKey()
		k.unused = append(k.unused, unusedKey{id.public, "the key " + name + " may be read by others, so it is not used: chmod 600 " + plan.Word(name)})
	default:
		id.signer, id.public = signer, signer.PublicKey()
	}
}

// readPublic returns the public key or certificate of a file, or nil for none.
func readPublic(name string) ssh.PublicKey {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil
	}
	return key
}

// certified returns signers that show a certificate of one of the keys. Where the configuration
// names certificates, those beside the keys do not count.
func certified(s *settings, list []ssh.Signer) []ssh.Signer {
	files := s.certificates
	if len(files) == 0 {
		for _, name := range s.identities {
			files = append(files, name+"-cert.pub")
		}
	}
	var out []ssh.Signer
	for _, name := range files {
		cert, ok := readPublic(name).(*ssh.Certificate)
		if !ok || cert.CertType != ssh.UserCert {
			continue
		}
		for _, signer := range list {
			if c, err := ssh.NewCertSigner(cert, signer); err == nil { // else it is that of another key
				out = append(out, c)
			}
		}
	}
	return out
}

func (k *keys) signers() ([]ssh.Signer, error) { return k.list, nil }

// usualTries is how many keys a server usually looks at.
const usualTries = 6

func (k *keys) refused(s *settings) error {
	e := &core.Error{Code: core.CodePermission,
		Message: "the login as " + core.DisplayPath(s.user) + " at " + core.DisplayPath(s.host) + " was refused",
		Hint:    s.byHand()}
	switch {
	case len(k.unused) > 0:
		e.Hint = k.unused[0].hint
	case len(k.list) == 0:
		e.Hint = "there is no key in the agent or in the identity files; make one with ssh-keygen, or start an agent"
	case len(k.list) > usualTries:
		e.Hint = "servers look at few keys, and the agent has many; name the right one with IdentityFile, and set IdentitiesOnly yes"
	}
	return e
}
