// Package dir is a sandbox that is a directory of this machine plus sh. It
// isolates nothing: a command can do what its user can. It serves trusted
// commands, tests, and sandboxes whose file system is mounted here.
package dir

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// Client implements [hostgo.Client], [hostgo.Streamer], [hostgo.Identified] and
// [hostgo.Commander].
type Client struct{ root string }

// New returns a client of the directory at an absolute path, which must exist
// and not be a system folder; else the error is of [core.CodeUnsafeRoot].
func New(root string) (*Client, error) {
	unsafe := func(why, hint string) error {
		return &core.Error{Code: core.CodeUnsafeRoot, Path: root, Message: why, Hint: hint}
	}
	if !filepath.IsAbs(root) {
		return nil, unsafe("the sandbox's folder is not an absolute path", "write it as /path/to/folder")
	}
	if err := plan.ValidateRoot(filepath.ToSlash(filepath.Clean(root))); err != nil {
		return nil, err // such as /lib, which may be a link to /usr/lib
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, unsafe("the sandbox's folder does not exist or can't be reached", "make it first: mkdir -p "+plan.Quote(root))
	}
	info, err := os.Stat(real)
	if err != nil || !info.IsDir() {
		return nil, unsafe("the sandbox is not a folder", "name the folder itself")
	}
	if err := plan.ValidateRoot(filepath.ToSlash(real)); err != nil {
		return nil, err
	}
	return &Client{real}, nil
}

// LocalRoot returns the real path of the directory, so that a workspace that
// lies in it, or it in a workspace, can be refused.
func (c *Client) LocalRoot() string { return c.root }

// Identity implements [hostgo.Identified].
func (c *Client) Identity() string { return "dir:" + c.root }

// maxArg is what Linux takes for one argument, its final NUL counted.
const maxArg = 131_071

// MakeDir implements [hostgo.Client].
func (c *Client) MakeDir(ctx context.Context, p string) error {
	const what = "making the folder"
	if err := hostgo.BeginCall(ctx, what, p); err != nil {
		return err
	}
	if err := os.MkdirAll(p, 0o755); err != nil {
		return hostgo.ClientError(ctx, what, p, err)
	}
	return nil
}

// WriteFile implements [hostgo.Client].
func (c *Client) WriteFile(ctx context.Context, p string, data []byte) error {
	const what = "writing"
	if err := hostgo.BeginCall(ctx, what, p); err != nil {
		return err
	}
	f, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return hostgo.ClientError(ctx, what, p, err)
	}
	_, err = io.Copy(struct{ io.Writer }{f}, &stoppable{ctx, bytes.NewReader(data)})
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return hostgo.ClientError(ctx, what, p, err)
	}
	return nil
}

// ReadFile implements [hostgo.Client].
func (c *Client) ReadFile(ctx context.Context, p string) ([]byte, error) {
	const what = "reading"
	if err := hostgo.BeginCall(ctx, what, p); err != nil {
		return nil, err
	}
	f, err := tree.OpenFile(p) // a FIFO would be waited for, and a device may have no end
	if err != nil {
		return nil, hostgo.ClientError(ctx, what, p, err)
	}
	defer f.Close()
	data, err := io.ReadAll(&stoppable{ctx, f})
	if err != nil {
		return nil, hostgo.ClientError(ctx, what, p, err)
	}
	return data, nil
}

// stoppable ends a copy when its context does.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// ListFiles implements [hostgo.Client].
func (c *Client) ListFiles(ctx context.Context, p string) ([]string, error) {
	const what = "listing"
	if err := hostgo.BeginCall(ctx, what, p); err != nil {
		return nil, err
	}
	list, err := os.ReadDir(p)
	if err != nil {
		return nil, hostgo.ClientError(ctx, what, p, err)
	}
	names := []string{}
	for _, d := range list {
		if !d.IsDir() {
			names = append(names, d.Name())
		}
	}
	return names, nil
}

// Remove implements [hostgo.Client].
func (c *Client) Remove(ctx context.Context, p string) error {
	const what = "removing"
	if err := hostgo.BeginCall(ctx, what, p); err != nil {
		return err
	}
	if err := os.RemoveAll(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return hostgo.ClientError(ctx, what, p, err)
	}
	return nil
}
