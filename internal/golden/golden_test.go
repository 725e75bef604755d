package golden_test

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/internal/golden"
)

const folder = "../../testdata/golden"

func native(call []byte) ([]byte, error) { return plan.Call(call), nil }

// TestVectors runs all vectors natively.
func TestVectors(t *testing.T) {
	vectors, err := golden.Load(os.DirFS(folder))
	require.NoError(t, err)
	require.NotEmpty(t, vectors)
	for _, f := range golden.Run(vectors, native) {
		t.Errorf("%s: %s\n  harm: %s", f.Name, f.Why, f.Harm)
	}
}

func TestManifestIsCurrent(t *testing.T) {
	fsys := os.DirFS(folder)
	vectors, err := golden.Load(fsys)
	require.NoError(t, err)
	want, err := golden.Manifest(fsys, vectors)
	require.NoError(t, err)
	got, err := os.ReadFile(folder + "/manifest.json")
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), string(got)), "run \"make golden\"")
}

// TestRunFindsFaults proves that a wrong answer does not pass.
func TestRunFindsFaults(t *testing.T) {
	fsys := fstest.MapFS{
		"g/a.json":     {Data: []byte(`{"harm":"h","call":{"x":1},"expect":{"result":{"list":[1,2],"gone":null}}}`)},
		"g/a.out.json": {Data: []byte(`{"result":{"list":[1,2]}}` + "\n")},
	}
	vectors, err := golden.Load(fsys)
	require.NoError(t, err)
	for response, ok := range map[string]bool{
		`{"result":{"list":[1,2]}}`:          true,
		`{"result":{"list":[1,2]},"more":1}`: false,
		`{"result":{"list":[1]}}`:            false,
		`{"result":{"list":[2,1]}}`:          false,
		`{"result":{"list":[1,2],"gone":1}}`: false,
		`{"result":{}}`:                      false,
		`nonsense`:                           false,
	} {
		failures := golden.Run(vectors, func([]byte) ([]byte, error) { return []byte(response), nil })
		require.Equal(t, ok, len(failures) == 0, "%s: %v", response, failures)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, fsys := range map[string]fstest.MapFS{
		"no harm":       {"g/a.json": {Data: []byte(`{"call":{},"expect":{}}`)}},
		"no call":       {"g/a.json": {Data: []byte(`{"harm":"h","expect":{}}`)}},
		"no expect":     {"g/a.json": {Data: []byte(`{"harm":"h","call":{}}`)}},
		"unknown field": {"g/a.json": {Data: []byte(`{"harm":"h","call":{},"expect":{},"more":1}`)}},
		"stray file":    {"g/a.txt": {Data: []byte("x")}},
		"stray output":  {"g/a.out.json": {Data: []byte("{}")}},
	} {
		_, err := golden.Load(fsys)
		require.Error(t, err, name)
	}
}
