package hostgo

import (
	"os"
	"path/filepath"
	"runtime"
	"unicode"

	"github.com/paperclipai/syncplan/core/merge"
)

// fileSystemFacts tells what the file system of the workspace does with names
// and permissions. It asks by looking the workspace up under its own name in
// other letters, so nothing is written.
func fileSystemFacts(root string) merge.Facts {
	windows, darwin := runtime.GOOS == "windows", runtime.GOOS == "darwin"
	return merge.Facts{FoldCase: foldsCase(root, windows || darwin), Normalize: darwin, NoExecutable: windows, Backslash: windows}
}

// foldsCase falls back to what is usual where the name has no letters.
func foldsCase(root string, usual bool) bool {
	name := []rune(filepath.Base(root))
	changed := false
	for i, r := range name {
		switch {
		case unicode.IsLower(r):
			name[i] = unicode.ToUpper(r)
		case unicode.IsUpper(r):
			name[i] = unicode.ToLower(r)
		}
		changed = changed || name[i] != r
	}
	if !changed {
		return usual
	}
	a, err := os.Stat(root)
	if err != nil {
		return usual
	}
	b, err := os.Stat(filepath.Join(filepath.Dir(root), string(name)))
	return err == nil && os.SameFile(a, b)
}
