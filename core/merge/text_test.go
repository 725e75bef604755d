package merge

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
)

var testLabels = Labels{Local: "local", Remote: "remote"}

// letters writes one letter a line: "abc" is "a\nb\nc\n".
func letters(s string) []byte {
	var b []byte
	for _, r := range s {
		b = append(append(b, string(r)...), '\n')
	}
	return b
}

func TestIsText(t *testing.T) {
	require.True(t, IsText(nil))
	require.True(t, IsText([]byte("a\xff\n")))
	require.False(t, IsText([]byte("a\x00")))
	require.False(t, IsText(append(bytes.Repeat([]byte("x"), 7999), 0)))
	require.True(t, IsText(append(bytes.Repeat([]byte("x"), 8000), 0)), "git looks no further than 8000 bytes")
}

func TestCleanMerges(t *testing.T) {
	for _, c := range []struct{ why, base, local, remote, want string }{
		{"one unchanged line between is enough", "abc", "Xbc", "abY", "XbY"},
		{"the same change is no conflict", "abc", "aXc", "aXc", "aXc"},
		{"the same insertion is no conflict", "ab", "aXb", "aXb", "aXb"},
		{"the same deletion is no conflict", "abc", "ac", "ac", "ac"},
		{"insertions with a line between", "ab", "Xab", "aYb", "XaYb"},
		{"deletion and change apart", "abcd", "bcd", "abcX", "bcX"},
		{"same change and another one", "abcde", "Xbcde", "XbcdY", "XbcdY"},
		{"different hunks that end the same", "abcd", "aXYd", "aXYd", "aXYd"},
		{"everything deleted by both", "abc", "", "", ""},
		{"from nothing to the same", "", "ab", "ab", "ab"},
		{"the same insertion among equal lines", "aaa", "aaaa", "aaaa", "aaaa"},
	} {
		got, n := MergeText(letters(c.base), letters(c.local), letters(c.remote), testLabels)
		require.Zero(t, n, c.why)
		require.Empty(t, cmp.Diff(string(letters(c.want)), string(got)), c.why)
	}
}

func TestConflictingMerges(t *testing.T) {
	for _, c := range []struct{ why, base, local, remote, want string }{
		{"the same line", "abc", "aXc", "aYc", "a<X=Y>c"},
		{"touching hunks", "abcd", "aXcd", "abYd", "a<Xc=bY>d"},
		{"insertions at the same place", "ab", "aXb", "aYb", "a<X=Y>b"},
		{"an insertion touches a change", "abc", "aXbc", "aYc", "a<Xb=Y>c"},
		{"deletion against change", "abc", "ac", "aXc", "a<=X>c"},
		{"a common start and end stay outside", "abc", "a1X2c", "a1Y2c", "a1<X=Y>2c"},
		{"two conflicts", "abcde", "XbcdV", "YbcdW", "<X=Y>bcd<V=W>"},
		{"hunks chained by the other side", "abcdef", "aXcdYf", "abCDEf", "a<XcdY=bCDE>f"},
		{"everything deleted against a change", "ab", "", "aX", "<=aX>"},
	} {
		got, n := MergeText(letters(c.base), letters(c.local), letters(c.remote), testLabels)
		want := strings.NewReplacer("<\n", "<<<<<<< local\n", "=\n", "=======\n", ">\n", ">>>>>>> remote\n").
			Replace(string(letters(c.want)))
		require.Empty(t, cmp.Diff(want, string(got)), c.why)
		require.Equal(t, strings.Count(c.want, "="), n, c.why)
	}
}

func TestMergeOfLineEndings(t *testing.T) {
	for _, c := range []struct{ why, base, local, remote, want string }{
		{"CRLF is kept", "a\r\nb\r\nc\r\n", "X\r\nb\r\nc\r\n", "a\r\nb\r\nY\r\n", "X\r\nb\r\nY\r\n"},
		{"markers follow CRLF", "a\r\n", "X\r\n", "Y\r\n",
			"<<<<<<< local\r\nX\r\n=======\r\nY\r\n>>>>>>> remote\r\n"},
		{"markers are LF where contents disagree", "a\r\n", "X\n", "Y\r\n",
			"<<<<<<< local\nX\n=======\nY\r\n>>>>>>> remote\n"},
		{"a missing final newline is kept", "a\nb\nc", "X\nb\nc", "a\nb\nc", "X\nb\nc"},
		{"a final newline added by one side", "a\nb\nc", "a\nb\nc\n", "X\nb\nc", "X\nb\nc\n"},
		{"a final newline removed by one side", "a\nb\nc\n", "a\nb\nc", "X\nb\nc\n", "X\nb\nc"},
		{"it is part of its line", "a\nb", "a\nb\n", "a\nX",
			"a\n<<<<<<< local\nb\n=======\nX\n>>>>>>> remote\n"},
		{"markers stand on lines of their own", "a", "b", "c",
			"<<<<<<< local\nb\n=======\nc\n>>>>>>> remote\n"},
	} {
		got, _ := MergeText([]byte(c.base), []byte(c.local), []byte(c.remote), testLabels)
		require.Empty(t, cmp.Diff(c.want, string(got)), c.why)
	}
}

