package hostgo

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// A store that mostly holds what base does not refer to any more is rewritten;
// what base refers to survives that, and a damaged record is given up alone.
func TestContentsCompact(t *testing.T) {
	s := &state{dir: t.TempDir()}
	texts := map[string]core.Digest{}
	for _, word := range []string{"kept", "dropped", "gone", "old", "older", "oldest", "damaged"} {
		text := strings.Repeat(word+"\n", 30_000)
		texts[word] = core.Sum(text)
		c := s.openContents()
		require.NoError(t, c.add(texts[word], []byte(text)))
		require.NoError(t, c.close(nil))
	}
	path := s.openContents().path
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	data[len(data)-1] ^= 1
	require.NoError(t, os.WriteFile(path, data, 0o600))

	base := func(words ...string) *core.Base {
		entries := []core.Entry{{Path: "!", Kind: core.KindFile, Digest: core.Sum("never stored")}}
		for _, word := range words {
			entries = append(entries, core.Entry{Path: word, Kind: core.KindFile, Digest: texts[word]},
				core.Entry{Path: word + "2", Kind: core.KindFile, Digest: texts[word]})
		}
		return &core.Base{Entries: core.TreeOf(entries)}
	}
	c := s.openContents()
	require.NotNil(t, c.get(texts["old"]))
	require.Nil(t, c.get(texts["damaged"]))
	require.NoError(t, c.close(base("damaged", "gone", "kept", "older")))
	require.Equal(t, c.size, s.sizeOf(t), "more than half of it is live")

	c = s.openContents()
	require.NotNil(t, c.get(texts["old"]))
	require.NoError(t, c.close(base("damaged", "kept")))
	require.EqualValues(t, recordHead+len("kept\n")*30_000, s.sizeOf(t))
	c = s.openContents()
	require.Equal(t, strings.Repeat("kept\n", 30_000), string(c.get(texts["kept"])))
	require.Nil(t, c.get(texts["old"]))
}

func (s *state) sizeOf(t *testing.T) int64 {
	info, err := os.Stat(s.openContents().path)
	require.NoError(t, err)
	return info.Size()
}

// What could not be read is not cut off by what is added later in the same run.
func TestContentsThatCouldNotBeReadStay(t *testing.T) {
	s := &state{dir: t.TempDir()}
	early, late := core.Sum("early"), core.Sum("late")
	c := s.openContents()
	require.NoError(t, c.add(early, []byte("early")))
	require.NoError(t, c.close(nil))

	require.NoError(t, os.Rename(c.path, c.path+".away"))
	require.NoError(t, os.Mkdir(c.path, 0o700)) // opens, but nobody can read it
	c = s.openContents()
	require.Nil(t, c.get(early))
	require.Error(t, c.add(late, []byte("late")))
	require.NoError(t, os.Remove(c.path))
	require.NoError(t, os.Rename(c.path+".away", c.path))
	require.NoError(t, c.add(late, []byte("late")))
	require.NoError(t, c.close(nil))

	c = s.openContents()
	require.Equal(t, "early", string(c.get(early)))
	require.Equal(t, "late", string(c.get(late)))
}
