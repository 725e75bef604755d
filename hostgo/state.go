package hostgo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/paperclipai/syncplan/core"
)

// state is the folder that keeps what one workspace, sandbox and adapter share:
// base, the contents for text merges, and the journal of a running apply.
type state struct{ dir string }

const stateHead = "syncplan-base "

// openState makes the folder <dir>/<key>, where key is a digest of what the
// state is about. sandbox is the folder of a sandbox on this host, else "".
func openState(dir, workspace, sandbox, identity, adapter string) (*state, error) {
	real, err := realPath(dir)
	if err != nil {
		return nil, ioError("the state folder can't be reached", dir, err)
	}
	if err := stateApart(dir, real, workspace, sandbox); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(workspace + "\x00" + identity + "\x00" + adapter))
	s := &state{filepath.Join(dir, hex.EncodeToString(sum[:16]))}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		e := ioError("the state folder can't be made", s.dir, err)
		e.Hint = "name another state folder"
		return nil, e
	}
	return s, s.checkOwner()
}

// checkOwner refuses a folder that somebody else made, whose name is easily foretold: they could put
// a base there that deletes, or a link that leads what is written elsewhere.
func (s *state) checkOwner() error {
	mine, err := onlyMine(s.dir)
	if err != nil {
		return ioError("the state folder can't be reached", s.dir, err)
	}
	if !mine {
		return &core.Error{Code: core.CodeUnsafeRoot, Path: s.dir,
			Message: "the state folder belongs to somebody else, or anybody may write to it",
			Hint:    "name another state folder, or make this one yours alone (chown, chmod 700) if you know what is in it"}
	}
	return nil
}

// realPath resolves the links of a path of which only a beginning need exist.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for at, rest := path, ""; ; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return path, nil // whoever uses it says what is wrong
		}
	}
}

// hasNoBase reports whether no base is stored.
func (s *state) hasNoBase() (bool, error) {
	path := filepath.Join(s.dir, "base")
	_, err := os.Lstat(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err != nil, nil
	}
	return false, ioError("the stored base can't be read", path, err)
}

// loadBase returns the stored base, or nil if there is none. A damaged one is
// an error of [core.CodeCorrupt], a newer one of [core.CodeNewerVersion]; both
// leave it as it is.
func (s *state) loadBase() (*core.Base, error) {
	path := filepath.Join(s.dir, "base")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, ioError("the stored base can't be read", path, err)
	}
	damaged := &core.Error{Code: core.CodeCorrupt, Path: path, Message: "the stored base is damaged",
		Hint: "move the file away to compare the trees afresh; then nothing is deleted and differences become conflicts"}
	head, body, ok := bytes.Cut(data, []byte("\n"))
	sum := sha256.Sum256(body)
	if !ok || string(head) != stateHead+hex.EncodeToString(sum[:]) {
		return nil, damaged
	}
	base, err := core.DecodeBase(body)
	var newer *core.Error
	switch {
	case errors.As(err, &newer) && newer.Code == core.CodeNewerVersion:
		return nil, &core.Error{Code: newer.Code, Path: path, Message: "the stored base was written by a newer release", Hint: newer.Hint, Err: err}
	case err != nil:
		damaged.Err = err
		return nil, damaged
	}
	return base, nil
}

// dropBase removes the stored base, if there is one.
func (s *state) dropBase() error {
	path := filepath.Join(s.dir, "base")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ioError("the stored base can't be removed", path, err)
	}
	return nil
}

// saveBase replaces the stored base, whole or not at all.
func (s *state) saveBase(b *core.Base) error {
	parts, sum := core.BaseParts(b), sha256.New()
	for _, p := range parts {
		sum.Write(p)
	}
	head := []byte(stateHead + hex.EncodeToString(sum.Sum(nil)) + "\n")
	return writeFileAtomic(filepath.Join(s.dir, "base"), slices.Insert(parts, 0, head)...)
}

// writeFileAtomic writes parts to a new file and renames it over path.
func writeFileAtomic(path string, parts ...[]byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return ioError("the state folder can't be written", path, err)
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	for _, p := range parts {
		if err == nil {
			_, err = f.Write(p)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return ioError("the state can't be written", path, err)
	}
	return nil
}

// isSpent reports whether no more files can be opened, which says nothing of the one that was to be.
func isSpent(err error) bool { return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) }

// ioError wraps a failure of the host's file system with the code that fits.
func ioError(message, path string, err error) *core.Error {
	e := &core.Error{Code: core.CodeIO, Path: path, Message: message, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		e.Code, e.Hint = core.CodeNoSpace, "free some space and run it again; nothing was lost"
	case errors.Is(err, fs.ErrPermission):
		e.Code, e.Hint = core.CodePermission, "check the permissions and run it again"
	case isSpent(err):
		e.Hint = "raise the limit of open files (ulimit -n) and run it again; nothing was lost"
	}
	return e
}
