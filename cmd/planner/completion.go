package main

import (
	"flag"
	"strings"
)

// completion prints a script that teaches a shell the commands and flags.
func (a *app) completion() error {
	makers := map[string]func() string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	if len(a.args) != 1 || makers[a.args[0]] == nil {
		return usage("name one shell: bash, zsh or fish", "write it as: planner completion bash")
	}
	a.out.write(a.stdout, makers[a.args[0]]())
	return nil
}

// completionFlag is one flag as it is typed.
type completionFlag struct {
	name  string // without dashes
	value bool   // takes one
}

func (c *command) completionFlags() []completionFlag {
	var list []completionFlag
	if c.flags == nil {
		return nil
	}
	set := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.flags(set)
	set.VisitAll(func(f *flag.Flag) {
		b, ok := f.Value.(interface{ IsBoolFlag() bool })
		list = append(list, completionFlag{f.Name, !ok || !b.IsBoolFlag()})
	})
	return list
}

// completionWords returns what may stand behind a command, apart from files.
func (c *command) completionWords() string {
	var words []string
	switch c.name {
	case "completion":
		words = []string{"bash", "zsh", "fish"}
	case "help":
		words = commandNames()
	}
	for _, f := range c.completionFlags() {
		words = append(words, dashes(f.name))
	}
	return strings.Join(words, " ")
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// completionCases lists a case of a shell's case command for each command.
func completionCases(form string) string {
	var b strings.Builder
	for _, c := range commands() {
		b.WriteString(strings.NewReplacer("%NAME%", c.name, "%WORDS%", c.completionWords()).Replace(form))
	}
	return b.String()
}

func bashCompletion() string {
	return `_planner() {
  local words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="` + strings.Join(commandNames(), " ") + `"
  else
    case ${COMP_WORDS[1]} in
` + completionCases("    %NAME%) words=\"%WORDS%\" ;;\n") + `    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _planner planner
`
}

func zshCompletion() string {
	return `#compdef planner
_planner() {
  if (( CURRENT == 2 )); then
    compadd -- ` + strings.Join(commandNames(), " ") + `
    return
  fi
  case $words[2] in
` + completionCases("    %NAME%) compadd -- %WORDS% ;;\n") + `  esac
  [[ $PREFIX == -* ]] || _files
}
compdef _planner planner
`
}

func fishCompletion() string {
	var b strings.Builder
	for _, c := range commands() {
		b.WriteString("complete -c planner -n __fish_use_subcommand -f -a " + c.name + "\n")
		for _, f := range c.completionFlags() {
			line := "complete -c planner -n '__fish_seen_subcommand_from " + c.name + "' -l " + f.name
			if len(f.name) == 1 {
				line = strings.Replace(line, " -l ", " -s ", 1)
			}
			if f.value {
				line += " -r"
			}
			b.WriteString(line + "\n")
		}
	}
	b.WriteString("complete -c planner -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n")
	return b.String()
}
