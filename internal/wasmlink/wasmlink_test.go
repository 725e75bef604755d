package main

import (
	"bytes"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShrinkRefuses(t *testing.T) {
	for name, module := range map[string][]byte{
		"nothing":     nil,
		"no module":   []byte("nonsense"),
		"empty":       []byte(moduleHeader),
		"cut section": []byte(moduleHeader + "\x01\xff"),
		"no names":    []byte(moduleHeader + "\x0a\x01\x00\x0b\x01\x00"),
	} {
		_, err := Shrink(module)
		require.ErrorIs(t, err, errForm, name)
	}
}

// TestSegmentsKeepMemory renders what was written down and finds it unchanged.
func TestSegmentsKeepMemory(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 200 {
		memory := make([]byte, r.Intn(2000))
		for i := 0; i < len(memory); i += 1 + r.Intn(60) {
			memory[i] = byte(1 + r.Intn(255))
		}
		again, err := render(segments(memory))
		require.NoError(t, err)
		require.Equal(t, bytes.TrimRight(memory, "\x00"), again)
	}
}

func TestRenderRefuses(t *testing.T) {
	for name, body := range map[string][]byte{
		"passive":         {1, 1, 0},
		"no constant":     {1, 0, 0x23, 0, opEnd, 0},
		"below zero":      {1, 0, opConst, 0x7f, opEnd, 0},
		"beyond memory":   append(appendInt([]byte{1, 0, opConst}, maxMemory+1), opEnd, 0),
		"cut":             {1, 0, opConst, 0, opEnd, 9, 1},
		"something after": {0, 0},
	} {
		_, err := render(body)
		require.ErrorIs(t, err, errForm, name)
	}
}

func TestNumbers(t *testing.T) {
	for _, v := range []int64{0, 1, 63, 64, -1, -64, -65, 1 << 40, -1 << 40} {
		r := &reader{rest: appendInt(nil, v)}
		require.Equal(t, v, r.int())
		require.Empty(t, r.rest)
	}
}

func FuzzShrink(f *testing.F) {
	f.Add([]byte(moduleHeader + "\x0a\x01\x00\x0b\x01\x00"))
	f.Fuzz(func(t *testing.T, module []byte) {
		if _, err := Shrink(module); err != nil {
			require.ErrorIs(t, err, errForm)
		}
	})
}
