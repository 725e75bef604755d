package hostgo

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// TestD5_AStageKeepsWhatIsWholeAlone opens the stage of a run that died, with all that it may have left there.
func TestD5_AStageKeepsWhatIsWholeAlone(t *testing.T) {
	dir := t.TempDir()
	closesAll(t, dir)
	name := func(content string) string { return filepath.Join(dir, core.Sum(content).String()) }
	require.NoError(t, os.WriteFile(name("whole"), []byte("whole"), 0o600))
	require.NoError(t, os.WriteFile(name("cut off"), []byte("cut o"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new-1"), []byte("whole"), 0o600))
	require.NoError(t, os.MkdirAll(name("a folder")+"/in", 0o700))
	require.NoError(t, os.Symlink(name("whole"), name("a link")))
	s, err := newStage(dir)
	require.NoError(t, err)
	require.Equal(t, []core.Digest{core.Sum("whole")}, s.Digests())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	data, err := s.Bytes(core.Sum("whole"), 5)
	require.NoError(t, err)
	require.Equal(t, "whole", string(data))
	for _, tt := range []struct {
		content string
		max     int64
	}{{"whole", 4}, {"cut off", 100}} {
		_, err := s.Bytes(core.Sum(tt.content), tt.max)
		require.ErrorIs(t, err, core.CodeLimit)
	}
	_, err = newStage(name("whole"))
	require.ErrorIs(t, err, core.CodeIO, "no folder")
}

// TestD5_AStageTakesABodyOnce puts bodies of either kind of size: whole, again, known elsewhere, and cut off.
func TestD5_AStageTakesABodyOnce(t *testing.T) {
	for _, size := range []int{0, smallFile, smallFile + 1} {
		dir := t.TempDir()
		closesAll(t, dir)
		s, err := newStage(dir)
		require.NoError(t, err)
		content := strings.Repeat("x", size)
		d := core.Sum(content)
		unknown := func(core.Digest) bool { return false }
		_, _, err = s.PutUnless(io.MultiReader(strings.NewReader(content[:size/2]), iotest.ErrReader(errors.ErrUnsupported)), int64(size+1), unknown)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		for _, tt := range []struct {
			known, staged bool
		}{{true, false}, {false, true}, {false, false}} {
			got, staged, err := s.PutUnless(strings.NewReader(content+"of the next"), int64(size), func(core.Digest) bool { return tt.known })
			require.NoError(t, err)
			require.Equal(t, d, got)
			require.Equal(t, tt.staged, staged)
			require.Equal(t, !tt.known, s.Has(d))
		}
		f, err := s.Open(d)
		require.NoError(t, err)
		data, err := io.ReadAll(f)
		require.NoError(t, errors.Join(err, f.Close()))
		require.True(t, bytes.Equal([]byte(content), data))
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1, "nothing but the body is left")
	}
}

// TestR1_AContentThatDidNotComeSaysWhatToDo is about a file that another host changes between the listing of a
// pull and its fetch.
func TestR1_AContentThatDidNotComeSaysWhatToDo(t *testing.T) {
	s, err := newStage(t.TempDir())
	require.NoError(t, err)
	_, err = (&bodies{stage: s, local: &core.Snapshot{}}).Open(core.Sum("gone"))
	require.ErrorContains(t, err, "pull again")
}
