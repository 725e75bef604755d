package hostgo

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
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
