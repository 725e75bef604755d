package main

import (
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// help prints what the program, or one command, does.
func (a *app) help() error {
	names := slices.DeleteFunc(slices.Clone(a.args), func(arg string) bool { return arg == "--json" || arg == "-json" })
	if len(names) > 1 {
		return usage("name one command at most", "run \"planner help\" to see the commands")
	}
	name := strings.Join(names, "") // without one it is the program's own help
	text, ok := helpTexts[name]
	if !ok {
		return usage("no help for \""+core.DisplayPath(name)+"\"", "run \"planner help\" to see the commands")
	}
	text = strings.Replace(text, "%FLAGS%\n", syncFlagsHelp, 1)
	if a.out.json {
		a.out.line(map[string]string{"type": "help", "text": text})
		return nil
	}
	a.out.write(a.stdout, text)
	return nil
}

const syncFlagsHelp = `Flags:
  --sandbox URL          dir:/absolute/path, or ssh://user@host:port/absolute/path
  --exclude GLOB         leave out what matches, on both sides; repeatable. Without
                         a slash it matches a name at any depth, with one from the root
  --gitignore            leave out what the workspace's own .gitignore files name
  --preserve NAME        never delete this exact path on either side; repeatable
  --asset KEY=DIR        put DIR beside the workspace in the sandbox; repeatable
  --follow-symlinks      follow the links of assets
  --conflict POLICY      keep-both (default), remote, local or fail
  --resolve GLOB=POLICY  the policy of some paths; the first that matches counts
  --no-text-merge        never merge two edits of one text file
  --max-delete N|P%      refuse a pull that deletes more files here (default over 50%,
                         and at least 20)
  --allow GUARD          sandbox_replaced, sandbox_emptied or mass_delete; repeatable
  --adapter KEY          name of the runtime folder in the sandbox (default planner)
  --state DIR            where the last sync is remembered
  --timeout DURATION     of one command in the sandbox (default 15m)
  --dialect NAME         hardened (default), or classic: plain commands, fewer promises
  --dry-run              say what would happen and write nothing
  --json                 one JSON object a line; the last has type "summary"
  --no-progress, -q, -v  no progress line; only what needs attention; more detail

Exit status: 0 done, 1 error, 2 usage, 3 done with conflicts, 4 partly done (run it
again), 5 refused and nothing written, 130 interrupted.
`

var helpTexts = map[string]string{
	"": `planner takes a workspace into a sandbox, runs a command there, and brings it
home merged while you keep editing.

  planner run    [flags] WORKSPACE -- COMMAND [ARG...]   push, run, pull
  planner push   [flags] WORKSPACE                       send the workspace
  planner pull   [flags] WORKSPACE                       bring changes home
  planner status [flags] WORKSPACE                       what both would do now
  planner scan   [--exclude GLOB] DIR                    a snapshot as JSON
  planner plan   [FILE]                                  one request to the pure core
  planner conformance [--cmd CMD | --wasm FILE] [DIR]    run the golden vectors
  planner version                                        what speaks which format
  planner completion bash|zsh|fish                       words for your shell
  planner help   COMMAND

Try it on a copy: planner run . -- sh -c 'echo hello >hello.txt'
`,
	"run": `planner run [flags] WORKSPACE -- COMMAND [ARG...]

Sends the workspace into the sandbox, runs COMMAND in it there, and merges what
it changed into the workspace, whatever COMMAND's exit status is. Without
--sandbox it uses a throwaway folder, removed once everything came home; where
something stayed in it, commits for example, it is kept and its place printed.
The first Ctrl-C goes to COMMAND, the second stops. If the sync itself ended well,
the exit status is COMMAND's own.

%FLAGS%

Examples:
  planner run . -- make test
  planner run --sandbox dir:/srv/box --conflict fail . -- ./agent --task fix
`,
	"push": `planner push [flags] WORKSPACE

Sends what changed in the workspace into the sandbox. What changed only there
stays and comes home with the next pull.

%FLAGS%

Example:
  planner push --sandbox dir:/srv/box --exclude node_modules .
`,
	"pull": `planner pull [flags] WORKSPACE

Brings home what changed in the sandbox and merges it. Where both sides changed a
path, both versions are kept and listed with the commands that finish it.

%FLAGS%

Examples:
  planner pull --sandbox dir:/srv/box .
  planner pull --sandbox dir:/srv/box --resolve '*.lock=remote' .
`,
	"status": `planner status [flags] WORKSPACE

Lists what a push and a pull would do now, and changes nothing.

%FLAGS%

Example:
  planner status --sandbox dir:/srv/box .
`,
	"scan": `planner scan [--exclude GLOB] [--gitignore] DIR

Prints a snapshot of DIR as one JSON object: entries in path order, problems, and
directories that hold something left out.

Example:
  planner scan --exclude node_modules . >snapshot.json
`,
	"plan": `planner plan [FILE]

Reads one request from FILE or stdin and prints the response of the pure core,
{"result":…} or {"error":…}. The vectors in testdata/golden show every call.

Example:
  echo '{"call":"quote","words":["it'\''s"]}' | planner plan
`,
	"conformance": `planner conformance [--cmd CMD | --wasm FILE] [DIR]
planner conformance --update [DIR]

Runs the golden vectors in DIR (default testdata/golden) against this binary, or
against CMD, a shell command that reads one call on stdin and prints the response.
--update records this binary's responses; it refuses while DIR has uncommitted
changes.

Example:
  planner conformance --cmd 'node my-planner.js' testdata/golden
  planner conformance --wasm bin/planner.wasm testdata/golden
`,
	"version": `planner version [--json]

Prints the versions of the program, of the WebAssembly calls, and of the plan and
base formats.
`,
	"completion": `planner completion bash|zsh|fish

Prints a script that completes commands and flags.

Examples:
  eval "$(planner completion bash)"
  planner completion fish >~/.config/fish/completions/planner.fish
`,
	"help": `planner help [COMMAND]
`,
}
