package hostgo

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// realFolder returns the real path of a folder that is sent, or an error of
// [core.CodeUnsafeRoot] and the field for one that is missing, no directory, or a system
// folder. what calls it for people.
func realFolder(what, field, path string) (string, error) {
	unsafe := func(why, hint string, err error) error {
		return &core.Error{Code: core.CodeUnsafeRoot, Path: path, Field: field, Message: why, Hint: hint, Err: err}
	}
	if path == "" {
		return "", unsafe("no "+what+" is named", "name the folder to sync, such as \".\"", nil)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", unsafe("the "+what+"'s path can't be made absolute", "", err)
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", unsafe("the "+what+" does not exist or can't be reached", "name an existing folder", nil)
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return "", unsafe("the "+what+" can't be read", "", err)
	case !info.IsDir():
		return "", unsafe("the "+what+" is a file", "name the folder that holds it", nil)
	case filepath.Dir(real) == real || strings.HasPrefix(real, "/") && plan.SystemFolder(real):
		return "", unsafe("the "+what+" is a system folder", "name a folder of its own", nil)
	}
	return real, nil
}

// apart refuses a workspace and a sandbox of which one lies in the other. It returns the
// real path of the sandbox.
func apart(workspace, sandbox string) (string, error) {
	if real, err := filepath.EvalSymlinks(sandbox); err == nil {
		sandbox = real
	}
	if within(workspace, sandbox) || within(sandbox, workspace) {
		return "", &core.Error{Code: core.CodeUnsafeRoot, Path: sandbox,
			Message: "the workspace and the sandbox are the same folder or one lies in the other",
			Hint:    "use a sandbox folder outside the workspace"}
	}
	return sandbox, nil
}

// stateApart refuses a state folder, whose real path is given as well, that lies in the
// workspace or in the sandbox: a base that a sandbox can change deletes what it likes.
func stateApart(dir, real, workspace, sandbox string) error {
	why := ""
	switch {
	case within(real, workspace):
		why = "the state folder lies in the workspace, and would travel with it"
	case sandbox != "" && within(real, sandbox):
		why = "the state folder lies in the sandbox, which could change what is remembered"
	default:
		return nil
	}
	return &core.Error{Code: core.CodeUnsafeRoot, Path: dir, Message: why, Hint: "name a state folder outside of it"}
}

// within reports whether a path is a folder or lies in it. Both are real paths.
func within(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
