package hostgo

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// FuzzReadArchives holds that whatever a sandbox sends is read within its bounds or refused with
// one of our errors, and that a member which is not refused can't lead out of the archive.
func FuzzReadArchives(f *testing.F) {
	for _, h := range []tar.Header{
		{Name: "./a", Mode: 0o644, Size: 3}, {Name: strings.Repeat("n", 200), Size: 3, Format: tar.FormatGNU},
		{Name: strings.Repeat("ü", 200), Size: 3, Format: tar.FormatPAX}, {Name: "d/", Typeflag: tar.TypeDir},
		{Name: "l", Linkname: "../x", Typeflag: tar.TypeSymlink}, {Name: "h", Linkname: "./a", Typeflag: tar.TypeLink},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		require.NoError(f, w.WriteHeader(&h))
		_, err := io.WriteString(w, strings.Repeat("x", int(h.Size)))
		require.NoError(f, err)
		require.NoError(f, w.Close())
		f.Add(b.Bytes())
		f.Add(append(bytes.Clone(b.Bytes()), "syncplan-survey 2 pull run\n"...))
	}
	limits := archiveLimits{Members: 100, Bytes: 1 << 20, Path: 300, Names: 2000, Text: "syncplan-survey "}
	f.Fuzz(func(t *testing.T, data []byte) {
		members, size := 0, int64(0)
		_, err := readArchives(t.Context(), bytes.NewReader(data), limits, func(m rawMember, body io.Reader) error {
			n, err := io.Copy(io.Discard, body)
			members, size = members+1, size+n
			if m.Fault == "" {
				require.NotZero(t, m.Kind)
				require.NotContains(t, strings.Split(m.Name, "/"), "..")
				require.False(t, strings.HasPrefix(m.Name, "/"))
				require.LessOrEqual(t, m.Mode, uint16(0o777))
			}
			return err
		})
		require.LessOrEqual(t, members, limits.Members)
		require.LessOrEqual(t, size, limits.Bytes)
		require.True(t, err == nil || errors.Is(err, core.CodeCorrupt) || errors.Is(err, core.CodeLimit), "%v", err)
	})
}
