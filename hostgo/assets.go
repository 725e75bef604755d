package hostgo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/paperclipai/syncplan/core"
)

// assetWalk lists the members of one asset's archive.
type assetWalk struct {
	ctx       context.Context
	asset     Asset
	rules     *core.Rules
	workspace string // real; a link that lies in it leads nowhere else (promise S9)
	members   []assetMember
	problems  []core.Problem
	above     []fs.FileInfo // the directories that the walk is in, to end cycles
}

type assetMember struct {
	member
	source string // the file itself, links resolved
}

// writeAsset packs an asset. Links travel as links, or are followed where the
// asset asks for it; one that lies in the workspace, where the sandbox could have planted
// it, only to a target there (promise S9).
func writeAsset(ctx context.Context, w io.Writer, s *session, key string) ([]core.Problem, error) {
	i := slices.IndexFunc(s.opts.Assets, func(a Asset) bool { return a.Key == key })
	asset := s.opts.Assets[i]
	rules, err := core.CompileRules(asset.Exclude, nil)
	if err != nil {
		return nil, err
	}
	real, err := asset.path()
	if err != nil {
		return nil, err
	}
	walk := &assetWalk{ctx: ctx, asset: asset, rules: rules, workspace: s.root}
	if err := walk.dir(real, ""); err != nil {
		return nil, err
	}
	a := newArchiveWriter(w)
	for i := range walk.members {
		m := &walk.members[i]
		sent, err := a.AddFrom(ctx, m.source, m.member)
		if err != nil {
			return nil, err
		}
		if sent.Problem != "" {
			walk.problem(m.Name, sent.Problem, sent.Detail)
		}
		if sent.Problem == "" && m.Entry.Kind == core.KindFile {
			s.report.UploadedFiles++
		}
	}
	return walk.problems, a.Close()
}

// checkAssets finds a folder that is not there before the workspace has travelled.
func (o *Options) checkAssets() error {
	for i := range o.Assets {
		if _, err := o.Assets[i].path(); err != nil {
			return err
		}
	}
	return nil
}

// path returns the real path of the asset's folder.
func (a *Asset) path() (string, error) { return realFolder("asset's folder", "asset "+a.Key, a.Dir) }

func (a *assetWalk) problem(rel string, code core.ProblemCode, detail string) {
	a.problems = append(a.problems, core.Problem{Path: core.Join("asset "+a.asset.Key, rel), Code: code, Detail: detail})
}

// dir lists a directory whose real path is given, under its name in the asset.
func (a *assetWalk) dir(real, rel string) error {
	if err := a.ctx.Err(); err != nil {
		return &core.Error{Code: core.CodeCancelled, Message: "stopped while an asset was packed", Err: err}
	}
	info, err := os.Stat(real)
	if err != nil {
		a.problem(rel, core.ProblemUnreadable, "")
		return nil
	}
	if slices.ContainsFunc(a.above, func(up fs.FileInfo) bool { return os.SameFile(up, info) }) {
		a.problem(rel, core.ProblemUnsafeLink, "the link leads back to a folder that holds it")
		return nil
	}
	a.above = append(a.above, info)
	defer func() { a.above = a.above[:len(a.above)-1] }()
	list, err := os.ReadDir(real)
	if isSpent(err) {
		return ioError("the asset can't be read", real, err)
	}
	if err != nil {
		a.problem(rel, core.ProblemUnreadable, "")
		return nil
	}
	for _, d := range list {
		name := core.Join(rel, d.Name())
		if core.ValidatePath(name) != nil {
			a.problem(core.DisplayPath(name), core.ProblemInvalidName, "")
			continue
		}
		if err := a.entry(filepath.Join(real, d.Name()), name); err != nil {
			return err
		}
	}
	return nil
}

func (a *assetWalk) entry(path, rel string) error {
	info, err := os.Lstat(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.problem(rel, core.ProblemUnreadable, "")
		}
		return nil
	}
	if info.Mode()&fs.ModeSymlink != 0 && a.asset.FollowSymlinks {
		if path, info, err = a.follow(path); err != nil {
			a.problem(rel, core.ProblemUnsafeLink, err.Error())
			return nil
		}
	}
	e := core.Entry{Path: rel, Mode: uint16(info.Mode().Perm())}
	switch {
	case a.rules.Excluded(rel, info.IsDir()):
		return nil
	case info.IsDir():
		e.Kind, e.Mode = core.KindDir, e.Mode|0o700
		a.members = append(a.members, assetMember{member{Name: rel, Entry: e}, path})
		return a.dir(path, rel)
	case info.Mode().IsRegular():
		e.Kind, e.Size = core.KindFile, info.Size()
	case info.Mode()&fs.ModeSymlink != 0:
		e.Kind = core.KindLink
		if e.Target, err = os.Readlink(path); err != nil {
			a.problem(rel, core.ProblemUnreadable, "")
			return nil
		}
	default:
		a.problem(rel, core.ProblemSpecial, "")
		return nil
	}
	a.members = append(a.members, assetMember{member{Name: rel, Entry: e}, path})
	return nil
}

// follow resolves a link whose directory has no links in its path, within the bounds of
// promise S9.
func (a *assetWalk) follow(path string) (string, fs.FileInfo, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", nil, errors.New("the link leads nowhere")
	}
	if within(path, a.workspace) && !within(real, a.workspace) {
		return "", nil, errors.New("the link lies in the workspace and leads out of it")
	}
	info, err := os.Lstat(real)
	return real, info, err
}
