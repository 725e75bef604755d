package merge_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// benchTree is n entries in folders of a hundred, one file in a thousand of them
// changed by salt.
func benchTree(n int, salt string) []core.Entry {
	entries := make([]core.Entry, 0, n)
	for i := 0; len(entries) < n; i++ {
		dir := fmt.Sprintf("src/package%06d", i)
		if i == 0 {
			entries = append(entries, core.Entry{Path: "src", Kind: core.KindDir, Mode: 0o755})
		}
		entries = append(entries, core.Entry{Path: dir, Kind: core.KindDir, Mode: 0o755})
		for j := 0; j < 100 && len(entries) < n; j++ {
			content := fmt.Sprint(i, j)
			if len(entries)%1000 == 999 {
				content += salt
			}
			entries = append(entries, core.Entry{Path: fmt.Sprintf("%s/component%03d.go", dir, j), Kind: core.KindFile, Mode: 0o644, Size: 100, Digest: core.Sum(content)})
		}
	}
	return entries
}

// BenchmarkDecide reports the time for one entry of the three trees together.
func BenchmarkDecide(b *testing.B) {
	rules, err := core.CompileRules(nil, nil)
	require.NoError(b, err)
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			base := &core.Base{Entries: core.TreeOf(benchTree(n, ""))}
			local, remote := core.Snapshot{Entries: core.TreeOf(benchTree(n, ""))}, core.Snapshot{Entries: core.TreeOf(benchTree(n, "x"))}
			b.ReportAllocs()
			for b.Loop() {
				out, err := merge.Decide(&merge.Input{Direction: merge.Pull, Base: base, Local: &local, Remote: &remote, Rules: rules})
				if err != nil || out.Decisions.Len() == 0 {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(3*n), "ns/entry")
		})
	}
}

// BenchmarkValidateAndExclude is what each entry of a snapshot costs before it
// is decided.
func BenchmarkValidateAndExclude(b *testing.B) {
	const n = 100_000
	entries := benchTree(n, "")
	s := core.Snapshot{Entries: core.TreeOf(entries)}
	rules, err := core.CompileRules([]string{"node_modules", ".git", "*.log", "*.tmp", "dist/", "build/", "coverage", "**/*.min.js", "vendor/**/testdata", "docs/*.pdf",
		"**/.cache", "a/b/c", "tmp*", "*.{o,a}", "[._]*.sw[a-p]", "src/**/generated"}, nil)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Validate(); err != nil {
			b.Fatal(err)
		}
		for i := range entries {
			if rules.Excluded(entries[i].Path, entries[i].Kind == core.KindDir) {
				b.Fatal(entries[i].Path)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
}
