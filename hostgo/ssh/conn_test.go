package ssh

import (
	"bytes"
	"io"
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

// A signal goes to the group that a command said it is. "kill -1" would reach everything.
func TestAGroupIsANumberAboveOne(t *testing.T) {
	for text, want := range map[string]string{"": "", "x": "", "0": "", "1": "", "-1": "", "-17": "", "2 3": "", "$(id)": "", "99999999999999999999": "", "2": "2", "0017": "17"} {
		g := group{known: make(chan struct{})}
		g.tell(text)
		require.Equal(t, want, g.id, text)
		select {
		case <-g.known:
			require.NotEmpty(t, want, text)
		default:
			require.Empty(t, want, text)
		}
	}
}

// What stands before the mark is of the shell's set-up; it is told only where no mark comes.
func TestTheMark(t *testing.T) {
	for _, row := range []struct{ said, passed, told, unmarked string }{
		{"", "", "", ""},
		{"a tip\nhalf", "", "", "a tip\nhalf"},
		{mark + "\n", "", "", ""},
		{"a tip\n" + mark + " 17 \nout\n" + mark + " 18\n", "out\n" + mark + " 18\n", "17", ""},
		{"half" + mark + "\nout", "", "", "half" + mark + "\nout"},
	} {
		for size := 1; size <= len(row.said)+1; size++ { // however it is cut
			var passed strings.Builder
			var told []string
			w := &markedWriter{to: &passed, told: func(text string) { told = append(told, text) }}
			for rest := row.said; rest != ""; {
				n := min(size, len(rest))
				got, err := w.Write([]byte(rest[:n]))
				require.NoError(t, err)
				require.Equal(t, n, got)
				rest = rest[n:]
			}
			require.Equal(t, row.passed, passed.String(), row.said)
			require.Equal(t, row.unmarked, w.unmarked(), row.said)
			require.Equal(t, row.told, strings.Join(told, ","), row.said)
		}
	}
}

// Half a download, or one that is packed in a way that nobody asked for, is none.
func TestWhatComesPacked(t *testing.T) {
	for packed, want := range map[string]string{"cat\nbody\n": "body\n", "cat\n": "", "": "unexpected EOF", "zst": "unexpected EOF", "xz\nbody": "compresses in a way that is not known",
		"gzip\nbody body body": "gzip: invalid header", "zstd\nbody": "magic number", "gzip\n\x1f\x8b\x08": "EOF"} {
		var out strings.Builder
		in, finish := unpacked(&out)
		_, _ = io.WriteString(in, packed) // its end tells
		if err := finish(); strings.HasPrefix(packed, "cat\n") {
			require.NoError(t, err)
			require.Equal(t, want, out.String())
		} else {
			require.ErrorContains(t, err, want, packed)
			require.Empty(t, out.String())
		}
	}
}
