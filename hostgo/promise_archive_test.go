package hostgo

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// The promises about security that archives keep, DESIGN section 6.

// TestS1_AFileThatBecameALinkIsNotRead would send what lies outside.
func TestS1_AFileThatBecameALinkIsNotRead(t *testing.T) {
	top := t.TempDir()
	local := filepath.Join(top, "local")
	require.NoError(t, os.Mkdir(local, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(top, "outside"), []byte("secret"), 0o644))
	require.NoError(t, os.Symlink("../outside", filepath.Join(local, "small")))
	only := func(yield func(int, member) bool) {
		yield(0, member{Name: "f", Entry: core.Entry{Path: "small", Kind: core.KindFile}})
	}
	var archive bytes.Buffer
	a := newArchiveWriter(&archive)
	require.NoError(t, a.AddAll(t.Context(), local, only, nil, func(_ int, _ *member, s sentMember) {
		require.Equal(t, core.ProblemChanging, s.Problem)
	}))
	require.NoError(t, a.Close())
	require.NotContains(t, archive.String(), "secret")
}

func TestS7_HostileMembersAreRefused(t *testing.T) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, h := range []tar.Header{
		{Name: "/etc/passwd", Typeflag: tar.TypeReg},
		{Name: "../up", Typeflag: tar.TypeReg},
		{Name: "a/../../up", Typeflag: tar.TypeReg},
		{Name: "dev", Typeflag: tar.TypeChar},
		{Name: "fifo", Typeflag: tar.TypeFifo},
		{Name: "suid", Typeflag: tar.TypeReg, Mode: 0o4755},
	} {
		require.NoError(t, w.WriteHeader(&h))
	}
	require.NoError(t, w.Close())
	var faults []string
	_, err := readArchives(t.Context(), &archive, archiveLimits{}, func(m rawMember, _ io.Reader) error {
		if m.Fault != "" {
			faults = append(faults, m.Name)
		} else {
			require.Equal(t, uint16(0o755), m.Mode)
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"/etc/passwd", "../up", "a/../../up", "dev", "fifo"}, faults)
}

func TestS7_BoundsAreKept(t *testing.T) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for range 3 {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: "name", Size: 10}))
		_, err := w.Write(make([]byte, 10))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	none := func(rawMember, io.Reader) error { return nil }
	for _, l := range []archiveLimits{{Members: 2}, {Bytes: 25}, {Path: 3}, {Names: 11}} {
		_, err := readArchives(t.Context(), bytes.NewReader(archive.Bytes()), l, none)
		require.ErrorIs(t, err, core.CodeLimit, "%+v", l)
	}
	padded := func(n int64) io.Reader {
		return io.MultiReader(bytes.NewReader(archive.Bytes()), bytes.NewReader(make([]byte, n)))
	}
	_, err := readArchives(t.Context(), padded(1<<20), archiveLimits{}, none)
	require.NoError(t, err)
	_, err = readArchives(t.Context(), padded(32<<20), archiveLimits{}, none)
	require.ErrorIs(t, err, core.CodeCorrupt, "padding without end would never end")
}

// TestS7_AFileWithHolesIsRefused: a few bytes of an archive may stand for a file that no disk
// holds. The scripts never ask for such members.
func TestS7_AFileWithHolesIsRefused(t *testing.T) {
	for _, format := range []string{"oldgnu", "pax"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "plain"), []byte("1"), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "holes"), nil, 0o644))
		require.NoError(t, os.Truncate(filepath.Join(dir, "holes"), 1<<40))
		var archive bytes.Buffer
		for range 2 {
			tar := exec.Command("tar", "--sparse", "--format="+format, "-C", dir, "-cf", "-", "holes", "plain")
			out, err := tar.Output()
			require.NoError(t, err)
			archive.Write(out)
		}
		var got []string
		_, err := readArchives(t.Context(), &archive, archiveLimits{Bytes: 1 << 30}, func(m rawMember, body io.Reader) error {
			got = append(got, m.Name+": "+m.Fault)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, []string{"holes: a device, FIFO or something unknown", "plain: "}, got[:2])
		require.Len(t, got, 4)
	}
}
