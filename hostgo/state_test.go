package hostgo_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo"
)

// TestADamagedBaseIsRefusedAndStays spoils a stored base below its seal and under
// it, where the binary form is as no version of it is.
func TestADamagedBaseIsRefusedAndStays(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	b.push()
	files, err := filepath.Glob(filepath.Join(b.opts.StateDir, "*", "base"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	good, err := os.ReadFile(files[0])
	require.NoError(t, err)
	_, body, _ := bytes.Cut(good, []byte("\n"))
	sealed := func(body []byte) []byte {
		return fmt.Appendf(nil, "syncplan-base %x\n%s", sha256.Sum256(body), body)
	}
	require.Equal(t, good, sealed(body))
	section := bytes.Index(body, []byte("syncsnap"))
	spoiled := func(at int) []byte {
		body := bytes.Clone(body)
		body[section+at] ^= 1
		return sealed(body)
	}
	for name, tt := range map[string]struct {
		data []byte
		code core.Code
	}{
		"cut off":          {good[:len(good)-1], core.CodeCorrupt},
		"another checksum": {spoiled(8), core.CodeCorrupt},
		"version 0":        {spoiled(16), core.CodeCorrupt},
		"version 257":      {spoiled(17), core.CodeNewerVersion},
	} {
		require.NoError(t, os.WriteFile(files[0], tt.data, 0o600))
		_, err := hostgo.Pull(t.Context(), b.opts)
		var known *core.Error
		require.ErrorAs(t, err, &known, name)
		require.Equal(t, tt.code, known.Code, name)
		require.NotEmpty(t, known.Hint, name)
		require.Equal(t, files[0], known.Path, name)
		left, err := os.ReadFile(files[0])
		require.NoError(t, err)
		require.Equal(t, tt.data, left, name)
	}
}

// TestAStateFolderOfSomebodyElseIsRefused is about one in a folder where others can make some too.
func TestAStateFolderOfSomebodyElseIsRefused(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	b.push()
	found, err := filepath.Glob(filepath.Join(b.opts.StateDir, "*"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	refused := func() {
		t.Helper()
		_, err := hostgo.Push(t.Context(), b.opts)
		require.ErrorIs(t, err, core.CodeUnsafeRoot)
		require.ErrorContains(t, err, "belongs to somebody else")
	}
	require.NoError(t, os.Chmod(found[0], 0o777))
	refused()
	require.NoError(t, os.Chmod(found[0], 0o700))
	b.push()
	require.NoError(t, os.Rename(found[0], found[0]+".there"))
	require.NoError(t, os.Symlink(found[0]+".there", found[0]))
	refused()
	if os.Geteuid() == 0 { // others can't give a folder away
		require.NoError(t, os.Remove(found[0]))
		require.NoError(t, os.Rename(found[0]+".there", found[0]))
		require.NoError(t, os.Chown(found[0], 1, 1))
		refused()
	}
}
