package hostgo

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// Options describe one workspace and one sandbox. The zero values of the
// optional fields are the safe defaults.
type Options struct {
	Workspace string       // the local directory; no system folder
	Client    Client       // how the sandbox is reached
	Root      string       // the workspace's path in the sandbox, absolute (promise S5 says which are refused)
	Adapter   string       // names the runtime folder in the sandbox, one safe path segment; "" is "planner"
	Dialect   plan.Dialect // the form of remote commands; "" is hardened
	StateDir  string       // holds base, caches and journal; "" is DefaultStateDir
	Identity  string       // names the sandbox in the state; "" asks the client, else Root
	Plan      plan.Options // what is left out, how conflicts end, which guards are allowed
	Gitignore bool         // honour the workspace's own .gitignore files
	Assets    []Asset      // what a push puts beside the workspace
	// Timeout bounds one remote command, or with a [Streamer] the time in which
	// nothing moves; 0 is 15 minutes.
	Timeout  time.Duration
	DryRun   bool                // say what would be done, and change nothing
	Progress func(Event)         // called from one goroutine at a time; may be nil
	Waiting  func(holder string) // called where another sync of the workspace has to end first; may be nil
}

// Asset is a folder that a push puts beside the workspace, at RT/<Key>.
type Asset struct {
	Key            string   // one safe path segment, not "workspace"
	Dir            string   // the local folder
	FollowSymlinks bool     // send what links point at; promise S9 says how far
	Exclude        []string // globs, as in [plan.Options]
}

// DefaultStateDir returns the folder for bases, caches and journals:
// $XDG_STATE_HOME/syncplan, or .local/state/syncplan in the home directory.
func DefaultStateDir() (string, error) {
	if d := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "syncplan"), nil
	}
	home, err := os.UserHomeDir()
	if err == nil && !filepath.IsAbs(home) {
		err = errors.New("$HOME is no absolute path")
	}
	if err != nil {
		return "", &core.Error{Code: core.CodeIO, Message: "there is no home directory to keep state in",
			Hint: "name a folder with --state DIR", Err: err}
	}
	return filepath.Join(home, ".local", "state", "syncplan"), nil
}

const (
	defaultAdapter = "planner"
	defaultTimeout = 15 * time.Minute
)

func (s *session) setDefaults() {
	if s.opts.Adapter == "" {
		s.opts.Adapter = defaultAdapter
	}
	if s.opts.Timeout == 0 {
		s.opts.Timeout = defaultTimeout
	}
	if s.opts.Identity == "" {
		s.opts.Identity = s.opts.Root
		if c, ok := s.opts.Client.(Identified); ok {
			s.opts.Identity = c.Identity() + " " + s.opts.Root
		}
	}
}
