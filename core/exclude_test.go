package core_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

// segmentTexts are segments on which doublestar and we mean the same, as long as
// each is matched by itself.
var segmentTexts = []string{"a", "b", "ab", "*", "a*", "*b", "?", "??", "[ab]", "[!a]", "[^b]", "[a-c]", "{a,b}", "{a,b}*", "a?", "*a*", "\\*", "\\a", "é", "[é]", "{ab,a}b", ".*", "***"}

var nameTexts = []string{"a", "b", "c", "ab", "ba", "aab", "abc", "*", "é", ".a", "a.b"}

func pick(rng *rand.Rand, list []string) string { return list[rng.IntN(len(list))] }

func randomPath(rng *rand.Rand) string {
	segs := make([]string, 1+rng.IntN(4))
	for i := range segs {
		segs[i] = pick(rng, nameTexts)
	}
	return strings.Join(segs, "/")
}

// oracle matches segment by segment with doublestar: matched as a whole, its
// [!a] matches a slash. As there, x/** matches x itself.
func oracle(t *testing.T, pattern, path []string) bool {
	t.Helper()
	if len(pattern) == 0 {
		return len(path) == 0
	}
	if pattern[0] == "**" {
		for n := range len(path) + 1 {
			if oracle(t, pattern[1:], path[n:]) {
				return true
			}
		}
		return false
	}
	if len(path) == 0 {
		return false
	}
	ok, err := doublestar.Match(pattern[0], path[0])
	require.NoError(t, err)
	return ok && oracle(t, pattern[1:], path[1:])
}

// TestGlobsAgainstDoublestar compares rules with the oracle on generated
// patterns and paths: a match covers everything below, and a pattern without a
// slash matches at any depth.
func TestGlobsAgainstDoublestar(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	hits := 0
	for range 4000 {
		segs := make([]string, 1+rng.IntN(4))
		for i := range segs {
			if segs[i] = pick(rng, segmentTexts); len(segs) > 1 && rng.IntN(4) == 0 {
				segs[i] = "**"
			}
		}
		pattern := strings.Join(segs, "/")
		dirOnly := rng.IntN(4) == 0
		text := pattern
		if dirOnly {
			text += "/"
		}
		rules, err := core.CompileRules([]string{text}, nil)
		require.NoError(t, err, text)
		for range 12 {
			path, dir := randomPath(rng), rng.IntN(2) == 0
			want := false
			names := strings.Split(path, "/")
			for n := 1; n <= len(names); n++ {
				isDir := n < len(names) || dir
				top := names[:n]
				if len(segs) == 1 {
					top = names[n-1 : n]
				}
				want = want || oracle(t, segs, top) && (isDir || !dirOnly)
			}
			if want {
				hits++
			}
			require.Equal(t, want, rules.ExcludedBelow(path, dir), "pattern %q, path %q, directory %v", text, path, dir)
		}
	}
	require.Greater(t, hits, 5000)
}

func TestGlobTraps(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		dir, want     bool
	}{
		{"x[!a]y", "x/y", false, false},
		{"x/**", "x", true, true},
		{"x/**", "x/y", false, true},
		{"**/x", "x", false, true},
		{"**/x", "a/b/x", false, true},
		{"a/**/b", "a/b", false, true},
		{"***", "a", false, true},
		{"a/***", "a/b", false, true},
		{"*", "a/b/c", false, true},
		{"/a", "b/a", false, false},
		{"/a", "a", false, true},
		{"./a", "a/b", false, true},
		{"a/", "a", false, false},
		{"a/", "x/a", true, true},
		{"\\[a\\]", "[a]", false, true},
		{"{a,b/c}", "b/c", false, true},
		{"a{,b}", "a", false, true},
		{" a", " a", false, true},
		{"a ", "a", false, false},
	} {
		rules, err := core.CompileRules([]string{c.pattern}, nil)
		require.NoError(t, err, c.pattern)
		require.Equal(t, c.want, rules.ExcludedBelow(c.path, c.dir), "%q %q", c.pattern, c.path)
	}
	for _, bad := range []string{"", "/", "[]]", "[a-]", "a\\/b", "[a", "[", "{a", "a\\", "a\x00", "\xff"} {
		_, err := core.CompileGlob(bad)
		require.ErrorIs(t, err, core.CodeInvalidPattern, "%q", bad)
	}
}

// gitOf runs git away from the settings of whoever runs the tests.
func gitOf(t *testing.T, root string, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "core.excludesFile=", "-c", "core.quotePath=false"}, args...)...)
	cmd.Dir, cmd.Stdin = root, bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HOME="+root, "XDG_CONFIG_HOME="+root, "GIT_CONFIG_NOSYSTEM=1", "GIT_DIR="+filepath.Join(root, ".git"), "GIT_WORK_TREE="+root, "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == 1 && args[0] == "check-ignore" {
		err = nil // none is ignored
	}
	require.NoError(t, err, "%s", stderr.String())
	return out
}

var ignoreLines = []string{"a", "b", "*", "a*", "*.b", "a/", "b/", "/a", "/b/", "a/b", "a/*", "**/a", "a/**", "a/**/b", "**", "!a", "!b", "!a/", "!*.b", "!/a", "!a/b",
	"#a", "\\#a", "\\!a", "a\\ ", "a  ", "ab ", "[ab]", "[!a]", "[a-c]*", "[[:alpha:]]", "[[:digit:]]b", "a?", "", "   ", "\ta", "a\r", "[", "[a", "a[]b]", "\\a", "*/b", "/*", "/*/", "!/*/", "**/", "a**b", "***", "{a,b}", "a//b", "./a", "/", "!", "ab/**/", "é", "?"}

