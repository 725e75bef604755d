package golden

import (
	"os"
	"path/filepath"
)

// Update writes down the responses of an implementation, and the manifest. It
// never touches what was written by hand.
func Update(dir string, impl func(call []byte) ([]byte, error)) error {
	fsys := os.DirFS(dir)
	vectors, err := Load(fsys)
	if err != nil {
		return err
	}
	for i := range vectors {
		out, why := answer(&vectors[i], impl)
		if why != "" {
			return &updateError{vectors[i].Name, why}
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(vectors[i].Name)+outSuffix), out, 0o644); err != nil {
			return err
		}
	}
	manifest, err := Manifest(fsys, vectors)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, manifestName), manifest, 0o644)
}

type updateError struct{ name, why string }

func (e *updateError) Error() string { return e.name + ": " + e.why }
