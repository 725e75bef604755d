package ssh

import (
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// hostKeys are the algorithms of host keys in OpenSSH's order, so that an unknown host shows the
// key whose fingerprint OpenSSH would show.
var hostKeys = []string{
	ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

// authorities are the algorithms by which an authority may sign.
var authorities = []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
	ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}

// userKeys are the algorithms by which a user may log in, RSA's oldest included: nothing but
// the login hangs on it.
var userKeys = slices.Concat(hostKeys, authorities, []string{ssh.KeyAlgoRSA, ssh.CertAlgoRSAv01, ssh.CertAlgoSKED25519v01, ssh.CertAlgoSKECDSA256v01})

// keyAlgorithms lists the ways in which a key or certificate can sign.
func keyAlgorithms(key ssh.PublicKey) []string {
	switch t := key.Type(); t {
	case ssh.KeyAlgoRSA:
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, t}
	case ssh.CertAlgoRSAv01:
		return []string{ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01, t}
	default:
		return []string{t}
	}
}

// choose returns the algorithms that a setting leaves of the usual ones (-), adds to them from
// all that there are (+, or ^ for in front), or names instead. Its names may be patterns.
func choose(setting string, usual, more []string) []string {
	if setting == "" {
		return usual
	}
	patterns := strings.Split(strings.TrimLeft(setting, "+-^"), ",")
	var named []string
	for _, p := range patterns {
		for _, a := range slices.Concat(usual, more) {
			if wildcard(p, a) && !slices.Contains(named, a) {
				named = append(named, a)
			}
		}
	}
	without := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(a string) bool { return slices.Contains(named, a) })
	}
	switch setting[0] {
	case '-':
		return without(usual)
	case '+':
		return slices.Concat(usual, slices.DeleteFunc(named, func(a string) bool { return slices.Contains(usual, a) }))
	case '^':
		return slices.Concat(named, without(usual))
	}
	return named
}
