package hostgo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// A person sees the last lines of what a command said, and no control character of them (S8).
func TestS8_TheEndOfStderrIsShown(t *testing.T) {
	for stderr, want := range map[string]string{
		"":                       "exit status 3",
		"one\n":                  "exit status 3; one",
		"one\ntwo\nthree\n":      "exit status 3; one; two; three",
		"0\n\none\r\ntwo\rthree": "exit status 3; one; two; three",
		"\x1b[2J":                `exit status 3; \x1b[2J`,
	} {
		require.Equal(t, want, (&ExitError{Status: 3, Stderr: stderr}).Error())
	}
}

// What a call says of itself is short enough that the cause behind it is never cut off, and names the path in the
// sandbox, never one of the host.
func TestS6_ErrorsOfClients(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	late, end := context.WithTimeout(t.Context(), -1)
	defer end()
	cause := errors.New("why")
	for name, row := range map[string]struct {
		ctx  context.Context
		path string
		err  error
		want string
		code core.Code
	}{
		"without a path":      {t.Context(), "", cause, "reading failed: why", core.CodeClient},
		"with one":            {t.Context(), "/a\nb", cause, `reading /a\x0ab failed: why`, core.CodeClient},
		"of a file":           {t.Context(), "/a", &fs.PathError{Op: "open", Path: "/host/a", Err: fs.ErrNotExist}, "reading /a failed: file does not exist", core.CodeClient},
		"stopped":             {stopped, "/a", cause, "reading /a was stopped: context canceled", core.CodeCancelled},
		"too late":            {late, "/a", cause, "reading /a took too long: context deadline exceeded", core.CodeTimeout},
		"the client's cancel": {t.Context(), "/a", fmt.Errorf("x: %w", context.Canceled), "reading /a was stopped: x: context canceled", core.CodeCancelled},
		"the client's time":   {t.Context(), "/a", fmt.Errorf("x: %w", context.DeadlineExceeded), "reading /a took too long: x: context deadline exceeded", core.CodeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			err := ClientError(row.ctx, "reading", row.path, row.err)
			require.Equal(t, row.want, err.Error())
			require.ErrorIs(t, err, row.code)
		})
	}
	for size := maxShownPath - 3; size < maxShownPath+3; size++ {
		p := "/" + strings.Repeat("é", size/2) + strings.Repeat("x", 1-size%2)
		shown := shorten(p)
		require.LessOrEqual(t, len(shown), maxShownPath)
		require.True(t, utf8.ValidString(shown))
		require.Equal(t, len(p) > maxShownPath, shown != p, "%d bytes", len(p))
	}
}

// A command that never began has a hint of its own, unless it was stopped.
func TestNotStarted(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for ctx, hint := range map[context.Context]bool{t.Context(): true, stopped: false} {
		var e *core.Error
		require.ErrorAs(t, NotStarted(ctx, errors.New("why")), &e)
		require.Equal(t, hint, strings.Contains(e.Hint, "executable"))
	}
}

// A tail is the end of all that was written, however it came.
func TestATailIsTheEndOfWhatWasWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var tail Tail
		whole := ""
		for range 1 + r.IntN(6) {
			size := []int{0, 1, r.IntN(100), MaxStderr - 1, MaxStderr, MaxStderr + 1, r.IntN(2 * MaxStderr)}[r.IntN(7)]
			piece := strings.Repeat(string(rune('a'+r.IntN(26))), size)
			n, err := tail.Write([]byte(piece))
			require.NoError(t, err)
			require.Equal(t, size, n)
			whole += piece
		}
		require.Empty(t, cmp.Diff(whole[max(0, len(whole)-MaxStderr):], tail.String()))
	}
}
