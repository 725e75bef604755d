package hostgo_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo"
)

// A commit during a push must not reach the sandbox as a branch without its objects.
func TestS3_ACommitDuringAPushIsSentWholeOrNotAtAll(t *testing.T) {
	for name, commits := range map[string]int{"once": 1, "each time": 1000} {
		t.Run(name, func(t *testing.T) {
			b := newPair(t)
			git(t, b.local, "init", "-q", "-b", "main")
			write(t, b.local, "a", "1")
			git(t, b.local, "add", "a")
			git(t, b.local, "commit", "-qm", "first")
			left := commits
			b.opts.Progress = func(e hostgo.Event) {
				if e.Stage == hostgo.StageSend && e.Files == 0 && left > 0 {
					left--
					git(t, b.local, "commit", "-q", "--allow-empty", "-m", "meanwhile")
				}
			}
			r := b.push()
			require.Equal(t, "1", read(t, b.sandbox, "a"))
			if commits > 1 {
				require.NoDirExists(t, filepath.Join(b.sandbox, ".git"))
				require.Equal(t, []core.Problem{{Path: ".git", Code: core.ProblemChanging, Detail: "the repository was used each time it was sent"}}, r.Problems)
				left = 0
				r = b.push()
			}
			require.Empty(t, r.Problems)
			git(t, b.sandbox, "fsck")
			require.Equal(t, git(t, b.local, "rev-parse", "HEAD"), git(t, b.sandbox, "rev-parse", "HEAD"))
		})
	}
}

// A scan reads what names an object before it lists the objects.
func TestS3_AScanDuringACommitSeesItWholeOrNotAtAll(t *testing.T) {
	root := t.TempDir()
	write(t, root, ".git/HEAD", "ref: refs/heads/main\n")
	write(t, root, ".git/refs/heads/main", "0")
	write(t, root, ".git/objects/0", "")
	ended := make(chan error, 1)
	go func() {
		ended <- func() error {
			for n := range 5000 { // a bound: no scan ends before a folder that grows faster than it is read
				id := strconv.Itoa(n)
				if err := os.WriteFile(filepath.Join(root, ".git/objects", id), nil, 0o644); err != nil {
					return err
				}
				lock := filepath.Join(root, ".git/refs/heads/main.lock")
				if err := os.WriteFile(lock, []byte(id), 0o644); err != nil {
					return err
				}
				if err := os.Rename(lock, strings.TrimSuffix(lock, ".lock")); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	for going := true; going; {
		select {
		case err := <-ended:
			require.NoError(t, err)
			going = false
		default:
		}
		s, err := hostgo.Scan(t.Context(), root, hostgo.ScanOptions{})
		require.NoError(t, err)
		ref := s.Snapshot.Entries.Find(".git/refs/heads/main")
		if ref == nil {
			continue // it changed each time it was read, which is a problem of the snapshot
		}
		named := false
		for e := range s.Snapshot.Entries.All() {
			id, isObject := strings.CutPrefix(e.Path, ".git/objects/")
			named = named || isObject && ref.Digest == sha256.Sum256([]byte(id))
		}
		require.True(t, named, "a ref names an object that the snapshot lacks")
	}
}
