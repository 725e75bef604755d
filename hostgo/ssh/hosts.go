package ssh

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/paperclipai/syncplan/core"
)

// hosts checks a host's key against the known ones, by OpenSSH's rules.
type hosts struct {
	s       *settings
	name    string    // under which lists have the host
	bare    string    // the name without its port, under which they may have it too; else ""
	known   []hostKey // of name
	other   []hostKey // of bare; they accept a key, but refuse none
	refused error
}

// hostKey is what one line of a list says of a host.
type hostKey struct {
	marker string // "cert-authority", "revoked" or nothing
	key    ssh.PublicKey
	file   string
}

const (
	markAuthority = "cert-authority"
	markRevoked   = "revoked"
)

func newHosts(s *settings) (*hosts, error) {
	h := &hosts{s: s, name: strings.ToLower(s.host)}
	if s.hostKeyAlias != "" {
		h.name = strings.ToLower(s.hostKeyAlias)
	} else if s.port != "22" {
		h.bare, h.name = h.name, "["+h.name+"]:"+s.port
	}
	for _, name := range s.knownHosts {
		data, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, &core.Error{Code: core.CodeIO, Path: name, Message: "the list of known hosts can't be read", Err: err}
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			h.add(line, name)
		}
	}
	return h, nil
}

// add takes in a line. One that can't be read speaks of no host, as with OpenSSH.
func (h *hosts) add(line, file string) {
	marker, patterns, key, _, _, err := ssh.ParseKnownHosts([]byte(line))
	if err != nil {
		return
	}
	k := hostKey{marker, key, file}
	if listed(patterns, h.name) {
		h.known = append(h.known, k)
	} else if h.bare != "" && listed(patterns, h.bare) {
		h.other = append(h.other, k)
	}
}

// listed reports whether a line's patterns name a host. A negated one that does excludes
// it, whatever else matches.
func listed(patterns []string, name string) bool {
	found := false
	for _, p := range patterns {
		switch negated, isNegated := strings.CutPrefix(p, "!"); {
		case strings.HasPrefix(p, "|"):
			found = found || hashed(p, name)
		case isNegated && wildcard(strings.ToLower(negated), name):
			return false
		case !isNegated:
			found = found || wildcard(strings.ToLower(p), name)
		}
	}
	return found
}

// hashed reports whether |1|salt|hash stands for a name.
func hashed(pattern, name string) bool {
	parts := strings.Split(pattern, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return parts[3] == base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// wildcard reports whether a pattern of * and ? matches all of s. Patterns in a certificate
// are a stranger's until its signature is checked, so none may take long.
func wildcard(pattern, s string) bool {
	at, star, from := 0, -1, 0 // where the last * stands, and what it does not cover begins
	for i := 0; i < len(s); {
		switch {
		case at < len(pattern) && pattern[at] == '*':
			star, from = at, i
			at++
		case at < len(pattern) && (pattern[at] == '?' || pattern[at] == s[i]):
			at++
			i++
		case star >= 0:
			from++
			at, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[at:], "*") == ""
}

// algorithms lists first those by which a server can show a key that is known, so that it
// does not show another one of its keys.
func (h *hosts) algorithms() []string {
	var out []string
	all := ssh.SupportedAlgorithms().HostKeys
	for _, k := range slices.Concat(h.known, h.other) {
		switch t := k.key.Type(); {
		case k.marker == markAuthority:
			for _, a := range all {
				if strings.Contains(a, "-cert-") {
					out = append(out, a)
				}
			}
		case k.marker == "" && t == ssh.KeyAlgoRSA:
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, t)
		case k.marker == "":
			out = append(out, t)
		}
	}
	for _, a := range all {
		if !strings.Contains(a, "-cert-") {
			out = append(out, a)
		}
	}
	return out
}

func (h *hosts) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	name := core.DisplayPath(h.s.host) + " port " + h.s.port
	distrust := func(err error) error {
		h.refused = &core.Error{Code: core.CodePermission, Message: "the key of " + name + " is not to be trusted", Err: err}
		return h.refused
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		if h.has(markRevoked, cert.SignatureKey) {
			return distrust(errors.New("the authority that certifies it is revoked"))
		}
		key = cert.Key
		if h.has(markAuthority, cert.SignatureKey) && !h.has(markRevoked, key) {
			if err := h.certified(cert); err != nil {
				return distrust(err)
			}
			return nil
		}
	}
	print := key.Type() + " " + ssh.FingerprintSHA256(key)
	i := slices.IndexFunc(h.known, func(k hostKey) bool { return k.marker == "" })
	switch {
	case h.has(markRevoked, key):
		return distrust(errors.New("it is revoked"))
	case h.has("", key):
		return nil
	case i >= 0:
		h.refused = &core.Error{Code: core.CodePermission, Message: "the key of " + name + " is not the one that is known; somebody may be in between. It shows " + print,
			Hint: "if the change is expected, remove the old key: ssh-keygen -R " + h.name + " -f " + h.known[i].file}
	case h.s.accept:
		return h.learn(key)
	default:
		h.refused = &core.Error{Code: core.CodePermission, Message: "the key of " + name + " is not known. It shows " + print,
			Hint: "connect once by hand, and compare the fingerprint: ssh -p " + h.s.port + " " + h.s.user + "@" + h.s.alias}
	}
	return h.refused
}

// has reports whether a key is listed with a marker. Without its port a host is taken for
// the same only where nothing is known of it with the port.
func (h *hosts) has(marker string, key ssh.PublicKey) bool {
	is := func(k hostKey) bool { return k.marker == marker && same(k.key, key) }
	return slices.ContainsFunc(h.known, is) || (marker == markRevoked || len(h.known) == 0) && slices.ContainsFunc(h.other, is)
}

// certified checks a certificate of a known authority. The names in it may be patterns.
func (h *hosts) certified(cert *ssh.Certificate) error {
	name := strings.ToLower(h.s.host)
	if h.s.hostKeyAlias != "" {
		name = h.name
	}
	if cert.CertType != ssh.HostCert {
		return errors.New("its certificate is not one of a host")
	}
	for _, p := range cert.ValidPrincipals {
		if wildcard(strings.ToLower(p), name) {
			name = p
			break
		}
	}
	return new(ssh.CertChecker).CheckCert(name, cert)
}

// learn adds a key to the user's list, which "accept-new" asks for.
func (h *hosts) learn(key ssh.PublicKey) error {
	name := h.s.learned
	if name == "" {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}
	if err == nil {
		_, err = f.WriteString(h.name + " " + string(ssh.MarshalAuthorizedKey(key)))
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
