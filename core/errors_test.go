package core_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// The text of an error reaches terminals and logs. Causes of the system name
// paths as they are on disk.
func TestS8_ErrorsAreEscaped(t *testing.T) {
	err := &core.Error{Code: core.CodeIO, Path: "a\x1b[31m\\", Message: "it can't be read", Err: errors.New("open a\x1b[31m\n: no")}
	require.Equal(t, `it can't be read (a\x1b[31m\\): open a\x1b[31m\x0a: no`, err.Error())
	outer := &core.Error{Code: core.CodeIO, Message: "failed", Err: err}
	require.Equal(t, "failed: "+err.Error(), outer.Error(), "a text is escaped once")
}

func TestS6_ErrorsAreCutBetweenCharacters(t *testing.T) {
	for pad := range 4 {
		err := &core.Error{Message: strings.Repeat("x", pad) + strings.Repeat("€", core.MaxMessage)}
		text := err.Error()
		require.LessOrEqual(t, len(text), core.MaxMessage)
		require.Greater(t, len(text), core.MaxMessage-4)
		require.True(t, utf8.ValidString(text), "%d bytes before", pad)
		require.True(t, strings.HasSuffix(text, "..."))
	}
}
