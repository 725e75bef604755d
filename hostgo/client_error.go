package hostgo

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// MaxStderr bounds what an [ExitError] keeps of a command's stderr, in bytes.
const MaxStderr = 4096

// maxShownPath bounds a sandbox path in a message, so that the cause behind it
// is never cut off.
const maxShownPath = 512

// ExitError says that a command in the sandbox ended with a status other than
// 0. Clients wrap it in a *[core.Error].
type ExitError struct {
	Status int    // 1 to 255; 128+n where signal n ended the shell
	Stderr string // the end of stderr as it came, at most [MaxStderr] bytes
}

// Error names the status and shows the last lines of stderr, escaped.
func (e *ExitError) Error() string {
	s := "exit status " + strconv.Itoa(e.Status)
	lines := strings.FieldsFunc(e.Stderr, func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) > 3 {
		lines = lines[len(lines)-3:]
	}
	for _, line := range lines {
		s += "; " + shorten(core.DisplayPath(line))
	}
	return s
}

// ClientError is the error of one call of a client. What names the call and
// its object for people, p the sandbox path or nothing. Where ctx is done the
// code says so, whatever err is: a transport reports its own end in many words.
func ClientError(ctx context.Context, what, p string, err error) error {
	if p != "" {
		what += " " + shorten(core.DisplayPath(p))
	}
	e := &core.Error{Code: core.CodeClient, Message: what + " failed", Err: err}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		e.Err = pe.Err // it would repeat the path, or show the host's own
	}
	e.Hint = hintFor(err)
	cause := ctx.Err()
	if cause == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		cause = err
	}
	switch {
	case errors.Is(cause, context.DeadlineExceeded):
		e.Code, e.Message, e.Err = core.CodeTimeout, what+" took too long", cause
	case cause != nil:
		e.Code, e.Message, e.Err = core.CodeCancelled, what+" was stopped", cause
	}
	return e
}

// hints say what helps against what a system refuses, by the words of its tools.
var hints = [...]struct{ words, hint string }{
	{"no space left on device", "the disk of the sandbox is full: make room there and run it again"},
	// The words of dash's own commands, for whatever keeps them from writing.
	{"echo: i/o error", noWrite}, {"printf: i/o error", noWrite},
	{"read-only file system", "a file system of the sandbox is read-only: change that there, or exclude what lies on it, and run it again"},
	{"permission denied", "something in the sandbox may not be changed: give the permission there and run it again"},
	{"operation not permitted", "something in the sandbox may not be changed: give the permission there and run it again"},
	{"too many open files", "raise the limit of open files (ulimit -n) and run it again"},
	{": not found", lacksTool}, {"command not found", lacksTool}, {"executable file not found", lacksTool},
}

const noWrite = "a file in the sandbox could not be written, most likely because its disk is full: make room there and run it again"

const lacksTool = "a tool is missing in the sandbox: a sync needs sh, find, tar, cat, rm, rmdir, mv, cp, mkdir, chmod, ln and sort there"

// NotStarted is the error of a command of a [Commander] that never began.
func NotStarted(ctx context.Context, err error) error {
	failed := ClientError(ctx, "the command", "", err)
	var e *core.Error
	if errors.As(failed, &e) && e.Code == core.CodeClient {
		e.Hint = "see that it is in the sandbox, on the PATH there, and executable"
	}
	return failed
}

func hintFor(err error) string {
	text := strings.ToLower(err.Error())
	for _, h := range hints {
		if strings.Contains(text, h.words) {
			return h.hint
		}
	}
	return ""
}

// BeginCall refuses a call whose ctx is done, and a path that no sandbox could
// have meant: one that is not absolute and normalised, or holds a NUL. What names
// the call for people.
func BeginCall(ctx context.Context, what, p string) error {
	if err := ctx.Err(); err != nil {
		return ClientError(ctx, what, p, err)
	}
	if !path.IsAbs(p) || path.Clean(p) != p || strings.Contains(p, "\x00") {
		return &core.Error{Code: core.CodeInvalidPath, Path: p, Message: "a path in the sandbox is absolute and normalised"}
	}
	return nil
}

// shorten keeps both ends of s, the end being the telling one.
func shorten(s string) string {
	if len(s) <= maxShownPath {
		return s
	}
	half := (maxShownPath - 3) / 2
	return strings.ToValidUTF8(s[:half], "") + "..." + strings.ToValidUTF8(s[len(s)-half:], "")
}

// Tail is a writer that keeps the last [MaxStderr] bytes. The zero value is
// ready. It is not safe for concurrent use.
type Tail struct{ kept []byte }

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	n := len(p)
	if n > MaxStderr {
		p = p[n-MaxStderr:]
	}
	if over := len(t.kept) + len(p) - MaxStderr; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	t.kept = append(t.kept, p...)
	return n, nil
}

// String returns what was kept.
func (t *Tail) String() string { return string(t.kept) }
