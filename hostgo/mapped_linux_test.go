package hostgo_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
)

// A program that writes through a mapping changes a file without a trace in its times, as a
// database does for as long as it is open. What a fetch brings of such a file is not what an
// earlier push saw there, and comes home all the same.
func TestAFileThatChangesThroughAMappingComesHome(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "here")
	b.push()
	write(t, b.sandbox, "index", "first")
	index := mapped(t, filepath.Join(b.sandbox, "index"))
	index[0] = 'F'
	write(t, b.local, "a", "edited here")
	b.push() // hashes what it finds there, and brings nothing home

	copy(index, "other")
	r := b.pull()
	require.Equal(t, plan.StatusOK, r.Status, "%+v", r.Report)
	require.Equal(t, "other", read(t, b.local, "index"))
	require.Empty(t, b.pull().Lines)
}

// mapped returns the bytes of a file as a program has them that writes without system calls.
func mapped(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	bytes, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Munmap(bytes)) })
	return bytes
}