func TestConflictShowsBaseWhereItHasALabel(t *testing.T) {
	got, n := MergeText(letters("abc"), letters("aXc"), letters("aYc"), Labels{Local: "l", Base: "b", Remote: "r"})
	require.Equal(t, 1, n)
	require.Equal(t, "a\n<<<<<<< l\nX\n||||||| b\nb\n=======\nY\n>>>>>>> r\nc\n", string(got))
}

func TestMarkersAreLongerThanThoseInTheContent(t *testing.T) {
	for _, c := range []byte("<|=>") {
		heading := strings.Repeat(string(c), 9) + " x\n"
		for _, in := range [][3]string{{heading + "a\n", heading + "X\n", heading + "Y\n"}, {"a\n", heading, "Y\n"}, {"a\n", "X\n", heading}} {
			got, n := MergeText([]byte(in[0]), []byte(in[1]), []byte(in[2]), Labels{})
			require.Equal(t, 1, n)
			require.Contains(t, "\n"+string(got), "\n"+strings.Repeat("=", 10)+"\n")
		}
	}
	got, _ := MergeText(nil, []byte("x =======\n"), []byte("y\n"), Labels{})
	require.Contains(t, string(got), "\n=======\n", "a run inside a line is no marker")
}

// A marker as long as a hostile line, once for each conflict, would turn 1 MiB
// into gigabytes.
func TestHugeMarkersGiveOneConflict(t *testing.T) {
	line := strings.Repeat("=", 1<<19) + "\n"
	base := line + strings.Repeat("a\nb\n", 20000)
	local, remote := strings.ReplaceAll(base, "a", "X"), strings.ReplaceAll(base, "a", "Y")
	got, n := MergeText([]byte(base), []byte(local), []byte(remote), testLabels)
	require.Equal(t, 1, n)
	require.Less(t, len(got), 8<<20)
	require.True(t, bytes.HasPrefix(got, []byte(line+"<")), "what both sides begin with stays outside")
}

// Soundness where lines repeat and a difference can be told in several ways.
func TestMergeOfRepeatedLinesIsSound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		base := randomLines(rng, 1+rng.IntN(4), rng.IntN(20))
		local, remote := edited(rng, base, "ab"), edited(rng, base, "bc")
		checkMerge(t, join(base), join(local), join(remote))
	}
}

func FuzzMergeText(f *testing.F) {
	f.Add([]byte("a\nb\nc\n"), []byte("X\nb\nc\n"), []byte("a\nb\nY"))
	f.Add([]byte("a\r\n\r\n=======\n"), []byte("<<<<<<<\n"), []byte(""))
	f.Fuzz(func(t *testing.T, base, local, remote []byte) { checkMerge(t, base, local, remote) })
}

// checkMerge holds a merge to what must be true of every one.
func checkMerge(t *testing.T, base, local, remote []byte) {
	t.Helper()
	unchanged := func(want, b, l, r []byte) {
		got, n := MergeText(b, l, r, testLabels)
		require.Zero(t, n)
		require.Equal(t, string(want), string(got))
	}
	unchanged(remote, base, base, remote)
	unchanged(local, base, local, base)
	unchanged(local, base, local, local)

	got, n := MergeText(base, local, remote, testLabels)
	mirrored, m := MergeText(base, remote, local, testLabels)
	require.Equal(t, n, m, "mirrored inputs give mirrored verdicts")
	if n > 0 {
		return
	}
	require.Equal(t, string(got), string(mirrored))
	known := map[string]bool{}
	for _, c := range [][]byte{base, local, remote} {
		for l := range bytes.SplitAfterSeq(c, []byte("\n")) {
			known[string(l)] = true
		}
	}
	for l := range bytes.SplitAfterSeq(got, []byte("\n")) {
		require.True(t, known[string(l)], "line %q comes from nowhere", l)
	}
}

// The oracle: where every line is unique there is one shortest difference, and
// git's answer must be ours to the byte.
func TestMergeAgreesWithGit(t *testing.T) {
	_, err := exec.LookPath("git")
	require.NoError(t, err, "this test needs git")
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	clean := 0
	for round := range 150 {
		serial := 0
		base := uniqueLines(&serial, rng.IntN(30))
		local, remote := uniqueEdit(rng, base, &serial), uniqueEdit(rng, base, &serial)
		if rng.IntN(3) == 0 {
			remote = uniqueEdit(rng, local, &serial) // the same changes, and more
		}
		b, l, r := join(base), join(local), join(remote)
		for _, c := range []*[]byte{&b, &l, &r} {
			if rng.IntN(4) == 0 {
				*c = bytes.TrimSuffix(*c, []byte("\n"))
			}
		}
		labels := Labels{Local: "l", Base: "b", Remote: "r"}
		got, n := MergeText(b, l, r, labels)
		want, conflicts := gitMerge(t, dir, b, l, r)
		require.Equal(t, conflicts > 0, n > 0, "round %d: verdict\nbase %q\nlocal %q\nremote %q", round, b, l, r)
		if n > 0 {
			want, _ = gitMerge(t, dir, b, l, r, "--zdiff3", "-L", "l", "-L", "b", "-L", "r")
		} else {
			clean++
		}
		require.Equal(t, string(want), string(got), "round %d\nbase %q\nlocal %q\nremote %q", round, b, l, r)
	}
	require.Greater(t, clean, 30)
	require.Less(t, clean, 120)
}

