package hostgo

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// maxIgnore bounds a .gitignore file, in bytes. Of a longer one no part is taken: what the
// rest leaves out would be sent.
const maxIgnore = 1 << 20

// GitignoreFiles returns the .gitignore files of a tree, in path order. Those
// that can't be read are left out, as git does, and the scan names them; a link counts
// as absent, as for git. The error is of [core.CodeLimit] for one of over 1 MiB.
func GitignoreFiles(ctx context.Context, root string) ([]core.IgnoreFile, error) {
	top, err := tree.Open(root)
	if err != nil {
		return nil, ioError("the folder can't be read", root, err)
	}
	defer top.Close()
	var list []core.IgnoreFile
	err = ignoresBelow(ctx, top, "", &list)
	return list, err
}

func ignoresBelow(ctx context.Context, d *tree.Dir, path string, list *[]core.IgnoreFile) error {
	if err := ctx.Err(); err != nil {
		return &core.Error{Code: core.CodeCancelled, Message: "stopped while .gitignore files were read", Err: err}
	}
	names, broken := d.Names() // the scan takes what could be listed, and reports the rest as incomplete
	slices.Sort(names)
	if broken != nil || slices.Contains(names, ".gitignore") {
		text, err := readIgnore(d)
		switch {
		case errors.Is(err, core.CodeLimit):
			return &core.Error{Code: core.CodeLimit, Path: core.Join(path, ".gitignore"), Message: "a .gitignore of over 1 MiB",
				Hint: "make it shorter, or sync without --gitignore"}
		case isSpent(err):
			return ioError("the workspace can't be read", core.Join(path, ".gitignore"), err)
		case err == nil:
			*list = append(*list, core.IgnoreFile{Dir: path, Text: text})
		}
	}
	for _, name := range names {
		below := core.Join(path, name)
		if name == ".git" || below == core.RuntimeDir || core.ValidatePath(below) != nil {
			continue
		}
		if info, err := d.Lstat(name); err != nil || info.Kind != core.KindDir {
			continue
		}
		sub, err := d.OpenDir(name)
		if isSpent(err) {
			return ioError("the workspace can't be read", below, err)
		}
		if err != nil {
			continue // the scan reports it
		}
		err = ignoresBelow(ctx, sub, below, list)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// readIgnore returns the text of a directory's .gitignore. Bytes that are not UTF-8 can't
// match: no name with such bytes is sent.
func readIgnore(d *tree.Dir) (string, error) {
	f, err := d.OpenFile(".gitignore")
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIgnore+1))
	if len(data) > maxIgnore {
		return "", core.CodeLimit
	}
	return strings.ToValidUTF8(string(data), "\uFFFD"), err
}
