package clienttest_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/clienttest"
	"github.com/paperclipai/syncplan/hostgo/dir"
)

// faulty is a good client with one fault.
type faulty struct {
	*dir.Client
	fault string
	hung  func() // called by a call that then does not return
}

func (f *faulty) ReadFile(ctx context.Context, p string) ([]byte, error) {
	if f.fault == "waits for a FIFO" && strings.HasSuffix(p, "/pipe") {
		f.hung()
		select {} // as a reader of an open file, which hears of no ctx
	}
	data, err := f.Client.ReadFile(ctx, p)
	switch {
	case f.fault == "truncates" && len(data) > 65536:
		return data[:65536], err
	case f.fault == "drops NUL":
		return []byte(strings.ReplaceAll(string(data), "\x00", "")), err
	case f.fault == "missing is empty" && err != nil:
		return nil, nil
	}
	return data, err
}

func (f *faulty) WriteFile(ctx context.Context, p string, data []byte) error {
	if f.fault == "ignores the context" {
		ctx = context.WithoutCancel(ctx)
	}
	return f.Client.WriteFile(ctx, p, data)
}

func (f *faulty) ListFiles(ctx context.Context, p string) ([]string, error) {
	names, err := f.Client.ListFiles(ctx, p)
	if f.fault == "missing is empty list" && err != nil {
		return nil, nil
	}
	if f.fault == "splits names" {
		names = strings.Fields(strings.Join(names, "\n"))
	}
	return names, err
}

func (f *faulty) Run(ctx context.Context, command string, timeout time.Duration) error {
	switch f.fault {
	case "drops the exit status":
		_ = f.Client.Run(ctx, command, timeout)
		return nil
	case "ignores the timeout":
		if timeout > 0 {
			command = strings.ReplaceAll(command, "sleep 120", "sleep 6")
		}
		return f.Client.Run(ctx, command, 0)
	case "caps commands":
		return f.Client.Run(ctx, command[:min(len(command), 65536)], timeout)
	}
	return f.Client.Run(ctx, command, timeout)
}

// TestCheckFindsEachFault proves that the kit fails for broken clients.
func TestCheckFindsEachFault(t *testing.T) {
	for fault, check := range map[string]string{"truncates": "bodies", "drops NUL": "bodies", "missing is empty": "missing",
		"missing is empty list": "missing", "splits names": "names", "drops the exit status": "run", "ignores the timeout": "timeout",
		"caps commands": "quoting", "ignores the context": "done_context", "waits for a FIFO": "special"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			root, err := filepath.EvalSymlinks(t.TempDir())
			require.NoError(t, err)
			c, err := dir.New(root)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var found []string
			for _, err := range clienttest.Check(ctx, &faulty{c, fault, cancel}, root) {
				name, _, _ := strings.Cut(err.Error(), ":")
				found = append(found, name)
			}
			require.Contains(t, found, check)
		})
	}
}

var _ hostgo.Client = (*faulty)(nil)
