package ssh

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/paperclipai/syncplan/core"
)

// knownKey is one line of a list of known hosts.
type knownKey struct {
	marker string // one of those below, or nothing
	names  string // patterns, or one hashed name
	key    ssh.PublicKey
	file   string
}

const (
	markAuthority = "cert-authority"
	markRevoked   = "revoked"
)

// readKnown reads a list of known hosts; one that does not exist is empty. A line that
// can't be read speaks of no host, as with OpenSSH.
func readKnown(file string) ([]knownKey, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &core.Error{Code: core.CodeIO, Path: file, Message: "the list of known hosts can't be read", Err: err}
	}
	var list []knownKey
	for line := range bytes.Lines(data) {
		marker, patterns, key, _, _, err := ssh.ParseKnownHosts(line)
		if err == nil { // a marker that nobody knows is asked for by nobody
			list = append(list, knownKey{marker, strings.Join(patterns, ","), key, file})
		}
	}
	return list, nil
}

// readRevoked reads a list of keys that no host may show. Whoever names one wants no host
// to be trusted without it.
func readRevoked(file string) ([]knownKey, error) {
	bad := func(why, hint string, err error) error {
		return &core.Error{Code: core.CodeIO, Path: file, Message: "the list of revoked host keys " + why, Hint: hint, Err: err}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, bad("can't be read", "", err)
	}
	if bytes.HasPrefix(data, []byte("SSHKRL\n\x00")) {
		return nil, bad("is a binary one, which planner does not read", "name one with a public key a line in RevokedHostKeys", nil)
	}
	var list []knownKey
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(line)
		if err != nil {
			return nil, bad("has a line that is no key", "", err)
		}
		list = append(list, knownKey{markRevoked, "*", key, file})
	}
	return list, nil
}

// is reports whether a line means a key. One that shows a certificate means the key in it.
func (k knownKey) is(key ssh.PublicKey) bool {
	if cert, ok := k.key.(*ssh.Certificate); ok && k.marker != "" {
		return same(cert.Key, key)
	}
	return same(k.key, key)
}

// about reports whether a line names a host.
func (k knownKey) about(name string) bool {
	if strings.HasPrefix(k.names, "|") {
		return hashed(k.names, name)
	}
	return listed(strings.Split(strings.ToLower(k.names), ","), name)
}

// listed reports whether a list of patterns names something. A negated one that does excludes
// it, whatever else matches.
func listed(patterns []string, name string) bool {
	found := false
	for _, p := range patterns {
		p, negated := strings.CutPrefix(p, "!")
		if wildcard(p, name) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// hashed reports whether |1|salt|hash stands for a name.
func hashed(text, name string) bool {
	digits, _, _ := strings.Cut(strings.TrimPrefix(text, "|1|"), "|")
	salt, err := base64.StdEncoding.DecodeString(digits)
	return err == nil && text == hash(salt, name)
}

func hash(salt []byte, name string) string {
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return "|1|" + base64.StdEncoding.EncodeToString(salt) + "|" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// wildcard reports whether a pattern of * and ? matches all of s, in a time that grows only
// with the product of their lengths.
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

// learn adds a host's key to a list, under a hash of its name if that is asked for.
func learn(file, name string, hide bool, key ssh.PublicKey) error {
	if hide {
		salt := make([]byte, sha1.Size)
		_, _ = rand.Read(salt) // it never fails
		name = hash(salt, name)
	}
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if err == nil {
		err = appendLine(file, name+" "+string(ssh.MarshalAuthorizedKey(key)))
	}
	if err != nil {
		return &core.Error{Code: core.CodeIO, Path: file, Message: "the host's key can't be added to the known ones", Err: err}
	}
	return nil
}

// appendLine adds a line to a file. Behind a last line without an end it would be part of
// that: both hosts were unknown then, and the next key that they show would be taken.
func appendLine(file, line string) (err error) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = f.WriteString(line)
	return err
}
