package hostgo

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// TestS7_ManyRepositoryFilesAreNotHeld bounds what a sandbox can make the host hold in memory.
// What is beyond it is unreadable, which leaves a repository alone.
func TestS7_ManyRepositoryFilesAreNotHeld(t *testing.T) {
	c := &collector{first: map[string]int{}, kept: maxKept - 5}
	for _, name := range []string{"a", "b"} {
		require.NoError(t, c.member(rawMember{Name: ".git/refs/heads/" + name, Kind: rawFile, Size: 3}, strings.NewReader("abc")))
	}
	require.Equal(t, "abc", string(c.members[0].Data))
	require.Empty(t, c.members[0].Fault)
	require.Nil(t, c.members[1].Data)
	require.Equal(t, "too large to be looked at", c.members[1].Fault)
}

// TestS7_HardLinksShareAContent finds it by the first name, which may come again.
func TestS7_HardLinksShareAContent(t *testing.T) {
	c := &collector{first: map[string]int{}}
	require.NoError(t, c.member(rawMember{Name: ".git/HEAD", Kind: rawFile, Size: 3}, strings.NewReader("abc")))
	require.NoError(t, c.member(rawMember{Name: "link", Kind: rawHardlink, Target: ".git/HEAD"}, nil))
	require.NoError(t, c.member(rawMember{Name: "none", Kind: rawHardlink, Target: "link"}, nil))
	require.Equal(t, c.members[0].Digest, c.members[1].Digest)
	require.Equal(t, int64(3), c.members[1].Size)
	require.NotEmpty(t, c.members[2].Fault)
}

// Half a listing must not be read as a whole one, nor an endless one be held.
func TestS7_TheTextOfADownloadIsBounded(t *testing.T) {
	text, err := boundedText(strings.NewReader("1234"), 4)
	require.NoError(t, err)
	require.Equal(t, "1234", text)
	_, err = boundedText(strings.NewReader("12345"), 4)
	require.ErrorIs(t, err, core.CodeLimit)
}

// TestEachMemberIsWhatItsBytesAre, whether they are kept, staged or only hashed; up to the last byte that may be kept.
func TestEachMemberIsWhatItsBytesAre(t *testing.T) {
	for _, kept := range []int64{0, maxKept - 3} {
		for _, name := range []string{".git/HEAD", "f"} {
			for _, body := range []string{"", "abc"} {
				for _, staged := range []bool{false, true} {
					c := &collector{session: &session{request: &plan.Request{Local: core.Snapshot{}}, report: &Report{}}, first: map[string]int{}, kept: kept}
					if staged {
						var err error
						c.stage, err = newStage(t.TempDir())
						require.NoError(t, err)
					}
					c.meter.session = c.session
					require.NoError(t, c.member(rawMember{Name: name, Kind: rawFile, Size: int64(len(body))}, strings.NewReader(body)))
					m := c.members[0]
					require.Equal(t, core.Sum(body), m.Digest)
					require.Empty(t, m.Fault)
					require.Equal(t, plan.KeepsData(name), m.Data != nil)
					require.True(t, m.Data == nil || string(m.Data) == body)
					counts := staged && m.Data == nil
					require.Equal(t, counts, staged && c.stage.Has(m.Digest))
					require.Equal(t, counts, c.session.report.DownloadedFiles == 1)
					require.NoError(t, c.member(rawMember{Name: "refused", Kind: rawFile, Size: 1, Fault: "why"}, iotest.ErrReader(errors.New("nobody reads it"))))
					require.Equal(t, plan.SurveyMember{Name: "refused", Size: 1, Fault: "why"}, c.members[1])

					broken := errors.New("the stream broke")
					bad := rawMember{Name: name, Kind: rawFile, Size: 1}
					c.kept = 0
					require.ErrorIs(t, c.member(bad, iotest.ErrReader(broken)), broken)
				}
			}
		}
	}
}

// TestADownloadEndsForOneReason: that which came first. The transport's explains an archive that is cut off, and
// whoever reads no further does not wait for the rest.
func TestADownloadEndsForOneReason(t *testing.T) {
	broken, damaged := errors.New("the stream broke"), errors.New("the archive is damaged")
	endless := func(w io.Writer) error {
		for {
			if _, err := io.WriteString(w, "more"); err != nil {
				return err
			}
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, row := range map[string]struct {
		ctx   context.Context
		give  func(io.Writer) error
		later error
		want  error
	}{
		"none":                       {t.Context(), func(io.Writer) error { return nil }, nil, nil},
		"the transport's":            {t.Context(), func(io.Writer) error { return broken }, nil, broken},
		"the archive's":              {t.Context(), endless, damaged, damaged},
		"both, the archive's first":  {t.Context(), func(io.Writer) error { return broken }, damaged, damaged},
		"the caller's, who ended it": {stopped, func(io.Writer) error { return stopped.Err() }, damaged, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			s := &session{report: &Report{}}
			_, finish := s.openRemote(row.ctx, row.give)
			require.ErrorIs(t, finish(row.later), row.want)
		})
	}
	s := &session{report: &Report{}}
	r, finish := s.openRemote(t.Context(), func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return broken })
	data, err := io.ReadAll(r)
	require.ErrorIs(t, err, broken)
	require.Equal(t, "half", string(data))
	require.ErrorIs(t, finish(err), broken)
}
