package hostgo

import (
	"context"
	"io"
	"os"
	"time"
)

// Client is a sandbox as the sync loop sees it. Package clienttest checks every
// promise made here.
//
// Paths are absolute POSIX paths in the sandbox, without "." or ".." segments;
// a name may hold any byte but NUL. Every error is a *[core.Error] of at most
// [core.MaxMessage] bytes: CodeCancelled or CodeTimeout where ctx ended the
// call, CodeTimeout where the call ran out of its own time, else CodeClient
// or, for an argument that no sandbox could serve, CodeInvalidPath. No error
// carries a payload or the text of a command (promise S6). A call with a ctx
// that is already done changes nothing. A client is safe for concurrent use
// unless its [Capabilities] say otherwise.
type Client interface {
	// MakeDir creates a directory with its parents. One that exists is fine.
	MakeDir(ctx context.Context, path string) error
	// WriteFile creates or replaces a file in a directory that exists. After an
	// error the content at path is not known.
	WriteFile(ctx context.Context, path string, data []byte) error
	// ReadFile returns the whole content of a file. A missing file is an error,
	// one of fs.ErrNotExist where the client can tell. So is what is no file: a FIFO
	// is not waited for, and a device may have no end.
	ReadFile(ctx context.Context, path string) ([]byte, error)
	// ListFiles returns the names of what is directly in a directory and no
	// directory itself, hidden files and links included, in byte order. A
	// missing directory is an error: an empty list would read as "all gone".
	ListFiles(ctx context.Context, path string) ([]string, error)
	// Remove removes a file, a link (never what it points at) or a directory
	// with all below it. What is not there counts as removed, so that a call
	// may be repeated.
	Remove(ctx context.Context, path string) error
	// Run runs a whole command line with sh and discards its stdout. An exit
	// status other than 0 is an error that wraps an *[ExitError]. After timeout,
	// rounded up to seconds by some clients and none if 0, the command is killed
	// with all its children, as it is when ctx ends.
	Run(ctx context.Context, command string, timeout time.Duration) error
}

// Streamer is a client that moves bodies without holding them in memory.
type Streamer interface {
	// RunStream is Run with the command's stdin read from in, empty if that is nil,
	// and its stdout written to out, discarded if that is nil. timeout counts from
	// the last byte that moved. An error of in or out kills the command and is
	// wrapped by the one returned. A command need not read all of in, which may be
	// read from for a moment after the return.
	RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error
}

// Capabilities are what a sync has to know of a client's transport (promise R3).
// The zero value claims nothing: no limit known, whole features.
//
// Other limits need no word. Scripts, lists and results travel as files, so that
// no command grows with the tree, and what one prints is never read; a sync
// makes one call at a time, and no time-out is so short that a second counts.
type Capabilities struct {
	MaxWrite      int64 // longest body of one write in bytes; 0 = unknown
	NoConcurrency bool  // one call at a time: package clienttest makes no two
	Far           bool  // a call more costs more time than it saves
}

// Capable is a client that knows its limits.
type Capable interface {
	// Capabilities returns what is known by now; a later call may know more.
	Capabilities() Capabilities
}

// Identified is a client that can name its sandbox. State is keyed by the name,
// so it must be the same for the same sandbox in every run, and hold no secret.
type Identified interface {
	// Identity returns the name, never empty.
	Identity() string
}

// Local is a client whose sandbox is a folder of this host. A sync refuses a workspace or state
// that lies in it, and one that lies in the workspace.
type Local interface {
	// LocalRoot returns that folder as a path of this host.
	LocalRoot() string
}

// Commander is a client that can run a person's command and report its status.
type Commander interface {
	// Exec runs one command and returns its exit status, 128+n where signal n
	// ended it. The error is nil unless the command could not be started or
	// observed, or was killed because ctx ended; the status then is -1.
	Exec(ctx context.Context, req ExecRequest) (exit int, err error)
}

// ExecRequest is one command of a person.
type ExecRequest struct {
	Dir    string    // working directory, absolute; empty means the sandbox's own
	Argv   []string  // program and arguments, passed on byte for byte; not a shell's text
	Env    []string  // "NAME=value", added to the sandbox's own environment; a name that no shell takes may be refused
	Stdin  io.Reader // nil means empty
	Stdout io.Writer // nil means discarded
	Stderr io.Writer // nil means discarded
	// Signals are passed to the process group of the command until it ends. A
	// nil channel passes none.
	Signals <-chan os.Signal
}

// CapabilitiesOf returns what c says of itself, or the zero value.
func CapabilitiesOf(c Client) Capabilities {
	if k, ok := c.(Capable); ok {
		return k.Capabilities()
	}
	return Capabilities{}
}
