package wasmhost

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build makes the module of the source tree at root, as the Makefile does, for
// tests.
func Build(root string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "planner-wasm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("make", "-s", "wasm", "WASM_DIR="+dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "planner.wasm"))
}
