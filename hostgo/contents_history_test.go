package hostgo

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// contentsHistory is what a store of contents was given, beside the store.
type contentsHistory struct {
	t     *testing.T
	rng   *rand.Rand
	s     *state
	texts []string // all that may be kept
	kept  []bool   // those that must be found again
	torn  bool     // a byte was changed: nothing must be found any more
}

// play makes one run: it may ask for contents, adds some, and ends with a base.
func (h *contentsHistory) play() {
	c := h.s.openContents()
	for range h.rng.IntN(3) {
		h.ask(c, h.rng.IntN(len(h.texts)))
	}
	for range h.rng.IntN(4) {
		i := h.rng.IntN(len(h.texts))
		require.NoError(h.t, c.add(core.Sum(h.texts[i]), []byte(h.texts[i])))
		h.kept[i] = worthKeeping([]byte(h.texts[i]))
	}
	var entries []core.Entry
	for i, text := range h.texts {
		used := h.kept[i] && h.rng.IntN(3) > 0
		if h.kept[i] = used; used || h.rng.IntN(9) == 0 {
			entries = append(entries, core.Entry{Path: fmt.Sprintf("%03d", i), Kind: core.KindFile, Size: int64(len(text)), Digest: core.Sum(text)})
		}
	}
	entries = append(entries, core.Entry{Path: "huge", Kind: core.KindFile, Size: 1 << 40})
	base := &core.Base{Entries: core.TreeOf(entries)}
	require.NoError(h.t, c.close(base))
	info, err := os.Stat(c.path)
	if err == nil {
		require.True(h.t, h.torn || info.Size() <= max(1<<20, 4*mostContents(base))+4*maxContent, "it grows without end")
	}
}

// ask holds an answer to be right, and to be there where it must.
func (h *contentsHistory) ask(c *contents, i int) {
	got := c.get(core.Sum(h.texts[i]))
	if got != nil || h.kept[i] && !h.torn {
		require.True(h.t, got != nil && string(got) == h.texts[i], "content %d", i)
	}
}

// damage cuts the store off, as a crash does, after which what is added is found again; or it changes one byte, after
// which nothing wrong may be found.
func (h *contentsHistory) damage() {
	path := h.s.openContents().path
	data, err := os.ReadFile(path)
	if err != nil || len(data) == 0 {
		return
	}
	at := h.rng.IntN(len(data))
	if h.rng.IntN(2) == 0 {
		data = data[:at]
	} else {
		data[at] ^= byte(1 + h.rng.IntN(255))
		h.torn = true
	}
	require.NoError(h.t, os.WriteFile(path, data, 0o600))
	clear(h.kept)
}

// TestContentsHistories plays runs on a store, now and then damaged: what base refers to since is found, and what is
// found is right.
func TestContentsHistories(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := &contentsHistory{t: t, rng: rand.New(rand.NewPCG(seed, 11)), s: &state{dir: t.TempDir()}}
			closesAll(t, h.s.dir)
			for i := range 12 {
				size := []int{0, 1, 7999, 60_000, maxContent - 1, maxContent, maxContent + 1}[h.rng.IntN(7)]
				text := []byte(strings.Repeat(string(rune('a'+i)), size))
				if size > 8001 && i%4 == 0 {
					text[7999+i%8/4] = 0 // the last byte that tells a binary file, and the first that does not
				}
				h.texts = append(h.texts, string(text))
			}
			h.kept = make([]bool, len(h.texts))
			for range 12 {
				if h.rng.IntN(6) == 0 {
					h.damage()
				}
				h.play()
				c := h.s.openContents()
				for i := range h.texts {
					h.ask(c, i)
				}
				_, err := os.Stat(c.path + ".new")
				require.ErrorIs(t, err, os.ErrNotExist)
			}
		})
	}
}
