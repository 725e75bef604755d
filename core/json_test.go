package core

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

const someDigest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func TestSnapshotJSONIsCanonical(t *testing.T) {
	text := `{"entries":[{"path":"a","kind":"dir","mode":493},` +
		`{"path":"a/\"q\\\n\u0001é😀","kind":"file","mode":420,"size":9007199254740991,"digest":"` + someDigest + `"},` +
		`{"path":"a-b","kind":"link","target":"../x"}],` +
		`"problems":[{"path":"f","code":"special_file","detail":"FIFO"}],"incomplete":["","a"],"occupied":["a"]}`
	s, err := DecodeSnapshot([]byte(text))
	require.NoError(t, err)
	require.Equal(t, text, string(EncodeSnapshot(s)))

	var indented any
	require.NoError(t, json.Unmarshal([]byte(text), &indented))
	loose, err := json.MarshalIndent(indented, "", "\t")
	require.NoError(t, err)
	again, err := DecodeSnapshot(loose)
	require.NoError(t, err, "white space and field order are free when reading")
	require.Empty(t, cmp.Diff(s, again))
}

func TestDecodeRefuses(t *testing.T) {
	entry := func(s string) string { return `{"entries":[` + s + `]}` }
	for _, tt := range []struct {
		name, in string
		code     Code
		field    string
	}{
		{"no document", "", CodeInvalidRequest, ""},
		{"a list", "[]", CodeInvalidRequest, ""},
		{"trailing bytes", "{} x", CodeInvalidRequest, ""},
		{"unknown field", `{"entry":[]}`, CodeInvalidRequest, "entry"},
		{"repeated field", `{"occupied":["a"],"occupied":["b"]}`, CodeInvalidRequest, "occupied"},
		{"null", `{"entries":null}`, CodeInvalidRequest, "entries"},
		{"unknown kind", entry(`{"path":"a","kind":"fifo"}`), CodeInvalidRequest, "entries[0].kind"},
		{"missing kind", entry(`{"path":"a"}`), CodeInvalidRequest, "entries[0].kind"},
		{"fraction", entry(`{"path":"a","kind":"dir","mode":1.5}`), CodeInvalidRequest, "entries[0].mode"},
		{"above 2^53-1", entry(`{"path":"a","kind":"file","size":9007199254740992}`), CodeInvalidRequest, "entries[0].size"},
		{"leading zero", entry(`{"path":"a","kind":"dir","mode":01}`), CodeInvalidRequest, "entries[0].mode"},
		{"upper-case digest", entry(`{"path":"a","kind":"file","digest":"` + strings.ToUpper(someDigest) + `"}`), CodeInvalidRequest, "entries[0].digest"},
		{"lone surrogate", entry(`{"path":"\ud800","kind":"dir"}`), CodeInvalidRequest, "entries[0].path"},
		{"raw invalid UTF-8", entry("{\"path\":\"\xff\",\"kind\":\"dir\"}"), CodeInvalidRequest, "entries[0].path"},
		{"raw control character", entry("{\"path\":\"\n\",\"kind\":\"dir\"}"), CodeInvalidRequest, ""},
		{"too deep", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), CodeLimit, ""},
		{"absolute path", entry(`{"path":"/a","kind":"dir"}`), CodeInvalidPath, "entries[0].path"},
		{"parent segment", entry(`{"path":"a/..","kind":"dir"}`), CodeInvalidPath, "entries[0].path"},
		{"unlisted parent", entry(`{"path":"a/b","kind":"dir"}`), CodeInvalidSnapshot, "entries[0].path"},
		{"unsorted", entry(`{"path":"b","kind":"dir"},{"path":"a","kind":"dir"}`), CodeInvalidSnapshot, "entries[1].path"},
		{"twice", entry(`{"path":"a","kind":"dir"},{"path":"a","kind":"dir"}`), CodeInvalidSnapshot, "entries[1].path"},
		{"file without digest", entry(`{"path":"a","kind":"file"}`), CodeInvalidSnapshot, "entries[0].digest"},
		{"unsorted occupied", `{"occupied":["b","a"]}`, CodeInvalidSnapshot, "occupied[1]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := DecodeSnapshot([]byte(tt.in))
			var e *Error
			require.True(t, errors.As(err, &e), "%v", err)
			require.Equal(t, tt.code, e.Code, "%v", err)
			require.Equal(t, tt.field, e.Field, "%v", err)
		})
	}
}

func TestNewerBaseIsRefused(t *testing.T) {
	_, err := DecodeBase([]byte(`{"format_version":2,"marker":"x","something_new":1}`))
	require.ErrorIs(t, err, CodeNewerVersion)
}

func TestStoredBase(t *testing.T) {
	entries := []Entry{{Path: "d", Kind: KindDir, Mode: 0o755},
		{Path: "d/f", Kind: KindFile, Mode: 0o644, Size: 3, Digest: Sum("abc")}, {Path: "l", Kind: KindLink, Mode: 0o777, Target: "d"}}
	b := &Base{Marker: strings.Repeat("0a", 16), Entries: TreeOf(entries)}
	for _, seen := range []*Seen{nil, {ID: "run00001", Rules: Sum("r"), Changed: entries[2:], Gone: []string{"x"}}} {
		b.Seen = seen
		data := EncodeBase(b)
		again, err := DecodeBase(data)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(b, again))
		again, err = DecodeBase(EncodeJSON(func(o *Object) { BaseFields(o, b) }))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(b, again), "the JSON form, for people and vectors")
		for i := range data {
			_, err := DecodeBase(data[:i])
			require.Error(t, err, "cut at %d", i)
		}
	}
}

func FuzzDecodeBase(f *testing.F) {
	f.Add(EncodeBase(&Base{Marker: strings.Repeat("0a", 16), Entries: TreeOf([]Entry{{Path: "d", Kind: KindDir}})}))
	f.Add([]byte(`{"format_version":1,"marker":"` + strings.Repeat("0a", 16) + `"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := DecodeBase(data)
		if err != nil {
			return
		}
		again, err := DecodeBase(EncodeBase(b))
		require.NoError(t, err)
		require.Equal(t, EncodeBase(b), EncodeBase(again))
	})
}

func FuzzDecodeSnapshot(f *testing.F) {
	f.Add([]byte(`{"entries":[{"path":"a","kind":"link","target":"b"}],"occupied":[""]}`))
	f.Add([]byte(`{"problems":[{"path":"\u00e9","code":"changing"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSnapshot(data)
		if err != nil {
			return
		}
		out := EncodeSnapshot(s)
		again, err := DecodeSnapshot(out)
		require.NoError(t, err)
		require.Equal(t, string(out), string(EncodeSnapshot(again)))
	})
}
