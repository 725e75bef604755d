package main

import (
	"flag"
	"maps"
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
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
	name   string // without dashes
	value  bool   // takes one
	values string // the words that it takes, if there are few
}

// flagValues are the words that a flag takes, of those that take few.
var flagValues = map[string]string{
	"conflict": strings.Join([]string{string(merge.KeepBoth), string(merge.Remote), string(merge.Local), string(merge.Fail)}, " "),
	"allow":    strings.Join([]string{string(plan.GuardReplaced), string(plan.GuardEmptied), string(plan.GuardMassDelete)}, " "),
	"dialect":  string(plan.Hardened) + " " + string(plan.Classic),
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
		list = append(list, completionFlag{f.Name, !ok || !b.IsBoolFlag(), flagValues[f.Name]})
	})
	return list
}

// completionWords returns what may stand behind a command, apart from files and
// flags.
func (c *command) completionWords() string {
	switch c.name {
	case "completion":
		return "bash zsh fish"
	case "help":
		return commandNames()
	}
	return ""
}

// typedFlags returns the flags of a command with their dashes.
func (c *command) typedFlags() string {
	var words []string
	for _, f := range c.completionFlags() {
		words = append(words, dashes(f.name))
	}
	return strings.Join(words, " ")
}

func commandNames() string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return strings.Join(names, " ")
}

// completionCases lists a case of a shell's case command for each command.
func completionCases(form string) string {
	var b strings.Builder
	for _, c := range commands() {
		b.WriteString(strings.NewReplacer("%NAME%", c.name, "%WORDS%", c.completionWords(), "%FLAGS%", c.typedFlags()).Replace(form))
	}
	return b.String()
}

// valueCases lists a case for each flag that takes few words.
func valueCases(form string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(flagValues)) {
		b.WriteString(strings.NewReplacer("%NAME%", dashes(name), "%WORDS%", flagValues[name]).Replace(form))
	}
	return b.String()
}

// Where a script offers nothing the shell offers files.
func bashCompletion() string {
	return `_planner() {
  local words= flags= word=${COMP_WORDS[COMP_CWORD]}
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="` + commandNames() + `"
  else
    case ${COMP_WORDS[COMP_CWORD-1]} in
` + valueCases("    %NAME%) words=\"%WORDS%\" ;;\n") + `    *)
      case ${COMP_WORDS[1]} in
` + completionCases("      %NAME%) words=\"%WORDS%\" flags=\"%FLAGS%\" ;;\n") + `      esac ;;
    esac
    case $word in -*) words=$flags ;; esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word")) || COMPREPLY=()
}
complete -o default -F _planner planner
`
}

func zshCompletion() string {
	return `#compdef planner
_planner() {
  if (( CURRENT == 2 )); then
    compadd -- ` + commandNames() + `
    return
  fi
  case $words[CURRENT-1] in
` + valueCases("    %NAME%) compadd -- %WORDS%; return ;;\n") + `  esac
  if [[ $PREFIX == -* ]]; then
    case $words[2] in
` + completionCases("      %NAME%) compadd -- %FLAGS% ;;\n") + `    esac
    return
  fi
  case $words[2] in
` + completionCases("    %NAME%) compadd -- %WORDS% ;;\n") + `  esac
  _files
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
			switch {
			case f.values != "":
				line += " -x -a '" + f.values + "'"
			case f.value:
				line += " -r"
			}
			b.WriteString(line + "\n")
		}
		if words := c.completionWords(); words != "" {
			b.WriteString("complete -c planner -n '__fish_seen_subcommand_from " + c.name + "' -f -a '" + words + "'\n")
		}
	}
	return b.String()
}
