package main

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/dir"
	"github.com/paperclipai/syncplan/hostgo/ssh"
)

// sandbox is where a workspace goes.
type sandbox struct {
	client hostgo.Client
	root   string // of the workspace in it
	state  string // "" is the default state folder
	top    string // of a throwaway sandbox; else ""
	close  func() error
}

// inSandbox has do carry out what the flags say, in the sandbox that they name.
func (a *app) inSandbox(do func(context.Context, hostgo.Options) error) error {
	f, err := a.parseSync()
	if err != nil {
		return err
	}
	ctx, cancel := a.context()
	defer cancel()
	box, err := openSandbox(ctx, f)
	if err != nil {
		return err
	}
	err = do(ctx, f.options(a, box))
	return errors.Join(err, box.release(a, f, true))
}

// openSandbox finds the client of a URL.
func openSandbox(ctx context.Context, f *syncFlags) (*sandbox, error) {
	if f.sandbox == "" {
		return nil, usage("no sandbox is named", "name one: --sandbox dir:/absolute/path")
	}
	scheme, rest, ok := strings.Cut(f.sandbox, ":")
	switch {
	case !ok:
		return nil, usage("the sandbox is no URL", "write it as dir:/absolute/path or ssh://user@host/path")
	case scheme == "ssh":
		return openSSH(ctx, f.sandbox)
	case scheme != "dir":
		return nil, usage("unknown kind of sandbox \""+core.DisplayPath(scheme)+"\"", "the kinds are dir:/absolute/path and ssh://user@host/path")
	}
	if path, isURL := strings.CutPrefix(rest, "//"); isURL {
		u, err := url.PathUnescape(path)
		if err != nil || !strings.HasPrefix(u, "/") {
			return nil, usage("the sandbox's URL can't be read", "write it as dir:/absolute/path")
		}
		rest = u
	}
	if !filepath.IsAbs(rest) {
		return nil, usage("the sandbox's folder is not an absolute path", "write it as dir:/absolute/path")
	}
	client, err := dir.New(rest)
	if err != nil {
		return nil, err
	}
	return &sandbox{client: client, root: filepath.ToSlash(client.LocalRoot())}, nil
}

func openSSH(ctx context.Context, url string) (*sandbox, error) {
	t, err := ssh.ParseTarget(url)
	if err != nil {
		var e *core.Error
		errors.As(err, &e)
		return nil, usage(e.Message, e.Hint)
	}
	if err := plan.ValidateRoot(t.Path); err != nil {
		return nil, err
	}
	client, err := ssh.Open(ctx, t)
	if err != nil {
		return nil, err
	}
	return &sandbox{client: client, root: t.Path, close: client.Close}, nil
}

// openThrowaway makes a sandbox for one run, with a state folder of its own, so
// that nothing of it stays anywhere else.
func openThrowaway() (*sandbox, error) {
	top, err := os.MkdirTemp("", "planner-")
	if err != nil {
		return nil, &core.Error{Code: core.CodeIO, Message: "no throwaway sandbox can be made",
			Hint: "set TMPDIR to a folder that exists and may be written, or name a sandbox with --sandbox dir:/absolute/path", Err: err}
	}
	box := &sandbox{top: top, state: filepath.Join(top, "state")}
	work := filepath.Join(top, "workspace")
	if err := os.Mkdir(work, 0o755); err != nil {
		return nil, errors.Join(&core.Error{Code: core.CodeIO, Message: "no throwaway sandbox can be made", Err: err}, os.RemoveAll(top))
	}
	client, err := dir.New(work)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(top))
	}
	box.client, box.root = client, filepath.ToSlash(client.LocalRoot())
	return box, nil
}

// explain says what to do where the folder for temporary files, in which a throwaway sandbox
// is made, lies in the workspace.
func (b *sandbox) explain(err error) error {
	var e *core.Error
	if b.top != "" && errors.As(err, &e) && e.Code == core.CodeUnsafeRoot && e.Path == b.root {
		e.Hint = "set TMPDIR to a folder outside the workspace, or name a sandbox with --sandbox dir:/absolute/path"
	}
	return err
}

// pullAgain returns the command line that brings home what is left in a
// throwaway sandbox, with the flags that the run was given.
func (b *sandbox) pullAgain(a *app, f *syncFlags) string {
	words := []string{"--sandbox", "dir:" + b.root}
	if f.state == "" {
		words = append(words, "--state", b.state)
	}
	line := "planner pull"
	for _, w := range append(words, untilDashes(a.args)...) {
		line += " " + plan.Word(w)
	}
	return line
}

// fetched are the refs of a repository in the sandbox that can hold commits which are
// nowhere else, by the names they get at home. Where there is no stash, nothing matches.
const fetched = " '+refs/heads/*:refs/remotes/sandbox/*' '+refs/stash*:refs/remotes/sandbox/stash*' +HEAD:refs/remotes/sandbox/HEAD"

// fetchCommits returns the command lines that bring the commits home that the
// pull reported, as those of a remote called sandbox.
func (b *sandbox) fetchCommits(a *app, f *syncFlags) []string {
	lines := []string{}
	for _, p := range a.out.sum.Problems {
		if p.Code == string(core.ProblemGitKept) {
			repo := path.Dir(p.Path)
			lines = append(lines, "git -C "+plan.Word(filepath.Join(f.workspace, filepath.FromSlash(repo)))+
				" fetch "+plan.Word(path.Join(b.root, repo))+fetched)
		}
	}
	return lines
}

// release ends a connection. It removes a throwaway sandbox if everything came
// home, and says where it is if not.
func (b *sandbox) release(a *app, f *syncFlags, home bool) error {
	if b.close != nil {
		return b.close()
	}
	if b.top == "" {
		return nil
	}
	if _, err := os.Lstat(b.root); !home && err == nil { // a command may have removed it
		a.out.keptSandbox("dir:"+b.root, b.pullAgain(a, f), b.fetchCommits(a, f))
		return nil
	}
	err := os.RemoveAll(b.top)
	if err != nil {
		// A directory that the command made read-only stops the removal. What the walk
		// can't mend the second removal reports.
		_ = filepath.WalkDir(b.top, func(p string, d os.DirEntry, err error) error {
			if d != nil && d.IsDir() {
				return os.Chmod(p, 0o700)
			}
			return nil
		})
		err = os.RemoveAll(b.top)
	}
	if err != nil {
		return &core.Error{Code: core.CodeIO, Message: "the throwaway sandbox can't be removed", Path: b.top,
			Hint: "remove it by hand; everything came home", Err: err}
	}
	return nil
}
