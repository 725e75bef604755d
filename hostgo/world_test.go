package hostgo

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// memory is a Bodies of contents that a test made up.
type memory map[core.Digest]string

func (m memory) Open(d core.Digest) (io.ReadCloser, error) {
	s, ok := m[d]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(s)), nil
}

func fileEntry(path, content string) *core.Entry {
	return &core.Entry{Path: path, Kind: core.KindFile, Mode: 0o644, Size: int64(len(content)), Digest: sha256.Sum256([]byte(content))}
}

func dirEntry(path string) *core.Entry {
	return &core.Entry{Path: path, Kind: core.KindDir, Mode: 0o755}
}

func linkEntry(path, target string) *core.Entry {
	return &core.Entry{Path: path, Kind: core.KindLink, Mode: 0o777, Target: target}
}

// world is a workspace, a state folder and bodies.
type world struct {
	t           *testing.T
	root, state string
	bodies      memory
	runs        int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	w := &world{t: t, root: filepath.Join(top, "root"), state: filepath.Join(top, "state"), bodies: memory{}}
	require.NoError(t, os.Mkdir(w.root, 0o755))
	require.NoError(t, os.Mkdir(w.state, 0o755))
	closesAll(t, top)
	return w
}

// closesAll holds a test to close what it opens below a folder, where the system tells.
func closesAll(t *testing.T, top string) {
	t.Cleanup(func() {
		list, _ := os.ReadDir("/proc/self/fd")
		for _, d := range list {
			if name, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil {
				require.False(t, strings.HasPrefix(name, top+"/"), "%s is left open", name)
			}
		}
	})
}

func (w *world) put(path, content string) {
	w.t.Helper()
	full := filepath.Join(w.root, path)
	require.NoError(w.t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(w.t, os.WriteFile(full, []byte(content), 0o644))
}

func (w *world) body(path, content string) *core.Entry {
	e := fileEntry(path, content)
	w.bodies[e.Digest] = content
	return e
}

func (w *world) request(decisions []merge.Decision) applyRequest {
	w.runs++
	for i := range decisions {
		if decisions[i].Dest == "" {
			decisions[i].Dest = decisions[i].Path
		}
	}
	return applyRequest{root: w.root, run: fmt.Sprintf("run%05d", w.runs), stateDir: w.state, decisions: decisions, bodies: w.bodies}
}

// tree maps each path to what it is; what is kept in displaced counts by its
// content under "kept".
func (w *world) tree() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(w.root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(w.root, p)
		if err != nil || rel == "." || rel == core.RuntimeDir {
			return err
		}
		if rel == core.RuntimeDir+"/staging" || strings.HasPrefix(d.Name(), volumeStaging("")) {
			return filepath.SkipDir
		}
		var text string
		switch {
		case d.IsDir():
			text = "dir"
		case d.Type()&fs.ModeSymlink != 0:
			text, err = os.Readlink(p)
			text = "link " + text
		default:
			var data []byte
			data, err = os.ReadFile(p)
			info, e := d.Info()
			err = errors.Join(err, e)
			text = string(data)
			if err == nil && info.Mode()&0o100 != 0 {
				text = "x " + text
			}
		}
		if strings.HasPrefix(rel, core.RuntimeDir+"/displaced") {
			if text == "dir" {
				return err
			}
			rel = "kept " + text
		}
		out[rel] = text
		return err
	})
	require.NoError(w.t, err)
	return out
}
