package hostgo_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo"
)

// What a .gitignore leaves out may be a secret. It stays here also where the file is not all UTF-8, and nothing
// is sent where the file is too long to be honoured.
func TestGitignoreOfAnyBytesAndLength(t *testing.T) {
	b := newPair(t)
	b.opts.Gitignore = true
	write(t, b.local, "sub/.gitignore", "caf\xe9*\nsecret\n")
	write(t, b.local, "sub/secret", "1")
	write(t, b.local, "sub/plain", "1")
	b.push()
	require.NoFileExists(t, filepath.Join(b.sandbox, "sub/secret"))
	require.Equal(t, "1", read(t, b.sandbox, "sub/plain"))

	write(t, b.local, "sub/.gitignore", strings.Repeat("# a comment\n", 1<<17)+"secret\n")
	write(t, b.local, "sub/plain", "2")
	_, err := hostgo.Push(t.Context(), b.opts)
	var e *core.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, core.CodeLimit, e.Code)
	require.Equal(t, "sub/.gitignore", e.Path)
	require.Equal(t, "1", read(t, b.sandbox, "sub/plain"))
}
