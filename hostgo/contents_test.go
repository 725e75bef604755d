package hostgo

import (
	"encoding/binary"
	"math"
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
	data[len(data)-markSize-1] ^= 1
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
	require.EqualValues(t, recordHead+len("kept\n")*30_000+markSize, s.sizeOf(t))
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

// What is added takes the place of the mark unseen, and where there is none what the
// index calls whole is kept, and the rest cut off.
func TestContentsEndInAMark(t *testing.T) {
	s, words := &state{dir: t.TempDir()}, []string{"one", "two", "three", "four"}
	add := func(word string) *contents {
		c := s.openContents()
		require.NoError(t, c.add(core.Sum(word), []byte(word)))
		return c
	}
	for _, word := range words[:2] {
		c := add(word)
		require.Equal(t, word == "one", c.read, "the mark spares the index")
		require.NoError(t, c.close(nil))
	}
	require.EqualValues(t, 2*recordHead+len("onetwo")+markSize, s.sizeOf(t))

	for _, cut := range []int64{1, markSize, markSize + 1} {
		require.NoError(t, os.Truncate(s.openContents().path, s.sizeOf(t)-cut))
		c := add("three")
		require.True(t, c.read, "cut by %d", cut)
		require.NoError(t, c.close(nil))
	}
	c := add("four")
	require.False(t, c.read)
	require.Equal(t, "one", string(c.get(core.Sum("one"))), "with additions on their way")
	require.NoError(t, c.close(nil))

	c = s.openContents()
	for _, word := range words {
		require.Equal(t, word, string(c.get(core.Sum(word))))
	}
}

// A store that nobody read is rewritten once it is larger than twice what base could fill.
func TestContentsKeptTwice(t *testing.T) {
	s, text := &state{dir: t.TempDir()}, strings.Repeat("text\n", 50_000)
	base := &core.Base{Entries: core.TreeOf([]core.Entry{{Path: "a", Kind: core.KindFile, Size: int64(len(text)), Digest: core.Sum(text)}})}
	once := int64(recordHead + len(text))
	var sizes []int64
	for range 6 {
		c := s.openContents()
		require.NoError(t, c.add(core.Sum(text), []byte(text)))
		require.NoError(t, c.close(base))
		sizes = append(sizes, (s.sizeOf(t)-markSize)/once)
	}
	require.Equal(t, []int64{1, 2, 3, 4, 1, 2}, sizes, "copies; below a megabyte it is not worth it")
	require.Equal(t, text, string(s.openContents().get(core.Sum(text))))
}

// What a store holds has a bound (R4). The last content that fits is kept.
func TestR4_ContentsAreBounded(t *testing.T) {
	for text, more := range map[string]int64{"five5": 0, "four": recordHead + 4} {
		s := &state{dir: t.TempDir()}
		const full = maxContents - 4
		f, err := os.Create(s.openContents().path)
		require.NoError(t, err)
		_, err = f.WriteAt(mark(full), full) // what is before it takes no room
		require.NoError(t, err)
		require.NoError(t, f.Close())
		c := s.openContents()
		for _, added := range []string{text, "x" + text} {
			require.NoError(t, c.add(core.Sum(added), []byte(added)))
		}
		require.NoError(t, c.close(nil))
		require.Equal(t, more, s.sizeOf(t)-full-markSize, text)
	}
}

// A damaged length ends what is known of a store: none is so large that it fills the memory, or
// leads back to where it stands.
func TestR4_ADamagedLengthIsNone(t *testing.T) {
	for _, length := range []int64{-1, -recordHead, -2 * recordHead, math.MinInt64, math.MaxInt64, maxContent + 1} {
		s := &state{dir: t.TempDir()}
		c := s.openContents()
		require.NoError(t, c.add(core.Sum("one"), []byte("one")))
		require.NoError(t, c.close(nil))
		data, err := os.ReadFile(c.path)
		require.NoError(t, err)
		digest := core.Sum("two")
		data = binary.LittleEndian.AppendUint64(append(data[:len(data)-markSize], digest[:]...), uint64(length))
		require.NoError(t, os.WriteFile(c.path, append(data, make([]byte, 2*maxContent)...), 0o600))
		c = s.openContents()
		require.Equal(t, "one", string(c.get(core.Sum("one"))), length)
		require.Len(t, c.index, 1, length)
		require.EqualValues(t, recordHead+3, c.size, length)
	}
}
