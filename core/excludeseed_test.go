package core_test

import (
	"archive/tar"
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// tarPatternParts are joined to patterns, and tarNames to paths.
var (
	tarPatternParts = []string{"a", "b", "ab", "*", "?", "[ab]", "[!a]", "[^b/]", "[a-c]", "[]a]", "[a", "[[:digit:]]", "[![:xdigit:]]", "[[:nope:]]", "[[=a=]]", "[\\]a]",
		"[b-]", "/", "/", ".", "./", "\\*", "\\a", "\\", "é", "[é]", "**", "{a,b}", "!", "-", "]", "[!/]"}
	tarNames = []string{"a", "b", "c", "ab", "ba", "abc", ".a", "a.b", "*", "[a", "é", "]", "-", "a\\", "{a,b}", "\\a", "._a", "7"}
)

func tarPattern(rng *rand.Rand) string {
	var b strings.Builder
	for range 1 + rng.IntN(4) {
		b.WriteString(pick(rng, tarPatternParts))
	}
	return b.String()
}

// growTree makes empty files under generated names, and returns all paths.
func growTree(t *testing.T, rng *rand.Rand, root string) []string {
	t.Helper()
	for range 60 {
		segs := make([]string, 1+rng.IntN(4))
		for i := range segs {
			segs[i] = pick(rng, tarNames)
		}
		path := filepath.Join(root, filepath.Join(segs...))
		if os.MkdirAll(filepath.Dir(path), 0o755) != nil { // something above is a file
			continue
		}
		if _, err := os.Lstat(path); err != nil {
			require.NoError(t, os.WriteFile(path, nil, 0o644))
		}
	}
	var paths []string
	require.NoError(t, filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		if rel := strings.TrimPrefix(p, root+"/"); rel != root {
			paths = append(paths, rel)
		}
		return err
	}))
	return paths
}

// packed lists what GNU tar packs.
func packed(t *testing.T, root, locale string, patterns []string) map[string]bool {
	t.Helper()
	args := []string{"-c", "-f", "-", "-C", root}
	for _, p := range patterns {
		args = append(args, "--exclude", p)
	}
	cmd := exec.Command("tar", append(args, ".")...)
	cmd.Env = append(os.Environ(), "LC_ALL="+locale)
	out, err := cmd.Output()
	require.NoError(t, err, "%q", patterns)
	names := map[string]bool{}
	for r := tar.NewReader(bytes.NewReader(out)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		require.NoError(t, err)
		names[strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")] = true
	}
}

// TestTarPatternsAgainstTar compares with the real GNU tar: a path is matched if
// tar leaves it out in one locale or the other.
func TestTarPatternsAgainstTar(t *testing.T) {
	version, err := exec.Command("tar", "--version").Output()
	require.NoError(t, err)
	require.Contains(t, string(version), "GNU tar", "this test needs GNU tar")
	rng := rand.New(rand.NewPCG(4, 1))
	root := t.TempDir()
	paths := growTree(t, rng, root)
	hits, whole := 0, 0
	for range 400 {
		patterns := []string{tarPattern(rng)}
		if rng.IntN(3) == 0 {
			patterns = append(patterns, tarPattern(rng))
		}
		compiled, err := core.CompileTarPatterns(patterns)
		require.NoError(t, err)
		c, u := packed(t, root, "C", patterns), packed(t, root, "C.UTF-8", patterns)
		n := 0
		for _, p := range paths {
			_, out := compiled.Above(p)
			require.Equal(t, !c[p] || !u[p], out, "patterns %q, path %q", patterns, p)
			if out {
				n++
			}
		}
		if n == len(paths) {
			whole++
		} else if n > 0 {
			hits++
		}
	}
	require.Greater(t, hits, 60, "the patterns hardly ever match")
	require.Greater(t, whole, 5, "no pattern matches the root")
}

// TestSeedRulesAreTheUnion checks both steps of the seed, and that a prune never
// leaves out more than the rules do.
func TestSeedRulesAreTheUnion(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	plain, err := core.CompileRules(nil, nil)
	require.NoError(t, err)
	for range 3000 {
		patterns := []string{tarPattern(rng), strings.Join([]string{pick(rng, tarNames), pick(rng, tarNames)}, "/"), pick(rng, tarNames)}
		rules, err := plain.WithSeed(patterns)
		require.NoError(t, err)
		tars, err := core.CompileTarPatterns(patterns)
		require.NoError(t, err)
		for range 10 {
			segs := make([]string, 1+rng.IntN(4))
			for i := range segs {
				segs[i] = pick(rng, tarNames)
			}
			path := strings.Join(segs, "/")
			_, want := tars.Above(path)
			pruned := false
			for p := path; p != ""; p = core.Parent(p) {
				for _, text := range patterns {
					want = want || p == text
				}
				want = want || strings.HasPrefix(core.Name(p), "._")
				for _, prune := range rules.Prunes() {
					pruned = pruned || prune.Path == p || prune.Path == "" && prune.Name == core.Name(p)
				}
			}
			require.Equal(t, want, rules.ExcludedBelow(path, false), "patterns %q, path %q", patterns, path)
			require.False(t, pruned && !want, "patterns %q prune %q", patterns, path)
		}
	}
}
