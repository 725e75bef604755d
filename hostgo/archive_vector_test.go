package hostgo

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

type archiveVector struct {
	Members      []vectorMember `json:"members"`
	Archive      string         `json:"archive"`
	Headers      []vectorMember `json:"headers"`
	HeaderBlocks string         `json:"header_blocks"`
}

type vectorMember struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Mode    uint16 `json:"mode"`
	Target  string `json:"target"`
	Content string `json:"content"`
	Times   int    `json:"times"`
	Size    int64  `json:"size"`
	MTime   int64  `json:"mtime"`
}

func (m *vectorMember) kind() core.Kind {
	return map[string]core.Kind{"file": core.KindFile, "dir": core.KindDir, "link": core.KindLink}[m.Kind]
}

// TestArchiveVector is what the Node host's writer is held to as well: one tree
// makes one archive.
func TestArchiveVector(t *testing.T) {
	data, err := os.ReadFile("../testdata/archive.json")
	require.NoError(t, err)
	var v archiveVector
	require.NoError(t, json.Unmarshal(data, &v))
	root := t.TempDir()
	var members []member
	for i, m := range v.Members {
		e := core.Entry{Path: strconv.Itoa(i), Kind: m.kind(), Mode: m.Mode, Target: m.Target}
		if e.Kind == core.KindFile {
			content := strings.Repeat(m.Content, max(1, m.Times))
			p := filepath.Join(root, e.Path)
			require.NoError(t, os.WriteFile(p, []byte(content), 0o644))
			require.NoError(t, os.Chtimes(p, time.Unix(m.MTime, 0), time.Unix(m.MTime, 0)))
			e.Size = int64(len(content))
		}
		members = append(members, member{Name: m.Name, Entry: e})
	}
	var archive bytes.Buffer
	a := newArchiveWriter(&archive)
	require.NoError(t, a.AddAll(t.Context(), root, slices.All(members), nil, func(_ int, _ *member, s sentMember) { require.Empty(t, s.Problem) }))
	require.NoError(t, a.AddBytes("last", 0o600, []byte("the end")))
	require.NoError(t, a.Close())
	require.Equal(t, v.Archive, core.Sum(archive.String()).String())
	var blocks bytes.Buffer
	for _, h := range v.Headers {
		require.NoError(t, newArchiveWriter(&blocks).header(h.Name, h.kind(), h.Mode, h.Size, h.Target, h.MTime*1e9))
	}
	require.Equal(t, v.HeaderBlocks, core.Sum(blocks.String()).String())
}
