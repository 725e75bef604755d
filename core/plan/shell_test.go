package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
)

// A client that takes a script out of its shell runs the same commands.
func TestScript(t *testing.T) {
	for _, script := range []string{"", "echo", "a 'b' c", "'", "''", `'\''`, `\`, "two\nlines"} {
		require.Equal(t, script, plan.Script("sh -c "+plan.Quote(script)))
	}
	for _, command := range []string{"", "echo x", "sh 'file'", "sh -c 'a' && b", "sh -c 'a' 'b'", "sh -c 'a'\\''", "sh -c 'a", "sh -c '"} {
		require.Equal(t, command, plan.Script(command))
	}
}
