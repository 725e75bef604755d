package plan_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// frame packs a request as wasm/ABI.md says.
func frame(json string, flags uint32, sections ...string) []byte {
	align := func(b []byte) []byte { return append(b, make([]byte, -len(b)&7)...) }
	le := binary.LittleEndian
	out := le.AppendUint32(make([]byte, 4), flags)
	out = le.AppendUint32(out, uint32(len(json)))
	out = le.AppendUint32(out, uint32(len(sections)))
	for _, s := range sections {
		out = le.AppendUint32(out, uint32(len(s)))
	}
	out = append(align(out), json...)
	for _, s := range sections {
		out = append(align(out), s...)
	}
	le.PutUint32(out, uint32(len(out)))
	return out
}

// reply returns the JSON and the sections of an answer.
func reply(t *testing.T, s *plan.Session, request []byte) (string, []string) {
	t.Helper()
	out := s.Frame(request)
	le := binary.LittleEndian
	require.Equal(t, len(out), int(le.Uint32(out)))
	count := int(le.Uint32(out[12:]))
	at := (16 + 4*count + 7) &^ 7
	json := string(out[at : at+int(le.Uint32(out[8:]))])
	at += len(json)
	var sections []string
	for i := range count {
		at = (at + 7) &^ 7
		n := int(le.Uint32(out[16+4*i:]))
		sections = append(sections, string(out[at:at+n]))
		at += n
	}
	require.Equal(t, len(out), at)
	return json, sections
}

func TestFrameKeepsAndAttaches(t *testing.T) {
	s := new(plan.Session)
	snapshot := core.EncodeBinary(&core.Snapshot{Entries: core.TreeOf([]core.Entry{{Path: "a", Kind: core.KindDir, Mode: 0o755}})})
	request := frame(`{"call":"snapshot","keep":"x","snapshot":{"section":0}}`, 0, string(snapshot))
	json, _ := reply(t, s, request)
	require.Equal(t, `{"result":{}}`, json)
	clear(request) // nothing of a request is kept

	json, sections := reply(t, s, frame(`{"call":"encode_snapshot","snapshot":{"kept":"x"}}`, 1))
	require.Equal(t, `{"result":{"data":{"section":0}}}`, json)
	require.Equal(t, []string{string(snapshot)}, sections)
	json, sections = reply(t, s, frame(`{"call":"snapshot","snapshot":{"kept":"x"}}`, 0))
	require.Equal(t, `{"result":{"entries":[{"path":"a","kind":"dir","mode":493}]}}`, json)
	require.Empty(t, sections)

	json, _ = reply(t, s, frame(`{"call":"base","base":{"kept":"x"}}`, 0))
	require.Contains(t, json, "nothing of this kind is kept")
	reply(t, s, frame(`{"call":"drop","words":["x"]}`, 0))
	json, _ = reply(t, s, frame(`{"call":"snapshot","snapshot":{"kept":"x"}}`, 0))
	require.Contains(t, json, "nothing of this kind is kept")
}

func TestBaseEntriesAreASection(t *testing.T) {
	marker := strings.Repeat("0", 32)
	for name, tt := range map[string]struct {
		snapshot core.Snapshot
		want     string
	}{
		"entries":  {core.Snapshot{Entries: core.TreeOf([]core.Entry{{Path: "a", Kind: core.KindDir}})}, `"entries":[{"path":"a","kind":"dir"}]`},
		"unsorted": {core.Snapshot{Entries: core.TreeOf([]core.Entry{{Path: "b", Kind: core.KindDir}, {Path: "a", Kind: core.KindDir}})}, `"field":"base.entries[1].path"`},
		"more":     {core.Snapshot{Occupied: []string{""}}, "holds more than entries"},
	} {
		json, _ := reply(t, new(plan.Session), frame(`{"call":"base","base":{"format_version":1,"marker":"`+marker+`","entries":{"section":0}}}`, 0, string(core.EncodeBinary(&tt.snapshot))))
		require.Contains(t, json, tt.want, name)
	}
}

func TestMalformedFrames(t *testing.T) {
	good := frame(`{"call":"about"}`, 0, "x")
	change := func(at int, v uint32) []byte {
		bad := append([]byte(nil), good...)
		binary.LittleEndian.PutUint32(bad[at:], v)
		return bad
	}
	for name, request := range map[string][]byte{
		"nothing": nil, "short": good[:15], "cut": good[:len(good)-1], "length": change(0, 5), "flags": change(4, 2),
		"json too long": change(8, 1<<31), "too many sections": change(12, 1<<30), "section too long": change(16, 1<<31),
	} {
		json, _ := reply(t, new(plan.Session), request)
		require.Contains(t, json, `"field":"frame"`, name)
	}
	json, _ := reply(t, new(plan.Session), frame(`{"call":"decode_snapshot","data":{"section":1}}`, 0, "x"))
	require.Contains(t, json, "there is no such section")
}

func FuzzFrame(f *testing.F) {
	f.Add(frame(`{"call":"snapshot","snapshot":{"section":0}}`, 1, string(core.EncodeBinary(&core.Snapshot{}))))
	f.Add(frame(`{"call":"next","keep":"p","request":{"local":{"kept":"x"}}}`, 1))
	f.Fuzz(func(t *testing.T, request []byte) {
		json, _ := reply(t, new(plan.Session), request)
		require.True(t, strings.HasPrefix(json, `{"result":`) || strings.HasPrefix(json, `{"error":`), json)
	})
}
