//go:build unix

package hostgo_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/dir"
)

// BenchmarkPushBesideTar pushes the Go toolchain's own tree into empty sandboxes,
// in turn with "tar | tar" and with the steps of the system that this one
// outgrows: hash all, one archive, one upload, wipe, unpack. No sandbox is
// removed before the end, because ext4 creates files several times slower soon
// after deleting similar ones.
func BenchmarkPushBesideTar(b *testing.B) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(b, err)
	root, err := filepath.EvalSymlinks(strings.TrimSpace(string(out)))
	require.NoError(b, err)
	top, err := filepath.EvalSymlinks(b.TempDir())
	require.NoError(b, err)
	// A copy, so that the workspace is no system folder and nobody else's.
	local := filepath.Join(top, "local")
	shell(b, fmt.Sprintf("mkdir %[2]s && tar -C %[1]s -cf - . | tar -C %[2]s -xf -", plan.Quote(root), plan.Quote(local)))
	times := map[string][]time.Duration{}
	const rounds = 3
	for range b.N {
		for i := range rounds {
			box := func(name string) string {
				p := filepath.Join(top, fmt.Sprint(name, len(times[name]), i))
				require.NoError(b, os.Mkdir(p, 0o755))
				return p
			}
			clock := func(name string, do func()) {
				start := time.Now()
				do()
				times[name] = append(times[name], time.Since(start))
			}
			to := box("tar")
			clock("tar", func() {
				shell(b, fmt.Sprintf("tar -C %s -cf - . | tar -C %s -xf -", plan.Quote(local), plan.Quote(to)))
			})
			to = box("push")
			client, err := dir.New(to)
			require.NoError(b, err)
			clock("push", func() {
				_, err := hostgo.Push(b.Context(), hostgo.Options{Workspace: local, Client: client, Root: to, StateDir: filepath.Join(top, "state")})
				require.NoError(b, err)
			})
			to = box("seed")
			clock("seed", func() {
				shell(b, fmt.Sprintf("find %[1]s -type f -exec sha256sum {} + >%[2]s.sums && tar -C %[1]s -cf %[2]s.tar . && cp %[2]s.tar %[2]s.up && "+
					"find %[2]s -mindepth 1 -maxdepth 1 -exec rm -rf -- {} + && tar -xf %[2]s.up -C %[2]s", plan.Quote(local), plan.Quote(to)))
			})
		}
	}
	median := func(name string) float64 {
		list := slices.Sorted(slices.Values(times[name]))
		return list[len(list)/2].Seconds()
	}
	b.ReportMetric(median("tar"), "s/tar")
	b.ReportMetric(median("push"), "s/push")
	b.ReportMetric(median("seed"), "s/seed")
	b.ReportMetric(median("push")/median("tar"), "push/tar")
	b.ReportMetric(0, "ns/op")
}

func shell(b *testing.B, command string) {
	b.Helper()
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	require.NoError(b, err, "%s", out)
}
