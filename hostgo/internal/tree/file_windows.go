package tree

import "os"

// File is a regular file that is open for reading.
type File struct{ f *os.File }

// OpenFile opens the regular file at a path, links in it followed: the caller has
// resolved and chosen it. Anything else is [ErrNotFile].
func OpenFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return regular(f)
}

// regular closes f unless it is a regular file.
func regular(f *os.File) (*File, error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = pathError("open", f.Name(), ErrNotFile)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &File{f}, nil
}

// Stat returns what f is now.
func (f *File) Stat() (Info, error) {
	fi, err := f.f.Stat()
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

// Read implements [io.Reader].
func (f *File) Read(p []byte) (int, error) { return f.f.Read(p) }

// Sync flushes f to disk.
func (f *File) Sync() error { return f.f.Sync() }

// Close releases f.
func (f *File) Close() error { return f.f.Close() }
