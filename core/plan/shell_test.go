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

// What is shown to be pasted never steers the terminal, and means what it says.
func TestWord(t *testing.T) {
	for s, want := range map[string]string{
		"":               `''`,
		"a/b-1.c":        `a/b-1.c`,
		"a b":            `'a b'`,
		"it's":           `'it'\''s'`,
		`back\slash`:     `'back\slash'`,
		"höher":          `'höher'`,
		"a\\\x1b[31m":    `$'a\\\033[31m'`,
		"l\nb'":          `$'l\012b\''`,
		"bidi\u202e":     `$'bidi\342\200\256'`,
		"\x7f\xff":       `$'\177\377'`,
		"=ls":            `'=ls'`,
		"\u200b\\\\\x00": `$'\342\200\213\\\\\000'`,
	} {
		require.Equal(t, want, plan.Word(s))
	}
}
