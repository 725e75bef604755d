package core

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIsGitName(t *testing.T) {
	for _, s := range []string{".git", ".GIT", ".gIt", ".git.", ".git ", ".git. . ", ".git::$INDEX_ALLOCATION", ".git:x", ".git ::x",
		"git~1", "GIT~2", "git~9", "git~1.", "git~1:x", "GI7EBA~1", "gi0123~4", ".g\u200cit", ".git\u200d", "\ufeff.git", ".g\u202ei\u206ft",
		".gi\u00adt", ".git\ufe0f", ".g\U000e0001it", ".g\u0131t", ".G\u0130T", ".GIT\u200c ."} {
		require.True(t, IsGitName(s), "%q", s)
	}
	for _, s := range []string{"", ".", "git", ".gitignore", ".gitattributes", ".github", "..git", " .git", ".git-x", "git~", "git~0", "git~10", "git~x",
		"gi7eba~10", "gixyzq~1", "gi7eb~1", "a.git", "x:.git", ".gït", ".gi", "git.", "\u200c", ":x", ".gіt"} {
		require.False(t, IsGitName(s), "%q", s)
	}
}

func TestProtected(t *testing.T) {
	for _, p := range []string{".git", ".git/config", "a/.git", "a/.GIT/hooks/pre-commit", "a/git~1/x", "a\\.git\\hooks", "sub/.git:x",
		".paperclip-runtime", ".paperclip-runtime/x", ".Paperclip-Runtime/x", ".paperclip-runtime./x", ".paperclip-runt\u0131me",
		".paper\u200bclip-runtime", "PAPERC~1/x", "pa12ef~1"} {
		require.True(t, Protected(p), "%q", p)
	}
	for _, p := range []string{"", "a", ".gitignore", "a/.github/x", "a/.paperclip-runtime", ".paperclip-runtimes", "paperclip-runtime", "git", "a\\b"} {
		require.False(t, Protected(p), "%q", p)
	}
}

func TestFlagged(t *testing.T) {
	for _, p := range []string{".vscode/tasks.json", ".vscode/settings.json", "sub/.vscode/launch.json", ".VSCode/Tasks.json", ".vscode/tasks.json.",
		".husky/pre-commit", ".husky/_/husky.sh", ".githooks/x", ".envrc", "a/b/.envrc", ".pre-commit-config.yaml", "lefthook.yml",
		".claude/settings.json", ".claude/settings.local.json", ".claude/hooks/x.sh", ".cursor/mcp.json", ".cursor/rules/a.mdc", ".mcp.json",
		".gitattributes", "a/.gitattributes", ".gitmodules", ".npmrc", ".idea/workspace.xml", ".idea/runConfigurations/x.xml",
		".devcontainer/devcontainer.json", ".devcontainer.json", ".git/hooks/pre-commit", ".GIT/config", "m/git~1/hooks/x", "x.code-workspace",
		".yarn/releases/yarn.cjs", "a/HEAD", "x.git/config", "x.git/hooks/update", ".vscode", "a/.husky", ".claude", ".cargo/config.toml"} {
		require.True(t, Flagged(p), "%q", p)
	}
	for _, p := range []string{"", "a", "Makefile", "package.json", "README.md", ".vscode/snippets.json", "vscode/tasks.json", "tasks.json",
		".idea/misc.xml", ".github/workflows/x.yml", ".git/HEAD", "x/.git/HEAD", "HEAD.md", "x.gitignore/config", ".gitignore", "envrc", ".envrc/x", "AGENTS.md", "a.code-workspace/x",
		".yarn/cache/x.zip"} {
		require.False(t, Flagged(p), "%q", p)
	}
}

// Nearly every path is plain, and a tree has many.
func TestProtectedDoesNotAllocateForPlainPaths(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() { Protected("src/internal/package/file_name-1.go") }))
}
