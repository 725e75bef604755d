package plan_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
)

// verdicts asks a session that keeps rules which leave out *.log and dist/.
func verdicts(t *testing.T, request string) ([]byte, bool) {
	t.Helper()
	s := new(plan.Session)
	json, _ := reply(t, s, frame(`{"call":"rules","keep":"r","exclude":["*.log","dist/"]}`, 0))
	require.Equal(t, `{"result":{}}`, json)
	out := s.ScanDir([]byte(request))
	if out == nil {
		return nil, false
	}
	require.Equal(t, len(out)-4, int(binary.LittleEndian.Uint32(out)))
	return out[4:], true
}

func TestScanDirJudgesEachName(t *testing.T) {
	for request, want := range map[string][]byte{
		"r\x00\x00":                                    {},
		"r\x00\x00a.log\x00dist\x00dist/\x00":          {1, 0, 1},
		"r\x00a/b\x00x\ny.log\x00z\x00":                {1, 0},
		"r\x00a/.git\x00HEAD\x00objects/\x00refs/\x00": {2, 0, 0},
		"r\x00\x00.paperclip-runtime/\x00":             {1},
	} {
		got, ok := verdicts(t, request)
		require.True(t, ok, "%q", request)
		require.Equal(t, want, got, "%q", request)
	}
}

func TestScanDirRefusesAnotherForm(t *testing.T) {
	for _, request := range []string{"", "r", "r\x00", "r\x00a", "r\x00\x00a", "x\x00\x00a\x00"} {
		_, ok := verdicts(t, request)
		require.False(t, ok, "%q", request)
	}
}

// FuzzScanDir holds that no request makes it panic, and that each name has a verdict.
func FuzzScanDir(f *testing.F) {
	f.Add("r\x00a\x00b\x00c/\x00")
	f.Add("r\x00\x00\x00/\x00//\x00\xff\x00")
	f.Fuzz(func(t *testing.T, request string) {
		if got, ok := verdicts(t, request); ok {
			require.Equal(t, strings.Count(request, "\x00")-2, len(got))
		}
	})
}
