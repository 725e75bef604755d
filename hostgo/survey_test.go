package hostgo

import (
	"context"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// reasons is a client that counts how often it is asked for the file that tells why a script refused.
type reasons struct {
	Client
	text          string // "": there is none
	Reads, Leaves int
}

func (c *reasons) ReadFile(context.Context, string) ([]byte, error) {
	c.Reads++
	if c.text == "" {
		return nil, fs.ErrNotExist
	}
	return []byte(c.text), nil
}

func (c *reasons) Remove(context.Context, string) error {
	c.Leaves++
	return fs.ErrPermission // no sync fails for it
}

// TestWhyAScriptRefused takes the status for it where a client tells one: what lies where the script leaves its reason
// is the sandbox's, of any length, and the command may have failed for another one.
func TestWhyAScriptRefused(t *testing.T) {
	exit := func(status int) error {
		return &core.Error{Code: core.CodeClient, Err: &ExitError{Status: status}}
	}
	failed := &core.Error{Code: core.CodeClient, Message: "it failed"}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, row := range map[string]struct {
		err     error
		text    string
		ctx     context.Context
		dialect plan.Dialect
		want    string
		asked   [2]int // reads and removals
	}{
		"a status of ours":              {err: exit(plan.ExitStale), text: "busy", want: "stale", asked: [2]int{0, 1}},
		"another status of ours":        {err: exit(plan.ExitBusy), text: "stale", want: "busy", asked: [2]int{0, 1}},
		"a status that needs a list":    {err: exit(plan.ExitStuck), text: "./a\x00", want: "./a\x00", asked: [2]int{1, 1}},
		"a status of something else":    {err: exit(1), text: "stale"},
		"of a tool that is missing":     {err: exit(127), text: "stale"},
		"no status, and a reason":       {err: failed, text: "script\n", want: "script", asked: [2]int{1, 1}},
		"no status, and no reason":      {err: failed, asked: [2]int{1, 0}},
		"a call that took too long":     {err: &core.Error{Code: core.CodeTimeout}, text: "stale"},
		"what is no call":               {err: fs.ErrClosed, text: "stale"},
		"classic, which has no scripts": {err: failed, text: "stale", dialect: plan.Classic},
		"a sync that was stopped":       {err: failed, text: "stale", ctx: stopped},
	} {
		t.Run(name, func(t *testing.T) {
			c := &reasons{text: row.text}
			s := &session{client: c, opts: Options{Dialect: row.dialect}, request: &plan.Request{Root: "/w", Adapter: "a", Run: "00"}}
			ctx := t.Context()
			if row.ctx != nil {
				ctx = row.ctx
			}
			require.Equal(t, row.want, s.why(ctx, row.err))
			require.Empty(t, cmp.Diff(row.asked, [2]int{c.Reads, c.Leaves}))
		})
	}
}

// TestASandboxIsAskedForAllWhereItContradictsItself, or lost what an earlier run left there; not where asking again would
// give the same answer.
func TestASandboxIsAskedForAllWhereItContradictsItself(t *testing.T) {
	for name, row := range map[string]struct {
		err  error
		want bool
	}{
		"a listing that is not what was told": {&core.Error{Code: core.CodeCorrupt, Field: plan.FieldSeen}, true},
		"a damaged download":                  {&core.Error{Code: core.CodeCorrupt}, false},
		"another field of it":                 {&core.Error{Code: core.CodeInvalidSnapshot, Field: plan.FieldSeen}, false},
		"a script that is gone":               {&core.Error{Code: core.CodeClient, Err: &ExitError{Status: plan.ExitStale}}, true},
		"a push that is being applied":        {&core.Error{Code: core.CodeClient, Err: &ExitError{Status: plan.ExitBusy}}, false},
		"a tool that failed":                  {&core.Error{Code: core.CodeClient, Err: &ExitError{Status: 1}}, false},
		"a call that was lost":                {&core.Error{Code: core.CodeClient}, false},
	} {
		s := &session{client: &reasons{}, request: &plan.Request{Root: "/w", Adapter: "a", Run: "00"}}
		require.Equal(t, row.want, s.mayForget(t.Context(), row.err), name)
	}
	s := &session{client: &reasons{text: "script\n"}, request: &plan.Request{Root: "/w", Adapter: "a", Run: "00"}}
	require.True(t, s.mayForget(t.Context(), &core.Error{Code: core.CodeClient}))
}