// TestGitignoreAgainstGit compares with "git check-ignore" on generated files
// and trees.
func TestGitignoreAgainstGit(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	ignored := 0
	for round := range 60 {
		root := t.TempDir()
		gitOf(t, root, nil, "init", "-q", ".")
		kinds := map[string]bool{} // directory?
		for range 25 {
			path := strings.ReplaceAll(randomPath(rng), "*", "#a")
			full := filepath.Join(root, path)
			if os.MkdirAll(filepath.Dir(full), 0o755) != nil {
				continue // a file stands in the way
			}
			if rng.IntN(4) == 0 {
				_ = os.Mkdir(full, 0o755) // exists, then it is what it is
			} else if _, err := os.Lstat(full); err != nil {
				require.NoError(t, os.WriteFile(full, nil, 0o644))
			}
		}
		var files []core.IgnoreFile
		err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
			rel, _ := filepath.Rel(root, p)
			if err != nil || rel == ".git" {
				return filepath.SkipDir
			}
			if rel != "." {
				kinds[rel] = d.IsDir()
			}
			if d.IsDir() && (rel == "." || rng.IntN(3) == 0) {
				lines := make([]string, 1+rng.IntN(4))
				for i := range lines {
					lines[i] = pick(rng, ignoreLines)
				}
				text := strings.Join(lines, "\n")
				if rng.IntN(3) > 0 {
					text += "\n"
				}
				if rng.IntN(10) == 0 {
					text = "\ufeff" + text
				}
				files = append(files, core.IgnoreFile{Dir: dirOf(rel), Text: text})
			}
			return nil
		})
		require.NoError(t, err)
		for _, f := range files {
			require.NoError(t, os.WriteFile(filepath.Join(root, f.Dir, ".gitignore"), []byte(f.Text), 0o644))
		}
		rules, err := core.CompileRules(nil, files)
		require.NoError(t, err)
		var list bytes.Buffer
		for p := range kinds {
			list.WriteString(p + "\x00")
		}
		want := map[string]bool{}
		for p := range strings.SplitSeq(string(gitOf(t, root, list.Bytes(), "check-ignore", "--no-index", "-z", "--stdin")), "\x00") {
			want[p] = true
		}
		for p, dir := range kinds {
			if want[p] {
				ignored++
			}
			require.Equal(t, want[p], rules.ExcludedBelow(p, dir), "round %d: %q (directory %v) under %q", round, p, dir, files)
		}
	}
	require.Greater(t, ignored, 200)
}

// TestPrunesAreExcluded guards that what a sandbox's find leaves out is what the
// engine leaves out too.
func TestPrunesAreExcluded(t *testing.T) {
	rules, err := core.CompileRules([]string{"node_modules", "a/b", "build/", "*.log", "x*"}, []core.IgnoreFile{{Text: "dist\n!dist\nout\n"}})
	require.NoError(t, err)
	require.NotEmpty(t, rules.Prunes())
	for _, p := range rules.Prunes() {
		path := p.Path
		if path == "" {
			path = "deep/" + p.Name
		}
		require.True(t, rules.Excluded(path, true), "%+v", p)
		require.Equal(t, !p.DirOnly, rules.Excluded(path, false), "%+v", p)
		require.NotEqual(t, "dist", p.Name, "a later line takes it back")
	}
}

// TestPrunesFitInOneCommand: what has no room is excluded all the same.
func TestPrunesFitInOneCommand(t *testing.T) {
	var text strings.Builder
	globs := make([]string, 10_000)
	for i := range globs {
		globs[i] = "name" + strconv.Itoa(i)
		text.WriteString("other" + strconv.Itoa(i) + "\n")
	}
	rules, err := core.CompileRules(globs, []core.IgnoreFile{{Text: text.String()}, {Dir: "d", Text: text.String()}})
	require.NoError(t, err)
	size := 0
	for _, p := range rules.Prunes() {
		size += len("-o -name ") + len(p.Name) + len(p.Path)
	}
	require.Greater(t, size, 16<<10)
	require.LessOrEqual(t, size, 64<<10)
	for _, path := range []string{"name9999", "other9999", "d/other9999"} {
		require.True(t, rules.Excluded(path, false), path)
	}
}

func dirOf(rel string) string {
	if rel == "." {
		return ""
	}
	return rel
}

func FuzzCompileRules(f *testing.F) {
	for _, p := range append(segmentTexts, ignoreLines...) {
		f.Add(p, "a/b")
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		rules, err := core.CompileRules([]string{pattern}, []core.IgnoreFile{{Text: pattern}})
		if err != nil {
			return
		}
		if core.ValidatePath(path) == nil {
			rules.ExcludedBelow(path, true)
		}
		for _, p := range rules.Prunes() {
			if p.Name != "" {
				require.True(t, rules.Excluded(p.Name, true), "%q", pattern)
			}
		}
	})
}

func BenchmarkExcluded(b *testing.B) {
	rules, err := core.CompileRules([]string{"node_modules", ".git", "*.log", "*.tmp", "dist/", "build/", "coverage", "**/*.min.js", "vendor/**/testdata", "docs/*.pdf",
		"**/.cache", "a/b/c", "tmp*", "*.{o,a}", "[._]*.sw[a-p]", "src/**/generated"}, nil)
	require.NoError(b, err)
	paths := []string{"src/app/components/button/index.ts", "README.md", "src/lib/x.go", "test/data/deep/down/file.json"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		rules.Excluded(paths[i&3], false)
	}
}