func gitMerge(t *testing.T, dir string, base, local, remote []byte, options ...string) ([]byte, int) {
	t.Helper()
	for name, c := range map[string][]byte{"base": base, "local": local, "remote": remote} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), c, 0o600))
	}
	cmd := exec.Command("git", append(append([]string{"merge-file", "-p"}, options...), "local", "base", "remote")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C")
	out, err := cmd.Output()
	if err == nil {
		return out, 0
	}
	exit, ok := err.(*exec.ExitError)
	require.True(t, ok, "%v", err)
	require.Less(t, exit.ExitCode(), 128, "%s", exit.Stderr)
	return out, exit.ExitCode()
}

// Pathological contents at the largest size that callers give: a hostile
// sandbox must not stall the planner. Steps are counted, since time says more
// of the machine.
func TestDiffOfPathologicalTextsIsBounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	noise := func(symbols, width int) []byte {
		b := make([]byte, 0, MaxTextMerge)
		for len(b)+width < MaxTextMerge {
			for range width {
				b = append(b, byte('a'+rng.IntN(symbols)))
			}
			b = append(b, '\n')
		}
		return b
	}
	for _, c := range []struct {
		name        string
		base, local []byte
	}{
		{"unrelated", noise(26, 40), noise(26, 40)},
		{"two symbols", noise(2, 1), noise(2, 1)},
		{"many short lines", noise(26, 1), noise(26, 1)},
		{"shuffled", noise(26, 3), noise(26, 3)},
		{"line feeds", bytes.Repeat([]byte("\n"), MaxTextMerge), bytes.Repeat([]byte("\n"), MaxTextMerge/2)},
	} {
		symbols := map[string]int32{}
		a, b := newText(c.base, symbols).ids, newText(c.local, symbols).ids
		m := newMyers(a, b)
		m.compare(0, len(a), 0, len(b))
		t.Logf("%s: %d lines, %d steps", c.name, len(a)+len(b), m.work)
		// Past the bound on work a search is short, and settles at least as many lines as it looks edits ahead.
		require.LessOrEqual(t, m.work, maxDiffWork+maxDiffCost*(maxDiffCost+1)+(len(a)+len(b))*(lowDiffCost+1), c.name)
	}
}

func randomLines(rng *rand.Rand, symbols, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = string(rune('a'+rng.IntN(symbols))) + "\n"
	}
	return out
}

func uniqueLines(serial *int, n int) []string {
	out := make([]string, n)
	for i := range out {
		*serial++
		out[i] = "line " + strconv.Itoa(*serial) + "\n"
	}
	return out
}

// edited returns lines with random ones replaced, deleted or inserted.
func edited(rng *rand.Rand, in []string, with string) []string {
	return edit(rng, in, func() string { return string(with[rng.IntN(len(with))]) + "\n" })
}

func uniqueEdit(rng *rand.Rand, in []string, serial *int) []string {
	return edit(rng, in, func() string { return uniqueLines(serial, 1)[0] })
}

func edit(rng *rand.Rand, in []string, fresh func() string) []string {
	out := make([]string, 0, len(in)+4)
	odds := 4 + rng.IntN(20)
	for _, l := range in {
		switch rng.IntN(3 * odds) {
		case 0:
		case 1:
			out = append(out, fresh())
		case 2:
			out = append(out, l, fresh())
		default:
			out = append(out, l)
		}
	}
	if rng.IntN(odds) == 0 {
		out = append(out, fresh())
	}
	return out
}

func join(lines []string) []byte { return []byte(strings.Join(lines, "")) }

// TestTextMergesAreBoundedTogether: a host holds all that is merged at once.
func TestTextMergesAreBoundedTogether(t *testing.T) {
	tree := func(version string) core.Tree {
		var b core.TreeBuilder
		for i := range 100 {
			b.Add(&core.Entry{Path: fmt.Sprintf("file-%02d", i), Kind: core.KindFile, Size: MaxTextMerge, Digest: core.Sum(version, fmt.Sprint(i))})
		}
		return b.Tree()
	}
	in := &Input{Direction: Pull, Base: &core.Base{Entries: tree("base")}, Local: &core.Snapshot{Entries: tree("local")}, Remote: &core.Snapshot{Entries: tree("remote")}}
	out, err := Decide(in)
	require.NoError(t, err)
	require.Equal(t, 85, len(out.Needs))
	require.Equal(t, 15, len(out.Conflicts))
	require.Equal(t, "file-85", out.Conflicts[0].Path)
	in.Contents = map[core.Digest][]byte{}
	out, err = Decide(in)
	require.NoError(t, err)
	require.Len(t, out.Conflicts, 100)
}
