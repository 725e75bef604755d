// Command planner takes a workspace into a sandbox, runs a command there, and
// brings it home merged. See "planner help".
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/paperclipai/syncplan/core"
)

// The exit statuses of the command line.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitConflicts   = 3
	exitPartial     = 4
	exitRefused     = 5
	exitInterrupted = 130
)

func main() {
	tuneMemory()
	os.Exit(planner(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// app is one call of the command line.
type app struct {
	name   string
	args   []string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	out    *output
	// signals gets what a person sends to stop the program.
	signals chan os.Signal
}

// command is one word of the command line.
type command struct {
	name  string
	run   func(*app) error
	flags func(*flag.FlagSet) // nil: it has none
}

func commands() []command {
	sync := func(set *flag.FlagSet) { (&syncFlags{}).define(set) }
	return []command{
		{"run", (*app).run, sync},
		{"push", (*app).push, sync},
		{"pull", (*app).pull, sync},
		{"status", (*app).status, sync},
		{"scan", (*app).scan, func(set *flag.FlagSet) { (&syncFlags{}).defineScan(set) }},
		{"plan", (*app).plan, nil},
		{"conformance", (*app).conformance, func(set *flag.FlagSet) { (&conformanceFlags{}).define(set) }},
		{"version", (*app).version, func(set *flag.FlagSet) { set.Bool("json", false, "") }},
		{"completion", (*app).completion, nil},
		{"help", (*app).help, nil},
	}
}

// planner runs one command and returns the exit status.
func planner(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{args: args, stdin: stdin, stdout: stdout, stderr: stderr, signals: make(chan os.Signal, 4)}
	go a.listen() // beside the rest, since it waits for other threads
	a.out = newOutput(a, wantsJSON(args))
	if len(args) > 0 {
		args[0] = commandOf(args[0])
	}
	if len(args) == 0 || args[0] == "--json" {
		return a.out.end(usage("no command is named", "run \"planner help\" to see them"))
	}
	a.name, a.args = args[0], args[1:]
	list := commands()
	i := slices.IndexFunc(list, func(c command) bool { return c.name == a.name })
	if i < 0 {
		return a.out.end(usage("unknown command \""+core.DisplayPath(a.name)+"\"", "run \"planner help\" to see the commands"))
	}
	if slices.Contains(untilDashes(a.args), "--help") || slices.Contains(untilDashes(a.args), "-h") {
		a.args = []string{a.name}
		return a.out.end(a.help())
	}
	return a.out.end(list[i].run(a))
}

// commandOf returns the command that a first argument means: help and version
// are flags as well, as in other programs.
func commandOf(arg string) string {
	switch arg {
	case "-h", "--help":
		return "help"
	case "--version":
		return "version"
	}
	return arg
}

// listen asks for the signals that stop a program, but not for one that it was
// started to ignore, as under nohup.
func (a *app) listen() {
	list := slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
	if len(list) > 0 { // none would be all
		signal.Notify(a.signals, list...)
	}
}

// context returns one that ends with the first signal. A further one kills the
// program: what stopping leaves behind is no worse than that, and the next run
// completes it.
func (a *app) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-a.signals:
			signal.Stop(a.signals)
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func usage(message, hint string) error {
	return &core.Error{Code: core.CodeUsage, Message: message, Hint: hint}
}

// exitOf returns the exit status of an error.
func exitOf(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, core.CodeUsage):
		return exitUsage
	case errors.Is(err, core.CodeCancelled):
		return exitInterrupted
	case errors.Is(err, core.CodeStalePlan):
		return exitRefused
	}
	return exitError
}

// untilDashes returns the arguments before "--": what follows belongs to
// another program.
func untilDashes(args []string) []string {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i]
	}
	return args
}

// wantsJSON looks for the flag before the others are parsed, which may fail.
func wantsJSON(args []string) bool {
	return slices.ContainsFunc(untilDashes(args), func(arg string) bool {
		name, value, given := strings.Cut(arg, "=")
		on, err := strconv.ParseBool(value)
		return (name == "--json" || name == "-json") && (!given || err == nil && on)
	})
}
