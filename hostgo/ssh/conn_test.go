package ssh

import (
	"bytes"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/hostgo"
)

// What a hostile server can make the client hold is bounded (R4).

func TestR4_ALineWithoutEndIsNotKept(t *testing.T) {
	w := &markedWriter{}
	for range 100 {
		_, err := w.Write([]byte(strings.Repeat("1", 1000)))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(w.unmarked()), 2*hostgo.MaxStderr)
}

func TestR4_AWindowOfGigabytesIsRefused(t *testing.T) {
	for window, want := range map[int]bool{maxWindow: true, 4 * maxWindow: false} {
		var packed bytes.Buffer
		w, err := zstd.NewWriter(&packed, zstd.WithWindowSize(window), zstd.WithSingleSegment(false))
		require.NoError(t, err)
		_, err = w.Write(make([]byte, 5*maxWindow))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		r, err := packers["zstd"].reader(&packed)
		if err == nil {
			_, err = bytes.NewBuffer(nil).ReadFrom(r)
		}
		require.Equal(t, want, err == nil, "%v", err)
	}
}
