package hostgo_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of a budget of 400 bytes an entry the heap may take this many: the rest is what
// the collector lets it grow by, and keeps of what it freed.
const heapPerEntry = 310

// peakHeap returns how far a sync raises what the collector finds alive.
func peakHeap(sync func()) int64 {
	const name = "/gc/heap/live:bytes"
	live := func() int64 {
		sample := []metrics.Sample{{Name: name}}
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	runtime.GC()
	before, peak, ended := live(), atomic.Int64{}, atomic.Bool{}
	var look func(*[16]byte) // after each collection
	look = func(p *[16]byte) {
		peak.Store(max(peak.Load(), live()))
		if !ended.Load() {
			runtime.SetFinalizer(p, look)
		}
	}
	runtime.SetFinalizer(new([16]byte), look)
	sync()
	ended.Store(true)
	return max(0, peak.Load()-before)
}

// longPaths makes files whose paths have 86 bytes.
func longPaths(t *testing.T, root string, files int) (entries int64) {
	for i := range files {
		dir := filepath.Join(root, fmt.Sprintf("module-%02d/package-%04d", i/10_000, i/100))
		if i%100 == 0 {
			require.NoError(t, os.MkdirAll(dir, 0o755))
			entries++
		}
		name := fmt.Sprintf("%s-%05d.go", strings.Repeat("a-long-name", 5)[:54], i)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, "content %d\nof a file\n", i), 0o644))
		entries++
	}
	return entries
}

// TestMemoryGrowsByEntry holds each sync of a tree to what it may take for each
// entry, by the difference of two trees (issue 3: 64 MiB and 400 bytes an entry).
func TestMemoryGrowsByEntry(t *testing.T) {
	syncs := []string{"first push", "push of nothing", "small push", "pull of nothing", "small pull", "pull with add", "pull with delete"}
	measure := func(files int) (entries int64, peaks []int64) {
		b := newPair(t)
		entries = longPaths(t, b.local, files)
		peak := func(sync func()) { peaks = append(peaks, peakHeap(sync)) }
		push, pull := func() { b.push() }, func() { b.pull() }
		peak(push)
		peak(push)
		write(t, b.local, "module-00/package-0001/new", "x")
		peak(push)
		peak(pull)
		write(t, b.sandbox, "module-00/package-0001/new", "y")
		peak(pull)
		write(t, b.sandbox, "module-00/package-0001/newer", "z")
		peak(pull)
		require.NoError(t, os.Remove(filepath.Join(b.sandbox, "module-00/package-0001/new")))
		peak(pull)
		return entries, peaks
	}
	few, base := measure(3_000)
	many, peaks := measure(30_000)
	for i, name := range syncs {
		t.Logf("%s: %d bytes an entry", name, (peaks[i]-base[i])/(many-few))
	}
	for i, name := range syncs {
		require.LessOrEqual(t, (peaks[i]-base[i])/(many-few), int64(heapPerEntry), name)
	}
}
