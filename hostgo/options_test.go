package hostgo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// named is a client that says which sandbox it reaches.
type named struct{ Client }

func (named) Identity() string { return "box" }

// Another identity, or another runtime folder, would be another sandbox: what the last sync left would be unknown.
func TestDefaultsOfOptions(t *testing.T) {
	for _, row := range []struct{ given, want Options }{
		{Options{Root: "/w"}, Options{Root: "/w", Adapter: "planner", Identity: "/w", Timeout: 15 * time.Minute}},
		{Options{Root: "/w", Client: named{}}, Options{Root: "/w", Client: named{}, Adapter: "planner", Identity: "box /w", Timeout: 15 * time.Minute}},
		{Options{Root: "/w", Client: named{}, Adapter: "a", Identity: "i", Timeout: 1}, Options{Root: "/w", Client: named{}, Adapter: "a", Identity: "i", Timeout: 1}},
	} {
		s := &session{opts: row.given}
		s.setDefaults()
		require.Equal(t, row.want, s.opts)
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	for given, want := range map[string]string{"/state": "/state/syncplan", "state": home + "/.local/state/syncplan", "": home + "/.local/state/syncplan"} {
		t.Setenv("XDG_STATE_HOME", given)
		got, err := DefaultStateDir()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}
