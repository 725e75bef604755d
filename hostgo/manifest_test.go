package hostgo_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// A listing that is not the one its run left is told of, and answered by a full comparison. One
// that was forged with its digest can hide no more than the sandbox could have edited.
func TestAListingThatIsNotWhatItWasIsNotTrusted(t *testing.T) {
	replace := func(old, with string) func(string) string {
		return func(text string) string { return strings.Replace(text, old, with, 1) }
	}
	var now string // the line of file1
	never := func(string) string { return "" }
	for name, c := range map[string]struct {
		listing, clock func(string) string // "" removes it
		forged         bool                // the clock names the digest of what stands there then
	}{
		"missing":                 {listing: never},
		"missing, with its clock": {listing: never, clock: never},
		"without its clock":       {clock: never},
		"truncated":               {listing: func(s string) string { return s[:len(s)/2] }},
		"edited":                  {listing: replace(" ./file3", " ./other")},
		"made to hide an edit": {listing: func(s string) string { // by the line that the file has by now
			lines := strings.Split(s, "\n")
			for i, line := range lines {
				if strings.HasSuffix(line, " ./file1") {
					lines[i] = now
				}
			}
			slices.Sort(lines[:len(lines)-1])
			return strings.Join(lines, "\n")
		}},
		"of a later time": {clock: func(s string) string { _, rest, _ := strings.Cut(s, "\n"); return "9999999999.0000000000\n" + rest }},
		"forged":          {listing: replace(" ./file3", " ./other"), forged: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newPair(t)
			for i := range 9 {
				write(t, b.local, fmt.Sprint("file", i), "content")
			}
			b.push()
			b.pull()
			write(t, b.sandbox, "file1", "edited")
			remove(t, b.sandbox, "file2")
			write(t, b.sandbox, "new", "new")

			line, err := exec.Command("find", filepath.Join(b.sandbox, "file1"), "-printf", "%T@ %C@ %i %s %y%m ./%f").Output()
			require.NoError(t, err)
			now = string(line)
			clocks, err := filepath.Glob(filepath.Join(b.sandbox, core.RuntimeDir, "planner", "seen-*.clock"))
			require.NoError(t, err)
			require.Len(t, clocks, 1)
			change := func(path string, edit func(string) string) string {
				data, err := os.ReadFile(path)
				require.NoError(t, err)
				text := string(data)
				if edit != nil {
					require.NoError(t, os.Remove(path))
					if text = edit(text); text != "" {
						require.NotEqual(t, string(data), text, "the test has its point")
						require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
					}
				}
				return text
			}
			text := change(strings.TrimSuffix(clocks[0], ".clock"), c.listing)
			if c.forged {
				c.clock = func(s string) string {
					begun, _, _ := strings.Cut(s, "\n")
					return fmt.Sprintf("%s\n%x  -\n", begun, sha256.Sum256([]byte(text)))
				}
			}
			change(clocks[0], c.clock)

			r := b.pull()
			require.Equal(t, plan.StatusOK, r.Status)
			require.Equal(t, []string{"earlier"}, r.Lacks)
			require.Len(t, r.Lines, 3)
			require.Empty(t, cmp.Diff(listing(t, b.local), listing(t, b.sandbox)))
			require.Empty(t, b.pull().Lacks, "the next one is relied upon again")
		})
	}
}
