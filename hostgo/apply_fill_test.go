package hostgo

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/merge"
)

// A run that is killed while a directory displaces a file leaves the file, or the directory with all that is in it: of a
// part the next plan would take what is missing for deleted here.
func TestD11_ADirectoryComesWhole(t *testing.T) {
	old := map[string]string{"d": "mine"}
	whole := map[string]string{"d": "dir", "d/e": "dir", "d/e/f": "1", "d/g": "2", "d/l": "link g", "kept mine": "mine"}
	for _, noExchange := range []bool{false, true} {
		for at := 1; ; at++ {
			w := newWorld(t)
			w.put("d", "mine")
			write := merge.Write
			req := w.request([]merge.Decision{
				{Path: "d", Action: write, Expect: fileEntry("d", "mine"), Want: dirEntry("d"), Displace: true},
				{Path: "d/e", Action: write, Want: dirEntry("d/e")},
				{Path: "d/e/f", Action: write, Want: w.body("d/e/f", "1")},
				{Path: "d/g", Action: write, Want: w.body("d/g", "2")},
				{Path: "d/l", Action: write, Want: linkEntry("d/l", "g")},
			})
			req.noExchange = noExchange
			_, crashed, err := crashing(t.Context(), req, at)
			require.NoError(t, err)
			if !crashed {
				require.Empty(t, cmp.Diff(whole, w.tree()))
				require.Greater(t, at, 10, "the points were reached")
				break
			}
			req.fault = nil
			_, err = recoverIn(t.Context(), req)
			require.NoError(t, err)
			if now := w.tree(); now["d"] != "dir" {
				require.Empty(t, cmp.Diff(old, now), fmt.Sprint("point ", at))
			} else {
				require.Empty(t, cmp.Diff(whole, now), fmt.Sprint("point ", at))
			}
			w.staysClean()
		}
	}
}
