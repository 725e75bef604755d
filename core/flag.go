package core

import (
	"slices"
	"strings"
)

// Flagged reports whether the file at path makes a tool run code on the host
// without being asked to: when a folder is opened or entered, at a git command,
// an install or an agent's start. Such a change comes home as any other, and
// the plan says so (promise S3).
//
// Files that a person runs knowingly are not listed: build files, scripts,
// sources, and pipelines that run elsewhere.
func Flagged(path string) bool {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = bareName(s)
	}
	for i, s := range segments {
		if inFlaggedDir(s, segments[i+1:]) {
			return true
		}
	}
	name := segments[len(segments)-1]
	if name == "head" && !slices.ContainsFunc(segments, IsGitName) {
		return true // makes its folder a repository, whose settings name programs
	}
	for _, n := range flaggedNames {
		if name == n {
			return true
		}
	}
	for _, end := range flaggedEnds {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// inFlaggedDir reports whether rest, the segments below a directory called dir,
// is a flagged file. The directory itself counts too: in its place a link could
// lead the tool to files of any name.
func inFlaggedDir(dir string, rest []string) bool {
	if IsGitName(dir) || strings.HasSuffix(dir, ".git") { // the latter is a repository without a workspace
		dir = ".git"
	}
	below := strings.Join(rest, "/")
	for _, f := range flaggedDirs {
		if f.dir != dir {
			continue
		}
		for _, p := range f.below {
			if below == "" || p == "" || p == below || strings.HasSuffix(p, "/") && strings.HasPrefix(below, p) {
				return true
			}
		}
	}
	return false
}

// flaggedDir lists what counts below a directory, wherever that stands: a file,
// a folder with a trailing slash, or everything, "".
type flaggedDir struct {
	dir   string
	below []string
}

var flaggedDirs = [...]flaggedDir{
	// git: hooks, and settings that name programs
	{".git", []string{"hooks/", "config", "config.worktree", "info/attributes"}},
	{".husky", []string{""}},
	{".githooks", []string{""}},
	{".git-hooks", []string{""}},
	{".lefthook", []string{""}},
	{".lefthook-local", []string{""}},
	// editors
	{".vscode", []string{"tasks.json", "settings.json", "launch.json", "mcp.json", "extensions.json"}},
	{".idea", []string{"workspace.xml", "watchertasks.xml", "externaldependencies.xml", "runconfigurations/", "startup.xml"}},
	{".run", []string{""}},
	{".fleet", []string{"run.json", "settings.json"}},
	{".vs", []string{"tasks.vs.json", "launch.vs.json"}},
	{".zed", []string{"tasks.json", "settings.json", "debug.json"}},
	{".nvim", []string{""}},
	// containers and environments entered by a tool
	{".devcontainer", []string{""}},
	{".direnv", []string{""}},
	{".mise", []string{""}},
	{".yarn", []string{"plugins/", "releases/"}},
	{".cargo", []string{"config", "config.toml"}},
	{".mvn", []string{"extensions.xml", "jvm.config", "maven.config", "wrapper/"}},
	// coding agents
	{".claude", []string{""}},
	{".cursor", []string{""}},
	{".codex", []string{""}},
	{".gemini", []string{""}},
	{".windsurf", []string{""}},
	{".continue", []string{""}},
	{".opencode", []string{""}},
	{".roo", []string{""}},
	{".kiro", []string{""}},
	{".amazonq", []string{""}},
}

// flaggedNames are files that count in any directory, in lower case.
var flaggedNames = [...]string{
	".gitattributes", ".gitmodules", ".gitconfig",
	".pre-commit-config.yaml", ".pre-commit-config.yml", ".pre-commit-hooks.yaml", ".overcommit.yml",
	"lefthook.yml", "lefthook.yaml", "lefthook.toml", "lefthook.json",
	".lefthook.yml", ".lefthook.yaml", ".lefthook.toml", ".lefthook.json",
	"lefthook-local.yml", "lefthook-local.yaml", ".lefthook-local.yml", ".lefthook-local.yaml",
	".lintstagedrc", ".huskyrc", ".simple-git-hooks.json", ".simple-git-hooks.js", ".simple-git-hooks.cjs",
	".envrc", ".mise.toml", "mise.toml", ".tool-versions", ".autoenv.zsh",
	".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", ".pnpmfile.mjs", ".bunfig.toml", "bunfig.toml", ".bazelrc",
	".mcp.json", "mcp.json", ".cursorrules", ".windsurfrules", ".aider.conf.yml", "opencode.json", "opencode.jsonc",
	".exrc", ".vimrc", ".nvimrc", ".nvim.lua", ".lvimrc", ".dir-locals.el", ".dir-locals-2.el",
	".gdbinit", ".lldbinit", ".devcontainer.json",
	"sitecustomize.py", "usercustomize.py",
}

// flaggedEnds are the ends of names that count in any directory.
var flaggedEnds = [...]string{".code-workspace", ".sublime-project"}
