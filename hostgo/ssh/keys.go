package ssh

import (
	"errors"
	"net"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/paperclipai/syncplan/core"
)

// keys are what a user can log in with.
type keys struct {
	list      []ssh.Signer
	encrypted []string
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
func findKeys(s *settings) (*keys, func()) {
	k := &keys{}
	files := k.files(s)
	held, done := agentKeys(s.agent)
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
		if f.signer != nil && !slices.ContainsFunc(k.list, func(h ssh.Signer) bool { return same(h.PublicKey(), f.public) }) {
			k.list = append(k.list, f.signer)
		}
	}
	k.list = append(certified(s, k.list), k.list...)
	return k, done
}

// agentKeys asks the agent for its keys; one that does not answer has none.
func agentKeys(socket string) (list []ssh.Signer, done func()) {
	done = func() {}
	if socket == "" {
		return nil, done
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, done
	}
	if list, err = agent.NewClient(c).Signers(); err != nil {
		list = nil
	}
	return list, func() { c.Close() }
}

func (k *keys) files(s *settings) []identity {
	var list []identity
	for _, name := range s.identities {
		id := identity{public: readPublic(name + ".pub")}
		data, err := os.ReadFile(name)
		if err == nil {
			var locked *ssh.PassphraseMissingError
			if id.signer, err = ssh.ParsePrivateKey(data); err == nil {
				id.public = id.signer.PublicKey()
			} else if errors.As(err, &locked) {
				k.encrypted = append(k.encrypted, name)
			} else if id.public == nil {
				id.public = readPublic(name)
			}
		}
		list = append(list, id) // as OpenSSH does; the login fails if nothing else fits
	}
	return list
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

// certified returns signers that show a certificate of one of the keys.
func certified(s *settings, list []ssh.Signer) []ssh.Signer {
	files := slices.Clone(s.certificates)
	for _, name := range s.identities {
		files = append(files, name+"-cert.pub")
	}
	var out []ssh.Signer
	for _, name := range files {
		cert, ok := readPublic(name).(*ssh.Certificate)
		if !ok {
			continue
		}
		for _, signer := range list {
			if !same(signer.PublicKey(), cert.Key) {
				continue
			}
			if c, err := ssh.NewCertSigner(cert, signer); err == nil {
				out = append(out, c)
			}
		}
	}
	return out
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
