package hostgo

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"

	"github.com/paperclipai/syncplan/core"
)

// stage keeps bodies from a sandbox under their digests, so that no name from
// there ever touches the disk (promise S7).
type stage struct {
	dir   string
	sizes map[core.Digest]int64
}

// newStage returns a stage in a folder that belongs to it alone, with what an
// earlier one kept there.
func newStage(dir string) (*stage, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, ioError("the folder for downloads can't be used", dir, err)
	}
	if !info.IsDir() {
		return nil, &core.Error{Code: core.CodeIO, Path: dir, Message: "the folder for downloads is no folder"}
	}
	s := &stage{dir, map[core.Digest]int64{}}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, ioError("the folder for downloads can't be used", dir, err)
	}
	for _, f := range list {
		d, ok := core.ParseDigest(f.Name())
		if info, err := f.Info(); ok && err == nil && info.Mode().IsRegular() && s.intact(d) {
			s.sizes[d] = info.Size()
		} else if err := os.RemoveAll(filepath.Join(dir, f.Name())); err != nil {
			return nil, ioError("an unfinished download can't be removed", dir, err)
		}
	}
	return s, nil
}

// intact reports whether a kept content is what its name says: the run that
// wrote it may have died half way.
func (s *stage) intact(d core.Digest) bool {
	f, err := os.Open(s.path(d))
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && core.Digest(h.Sum(nil)) == d
}

// Digests lists the contents that are here, in no order.
func (s *stage) Digests() []core.Digest {
	out := make([]core.Digest, 0, len(s.sizes))
	for d := range s.sizes {
		out = append(out, d)
	}
	return out
}

// PutUnless reads a body of the given size, in bytes, and keeps it unless known
// says that its content is not needed. A body that ends early is an error.
func (s *stage) PutUnless(r io.Reader, size int64, known func(core.Digest) bool) (d core.Digest, staged bool, err error) {
	if size <= smallFile {
		return s.putSmall(r, size, known)
	}
	f, err := os.CreateTemp(s.dir, "new-*")
	if err != nil {
		return d, false, ioError("a download can't be kept", s.dir, err)
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	h := sha256.New()
	w := &fileWriter{f: f}
	_, err = io.CopyBuffer(io.MultiWriter(w, h), io.LimitReader(r, size), make([]byte, 128<<10))
	if e := f.Close(); w.err == nil && e != nil {
		w.err = e
	}
	switch {
	case w.err != nil:
		return d, false, ioError("a download can't be kept", s.dir, w.err)
	case err != nil:
		return d, false, err
	}
	h.Sum(d[:0])
	if s.Has(d) || known(d) {
		return d, false, nil
	}
	if err := os.Rename(f.Name(), s.path(d)); err != nil {
		return d, false, ioError("a download can't be kept", s.dir, err)
	}
	s.sizes[d] = size
	return d, true, nil
}

func (s *stage) putSmall(r io.Reader, size int64, known func(core.Digest) bool) (core.Digest, bool, error) {
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, size)); err != nil {
		return core.Digest{}, false, err
	}
	d := core.Digest(sha256.Sum256(b.Bytes()))
	if s.Has(d) || known(d) {
		return d, false, nil
	}
	if err := os.WriteFile(s.path(d), b.Bytes(), 0o600); err != nil {
		return d, false, ioError("a download can't be kept", s.dir, err)
	}
	s.sizes[d] = size
	return d, true, nil
}

// fileWriter remembers a failure to write, to tell it from one to read.
type fileWriter struct {
	f   *os.File
	err error
}

func (w *fileWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

func (s *stage) path(d core.Digest) string { return filepath.Join(s.dir, d.String()) }

// Has reports whether the content is here.
func (s *stage) Has(d core.Digest) bool {
	_, ok := s.sizes[d]
	return ok
}

// Open opens a content.
func (s *stage) Open(d core.Digest) (io.ReadCloser, error) {
	f, err := os.Open(s.path(d))
	if err != nil {
		return nil, ioError("a download can't be read again", s.dir, err)
	}
	return f, nil
}

// Bytes returns a content of at most max bytes.
func (s *stage) Bytes(d core.Digest, max int64) ([]byte, error) {
	size, ok := s.sizes[d]
	if !ok || size > max {
		return nil, &core.Error{Code: core.CodeLimit, Message: "the content is not staged or too large"}
	}
	data, err := os.ReadFile(s.path(d))
	if err != nil {
		return nil, ioError("a download can't be read again", s.dir, err)
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}
