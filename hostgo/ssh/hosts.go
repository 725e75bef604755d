package ssh

import (
	"crypto/rsa"
	"errors"
	"math"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// hosts checks a host's key against the known ones, by OpenSSH's rules.
type hosts struct {
	s       *settings
	name    string     // under which lists have the host
	all     []knownKey // of any host
	known   []knownKey // of name
	other   []knownKey // of the host without its port; they accept a key, but refuse none
	trusted ssh.PublicKey
	refused error
}

func newHosts(s *settings) (*hosts, error) {
	h := &hosts{s: s, name: withPort(s.host, s.port)}
	for _, file := range s.knownHosts {
		list, err := readKnown(file)
		if err != nil {
			return nil, err
		}
		h.all = append(h.all, list...)
	}
	if s.revokedHostKeys != "" {
		list, err := readRevoked(s.revokedHostKeys)
		if err != nil {
			return nil, err
		}
		h.all = append(h.all, list...)
	}
	if s.hostKeyAlias != "" {
		h.name = s.hostKeyAlias
	} else if h.name != s.host {
		h.other = h.about(s.host)
	}
	h.known = h.about(h.name)
	return h, nil
}

// withPort is how lists write a host.
func withPort(host, port string) string {
	if port == "22" {
		return host
	}
	return "[" + host + "]:" + port
}

func (h *hosts) about(name string) (list []knownKey) {
	for _, k := range h.all {
		if k.about(name) {
			list = append(list, k)
		}
	}
	return list
}

// algorithms lists first those by which a server can show a key that is known, so that it
// does not show another one of its keys, and last the certificates of nobody known.
func (h *hosts) algorithms() []string {
	var known, plain, other []string
	for _, a := range h.s.hostKeyAlgorithms {
		certificate := strings.Contains(a, "-cert-")
		shows := func(k knownKey) bool {
			return k.marker == markAuthority && certificate || k.marker == "" && slices.Contains(keyAlgorithms(k.key), a)
		}
		switch {
		case slices.ContainsFunc(slices.Concat(h.known, h.other), shows):
			known = append(known, a)
		case certificate:
			other = append(other, a)
		default:
			plain = append(plain, a)
		}
	}
	return slices.Concat(known, plain, other)
}

// check is called whenever keys are exchanged, which long connections do again and again.
func (h *hosts) check(_ string, remote net.Addr, key ssh.PublicKey) error {
	if same(h.trusted, key) {
		return nil
	}
	if h.refused = h.judge(remote, key); h.refused == nil {
		h.trusted = key
	}
	return h.refused
}

// judge refuses a key that is not to be trusted. A certificate that proves nothing counts as
// the key in it.
func (h *hosts) judge(remote net.Addr, key ssh.PublicKey) error {
	var doubt error
	if cert, ok := key.(*ssh.Certificate); ok {
		key = cert.Key
		switch {
		case h.has(markRevoked, cert.SignatureKey):
			return h.distrust(errors.New("the authority that certifies it is revoked"))
		case h.has(markAuthority, cert.SignatureKey) && !h.has(markRevoked, key):
			if doubt = h.certified(cert); doubt == nil {
				return nil
			}
		}
	}
	print := key.Type() + " " + ssh.FingerprintSHA256(key)
	i := slices.IndexFunc(h.known, func(k knownKey) bool { return k.marker == "" })
	switch {
	case h.has(markRevoked, key):
		return h.distrust(errors.New("it is revoked"))
	case !h.allows(key):
		return h.distrust(errors.New("HostKeyAlgorithms allows none such as " + print))
	case rsaBits(key) < h.s.rsaBits:
		return h.distrust(errors.New("it is shorter than RequiredRSASize: " + print))
	case h.has("", key):
		return h.judgeAddress(remote, key)
	case doubt != nil:
		return h.distrust(doubt)
	case i >= 0:
		return h.changed(h.s.host, h.name, h.known[i].file, print)
	case h.s.accept:
		return h.learn(key)
	}
	return &core.Error{Code: core.CodePermission, Message: "the key of " + h.shown(h.s.host) + " is not known. It shows " + print,
		Hint: "connect once by hand, and compare the fingerprint: " + h.s.openSSH()}
}

func (h *hosts) shown(host string) string { return core.DisplayPath(host) + " port " + h.s.port }

func (h *hosts) distrust(why error) error {
	return &core.Error{Code: core.CodePermission, Message: "the key of " + h.shown(h.s.host) + " is not to be trusted", Err: why}
}

func (h *hosts) changed(host, name, file, print string) error {
	return &core.Error{Code: core.CodePermission,
		Message: "the key of " + h.shown(host) + " is not the one that is known; somebody may be in between. It shows " + print,
		Hint:    "if the change is expected, remove the old key: ssh-keygen -R " + plan.Word(name) + " -f " + plan.Word(file)}
}

// has reports whether a key is listed with a marker. A key that is known without the port
// counts only where none is known with it.
func (h *hosts) has(marker string, key ssh.PublicKey) bool {
	is := func(k knownKey) bool { return k.marker == marker && k.is(key) }
	more := marker != "" || !slices.ContainsFunc(h.known, func(k knownKey) bool { return k.marker == "" })
	return slices.ContainsFunc(h.known, is) || more && slices.ContainsFunc(h.other, is)
}

// allows reports whether the configuration lets a host show a key, as such or in a
// certificate that proves nothing.
func (h *hosts) allows(key ssh.PublicKey) bool {
	return slices.ContainsFunc(keyAlgorithms(key), func(a string) bool { return slices.Contains(h.s.hostKeyAlgorithms, a) })
}

// rsaBits is the length of an RSA key; others have no bound. Keys of an agent are plain bytes.
func rsaBits(key ssh.PublicKey) int {
	if parsed, err := ssh.ParsePublicKey(key.Marshal()); err == nil {
		key = parsed
	}
	if c, ok := key.(ssh.CryptoPublicKey); ok {
		if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok {
			return k.N.BitLen()
		}
	}
	return math.MaxInt
}

// certified checks a certificate of a known authority.
func (h *hosts) certified(cert *ssh.Certificate) error {
	name := h.s.host
	if h.s.hostKeyAlias != "" {
		name = h.s.hostKeyAlias
	}
	switch {
	case cert.CertType != ssh.HostCert:
		return errors.New("its certificate is not one of a host")
	case !slices.Contains(h.s.caAlgorithms, cert.Signature.Format):
		return errors.New("its certificate is signed by " + cert.Signature.Format + ", which CASignatureAlgorithms does not allow")
	case min(rsaBits(cert.Key), rsaBits(cert.SignatureKey)) < h.s.rsaBits:
		return errors.New("a key of its certificate is shorter than RequiredRSASize")
	}
	return new(ssh.CertChecker).CheckCert(name, cert)
}

// judgeAddress looks at a trusted key once more by its address, which CheckHostIP asks for.
func (h *hosts) judgeAddress(remote net.Addr, key ssh.PublicKey) error {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok || !h.s.checkHostIP || h.s.hostKeyAlias != "" || h.s.jump != "" {
		return nil
	}
	name := withPort(tcp.IP.String(), h.s.port)
	known := h.about(name)
	known = slices.DeleteFunc(known, func(k knownKey) bool { return k.marker != "" })
	if len(known) == 0 || slices.ContainsFunc(known, func(k knownKey) bool { return k.is(key) }) {
		return nil
	}
	return h.changed(tcp.IP.String(), name, known[0].file, key.Type()+" "+ssh.FingerprintSHA256(key))
}

// learn adds a key to the user's list, which "accept-new" asks for. From here on the host
// has no other.
func (h *hosts) learn(key ssh.PublicKey) error {
	h.known = append(h.known, knownKey{"", h.name, key, h.s.learned})
	if h.s.learned == "" {
		return nil
	}
	return learn(h.s.learned, h.name, h.s.hashKnownHosts, key)
}
