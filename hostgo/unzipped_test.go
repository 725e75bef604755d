package hostgo

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(data)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func unzip(r io.Reader) ([]byte, error) { return io.ReadAll(unzipped(bufio.NewReader(r))) }

func TestACompressedDownloadIsWhatItWas(t *testing.T) {
	random := make([]byte, 100_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	for _, data := range [][]byte{{}, {0x1f}, []byte("text"), random} {
		for _, packed := range [][]byte{data, zipped(t, data)} {
			got, err := unzip(iotest.OneByteReader(bytes.NewReader(packed)))
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
		}
	}

	// One that breaks off hands out what had arrived, and the error of the transport.
	gone, packed := errors.New("gone"), zipped(t, random)
	got, err := unzip(io.MultiReader(bytes.NewReader(packed[:50_000]), iotest.ErrReader(gone)))
	require.Equal(t, gone, err)
	require.Greater(t, len(got), 40_000)
	require.True(t, bytes.HasPrefix(random, got))
}

// A damaged one is damaged, and one that has no end takes no room without end.
func TestS7_ACompressedDownloadIsBounded(t *testing.T) {
	packed := zipped(t, bytes.Repeat([]byte("content"), 1000))
	for i := 2; i < len(packed); i++ {
		_, err := unzip(bytes.NewReader(packed[:i]))
		require.ErrorIs(t, err, core.CodeCorrupt, "%d bytes", i)
	}
	_, err := unzip(bytes.NewReader([]byte("\x1f\x8bgarbage")))
	require.ErrorIs(t, err, core.CodeCorrupt)
	packed[len(packed)-6] ^= 1
	_, err = unzip(bytes.NewReader(packed))
	require.ErrorIs(t, err, core.CodeCorrupt)
	got, err := unzip(bytes.NewReader(zipped(t, make([]byte, 64<<20))))
	require.NoError(t, err)
	require.Len(t, got, plan.SurveyUnpacked)
}
