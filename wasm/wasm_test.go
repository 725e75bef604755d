// Package main_test builds the module and runs it under wazero.
package main_test

import (
	"bytes"
	"context"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"

	"github.com/paperclipai/syncplan/internal/golden"
	"github.com/paperclipai/syncplan/internal/wasmhost"
)

// The budgets, in bytes.
const (
	maxRaw    = 2_500_000
	maxBrotli = 600_000
)

var built = sync.OnceValues(func() ([]byte, error) { return wasmhost.Build("..") })

func planner(t *testing.T) []byte {
	t.Helper()
	data, err := built()
	require.NoError(t, err)
	return data
}

func compiled(t *testing.T) *wasmhost.Module {
	t.Helper()
	m, err := wasmhost.Compile(t.Context(), planner(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close(context.Background())) })
	return m
}

// frozen is a world in which nothing changes but what the seed says.
func frozen(seed int64) wazero.ModuleConfig {
	return wazero.NewModuleConfig().WithRandSource(rand.New(rand.NewSource(seed))).
		WithWalltime(func() (int64, int32) { return 1, 0 }, 1).WithNanotime(func() int64 { return 1 }, 1).
		WithNanosleep(func(int64) {}).WithOsyield(func() {})
}

// TestVectors runs every vector with eight seeds of Go's maps and a clock that
// stands still.
func TestVectors(t *testing.T) {
	vectors, err := golden.Load(os.DirFS("../testdata/golden"))
	require.NoError(t, err)
	m := compiled(t)
	for seed := range int64(8) {
		config := frozen(seed)
		if seed == 7 {
			config = config.WithEnv("GOGC", "1") // the collector runs all the time
		}
		instance, err := m.Start(t.Context(), config)
		require.NoError(t, err)
		for _, f := range golden.Run(vectors, func(call []byte) ([]byte, error) { return instance.Call(t.Context(), call) }) {
			t.Errorf("seed %d, %s: %s\n  harm: %s", seed, f.Name, f.Why, f.Harm)
		}
		require.NoError(t, instance.Close(t.Context()))
	}
}

// TestPurityOfImports proves that the module can't open, read or list a file or
// socket, whatever its code does.
func TestPurityOfImports(t *testing.T) {
	got := compiled(t).Imports()
	slices.Sort(got)
	require.Empty(t, cmp.Diff([]string{
		"wasi_snapshot_preview1.args_get",
		"wasi_snapshot_preview1.args_sizes_get",
		"wasi_snapshot_preview1.clock_time_get",
		"wasi_snapshot_preview1.environ_get",
		"wasi_snapshot_preview1.environ_sizes_get",
		"wasi_snapshot_preview1.fd_write",
		"wasi_snapshot_preview1.poll_oneoff",
		"wasi_snapshot_preview1.proc_exit",
		"wasi_snapshot_preview1.random_get",
		"wasi_snapshot_preview1.sched_yield",
	}, got))
}

// TestBudget holds the size of the module.
func TestBudget(t *testing.T) {
	data := planner(t)
	require.LessOrEqual(t, len(data), maxRaw)
	var packed bytes.Buffer
	w := brotli.NewWriterOptions(&packed, brotli.WriterOptions{Quality: 11, LGWin: 24})
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.LessOrEqual(t, packed.Len(), maxBrotli)
}

// TestReproducible builds the module from a copy of its sources elsewhere.
func TestReproducible(t *testing.T) {
	elsewhere := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "Makefile", "core", "wasm", "internal/wasmlink"} {
		info, err := os.Stat("../" + name)
		require.NoError(t, err)
		if info.IsDir() {
			require.NoError(t, os.CopyFS(filepath.Join(elsewhere, name), os.DirFS("../"+name)))
			continue
		}
		data, err := os.ReadFile("../" + name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(elsewhere, name), data, 0o644))
	}
	again, err := wasmhost.Build(elsewhere)
	require.NoError(t, err)
	require.True(t, bytes.Equal(planner(t), again), "two builds differ")
}
