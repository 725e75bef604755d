package hostgo

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// editing is where an archive goes, with an edit of a large file after the first of its contents is written, or
// after each where that is often.
type editing struct {
	bytes.Buffer
	edit  func(member string)
	often bool
	at    string          // the member that is being written
	done  map[string]bool // those that were edited
}

func (w *editing) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	name, _, _ := bytes.Cut(p, []byte{0})
	switch {
	case len(p) == 512 && !bytes.HasPrefix(name, []byte("r")): // not one that is read again
		w.at = string(name)
	case len(p) == streamBuffer && (w.often || !w.done[w.at]):
		w.done[w.at] = true
		w.edit(w.at)
	}
	return n, err
}

// unpacked maps names to contents; of a name that comes twice the last counts.
func unpacked(t *testing.T, archive io.Reader) map[string]string {
	t.Helper()
	out := map[string]string{}
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		out[h.Name] = string(data)
	}
}

// TestD9_AnArchiveHoldsWhatIsSaidOfIt changes two large files while they are sent, once or each time. What is called sent
// is in the archive under the name that is told, whole, and is what the file was before or after the edit; else there is
// a problem. The members beside them are not disturbed.
func TestD9_AnArchiveHoldsWhatIsSaidOfIt(t *testing.T) {
	const size = 2*streamBuffer + 5
	text := func(n, size int) []byte { return bytes.Repeat([]byte{byte('a' + n)}, size) }
	vanishes := map[string]bool{"is removed": true, "becomes a link": true, "becomes a folder": true}
	for what, edit := range map[string]func(path string, n int) error{
		"grows":          func(path string, n int) error { return os.WriteFile(path, text(n, size+n), 0o644) },
		"shrinks":        func(path string, n int) error { return os.Truncate(path, int64(size-100*n)) },
		"becomes small":  func(path string, n int) error { return os.WriteFile(path, text(n, 5), 0o644) },
		"is overwritten": func(path string, n int) error { return os.WriteFile(path, text(n, size), 0o644) },
		"is replaced": func(path string, n int) error {
			return errors.Join(os.WriteFile(path+".new", text(n, size), 0o644), os.Rename(path+".new", path))
		},
		"is removed":       func(path string, _ int) error { return os.RemoveAll(path) },
		"becomes a link":   func(path string, _ int) error { return errors.Join(os.RemoveAll(path), os.Symlink("0", path)) },
		"becomes a folder": func(path string, _ int) error { return errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o755)) },
	} {
		for i := range 4 {
			overwrite, often := i&1 != 0, i&2 != 0
			t.Run(fmt.Sprintf("%s, overwrite=%v, often=%v", what, overwrite, often), func(t *testing.T) {
				root := t.TempDir()
				closesAll(t, root)
				olds := []string{"first", string(text('x'-'a', size)), string(text('y'-'a', size)), "last"}
				var members []member
				for i, content := range olds {
					name := strconv.Itoa(i)
					p := filepath.Join(root, name)
					require.NoError(t, os.WriteFile(p, []byte(content), 0o644))
					require.NoError(t, os.Chtimes(p, time.Unix(1, 0), time.Unix(1, 0))) // no edit is made in this tick
					members = append(members, member{Name: name, Entry: *fileEntry(name, content)})
				}
				edits, sent := 0, make([]sentMember, len(members))
				archive := &editing{often: often, done: map[string]bool{}, edit: func(member string) {
					edits++
					require.NoError(t, os.RemoveAll(filepath.Join(root, member+".new")))
					path := filepath.Join(root, member)
					require.NoError(t, edit(path, edits))
					when := time.Unix(int64(1+edits), 0) // two edits in one tick of the clock would look like one
					_ = os.Chtimes(path, when, when)     // it may be gone
				}}
				a := newArchiveWriter(archive)
				a.Overwrite = overwrite
				require.NoError(t, a.AddAll(t.Context(), root, slices.All(members), nil, func(i int, _ *member, s sentMember) { sent[i] = s }))
				require.NoError(t, a.Close())
				require.GreaterOrEqual(t, edits, 2, "the test has its point")

				got := unpacked(t, &archive.Buffer)
				for i, s := range sent {
					name := cmp.Or(s.Name, strconv.Itoa(i))
					have, _ := os.ReadFile(filepath.Join(root, strconv.Itoa(i))) // there may be none
					large := i == 1 || i == 2
					torn := large && often && what != "becomes small" && !vanishes[what]
					require.Equal(t, torn || large && vanishes[what], s.Problem == core.ProblemChanging, "%+v", s)
					require.Equal(t, s.Problem == "" || torn && overwrite, !s.Digest.IsZero())
					if !s.Digest.IsZero() {
						require.Equal(t, s.Digest, core.Sum(got[name]))
						require.EqualValues(t, len(got[name]), s.Size)
					}
					if s.Problem == "" {
						require.Contains(t, []core.Digest{core.Sum(olds[i]), core.Sum(string(have))}, s.Digest)
					}
					require.NotContains(t, got[strconv.Itoa(i)], olds[3-i][:1], "of another file")
				}
			})
		}
	}
}

// TestNoMoreOpenFilesEndTheArchive: the sandbox would get a part of the tree for the whole.
func TestNoMoreOpenFilesEndTheArchive(t *testing.T) {
	for _, spent := range []error{syscall.EMFILE, syscall.ENFILE} {
		err := &fs.PathError{Op: "open", Path: "f", Err: spent}
		m := &member{Name: "f", Entry: core.Entry{Path: "d/f", Kind: core.KindFile}}
		for _, ahead := range []*readFile{{err: err}, nil} {
			_, got := newArchiveWriter(io.Discard).add(t.Context(), m, ahead, func() (*tree.File, error) { return nil, err })
			require.ErrorContains(t, got, "the workspace can't be read (d/f)")
			require.Contains(t, got.(*core.Error).Hint, "ulimit -n")
		}
	}
}
