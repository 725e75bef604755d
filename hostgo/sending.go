package hostgo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// maxResume bounds the runs that are remembered as cut off.
const maxResume = 8

func (s *state) sendingPath() string { return filepath.Join(s.dir, "sending") }

// sending lists the runs whose upload was begun and whose push did not end,
// the oldest first.
func (s *state) sending() ([]string, error) {
	data, err := os.ReadFile(s.sendingPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, ioError("the list of unfinished pushes can't be read", s.sendingPath(), err)
	}
	runs := slices.DeleteFunc(strings.Fields(string(data)), func(run string) bool { return !core.ValidRun(run) })
	return runs[max(0, len(runs)-maxResume):], nil
}

// noteSending remembers a run until [state.sent]. It need not survive a crash of
// the machine: then everything is sent again.
func (s *state) noteSending(run string) error {
	runs, err := s.sending()
	if err != nil {
		return err
	}
	text := strings.Join(append(runs, run), "\n") + "\n"
	if err := os.WriteFile(s.sendingPath(), []byte(text), 0o600); err != nil {
		return ioError("an unfinished push can't be noted", s.sendingPath(), err)
	}
	return nil
}

// sent forgets what [state.noteSending] noted.
func (s *state) sent() error {
	if err := os.Remove(s.sendingPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ioError("a finished push can't be noted", s.sendingPath(), err)
	}
	return nil
}

// noteSending remembers that the workspace's archive is on its way. In classic
// nothing of one that was cut off can be used.
func (u *upload) noteSending(asset string) error {
	if asset != "" || u.plan.DropBase {
		return nil
	}
	return u.session.state.noteSending(u.session.run)
}
