package main

import (
	"errors"
	"flag"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// syncFlags are the flags of run, push, pull and status.
type syncFlags struct {
	sandbox    string
	adapter    string
	dialect    plan.Dialect
	state      string
	timeout    time.Duration
	dryRun     bool
	noProgress bool
	quiet      bool
	verbose    bool
	follow     bool
	gitignore  bool
	assets     []hostgo.Asset
	plan       plan.Options

	workspace string
	command   []string // what follows "--"
}

// list is a flag that may be given several times.
type list struct{ add func(string) error }

func (l list) String() string     { return "" }
func (l list) Set(s string) error { return l.add(s) }

// runForm tells how a run is written.
const runForm = "write it as: planner run [flags] WORKSPACE -- COMMAND [ARG...]"

// parseSync reads the flags and the workspace, in any order up to "--".
func (a *app) parseSync() (*syncFlags, error) {
	f := &syncFlags{}
	set := flag.NewFlagSet(a.name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	f.define(set)
	before := untilDashes(a.args)
	if len(before) < len(a.args) {
		f.command = a.args[len(before)+1:]
	}
	rest, err := parseMixed(set, before, a.name)
	if err != nil {
		return nil, err
	}
	switch {
	case (len(rest) == 0 || rest[0] == "") && a.name == "run":
		return nil, usage("no workspace is named", runForm)
	case len(rest) == 0 || rest[0] == "":
		return nil, usage("no workspace is named", "name the folder: planner "+a.name+" [flags] .")
	case len(rest) > 1 && a.name == "run":
		return nil, usage("more than one workspace, or a command without \"--\" before it", runForm)
	case len(rest) > 1:
		return nil, usage("more than one workspace is named", "name one folder; flags that take a value need it right behind them")
	case a.name != "run" && f.command != nil:
		return nil, usage("\""+a.name+"\" takes no command", "use \"planner run\" to run one")
	}
	f.workspace = rest[0]
	for i := range f.assets {
		f.assets[i].FollowSymlinks = f.follow
	}
	return f, nil
}

// parseMixed parses flags that stand before, between and after the others.
func parseMixed(set *flag.FlagSet, args []string, name string) ([]string, error) {
	var rest []string
	for {
		if err := set.Parse(args); err != nil {
			return nil, usage(flagFault(err.Error()), "run \"planner help "+name+"\" to see the flags")
		}
		if set.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, set.Arg(0)), set.Args()[1:]
	}
}

// flagFault puts what package flag says into the words of this program.
func flagFault(text string) string {
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return "unknown flag " + dashes(core.DisplayPath(name))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return "flag " + dashes(core.DisplayPath(name)) + " needs a value"
	}
	before, rest, _ := strings.Cut(text, " for flag -") // without that there is no rest
	if name, why, ok := strings.Cut(rest, ": "); ok {
		return before + " for " + dashes(name) + ": " + why
	}
	if before, name, ok := strings.Cut(text, " for -"); ok { // of a flag that takes no value
		name, _, _ = strings.Cut(name, ": ") // without that it is the name alone
		return core.DisplayText(before) + " for " + dashes(name) + ": write true, false or nothing"
	}
	return core.DisplayText(text)
}

func dashes(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func (f *syncFlags) define(set *flag.FlagSet) {
	set.StringVar(&f.sandbox, "sandbox", "", "")
	set.Var(list{f.setAdapter}, "adapter", "")
	set.StringVar(&f.state, "state", "", "")
	set.Var(list{f.setTimeout}, "timeout", "")
	set.BoolVar(&f.dryRun, "dry-run", false, "")
	set.Bool("json", false, "")
	set.BoolVar(&f.noProgress, "no-progress", false, "")
	set.BoolVar(&f.quiet, "q", false, "")
	set.BoolVar(&f.verbose, "v", false, "")
	set.BoolVar(&f.follow, "follow-symlinks", false, "")
	f.defineScan(set)
	set.BoolVar(&f.plan.NoTextMerge, "no-text-merge", false, "")
	set.Var(list{f.preserve}, "preserve", "")
	set.Var(list{f.asset}, "asset", "")
	set.Var(list{f.conflict}, "conflict", "")
	set.Var(list{f.resolve}, "resolve", "")
	set.Var(list{f.maxDelete}, "max-delete", "")
	set.Var(list{f.allow}, "allow", "")
	set.Var(list{f.setDialect}, "dialect", "")
}

func (f *syncFlags) exclude(s string) error {
	f.plan.Exclude = append(f.plan.Exclude, s)
	_, err := core.CompileRules(f.plan.Exclude, nil)
	return err
}

func (f *syncFlags) preserve(s string) error {
	if core.ValidatePath(s) != nil {
		return errors.New("a preserved name is an exact path relative to the workspace")
	}
	f.plan.Preserve = append(f.plan.Preserve, s)
	return nil
}

func (f *syncFlags) asset(s string) error {
	key, dir, _ := strings.Cut(s, "=") // without that there is no dir
	if dir == "" {
		return errors.New("an asset is KEY=DIR")
	}
	if err := plan.ValidateSegment("asset", key); err != nil {
		return err
	}
	if slices.ContainsFunc(f.assets, func(a hostgo.Asset) bool { return a.Key == key }) {
		return errors.New("the key is given twice")
	}
	f.assets = append(f.assets, hostgo.Asset{Key: key, Dir: dir})
	return nil
}

func (f *syncFlags) setAdapter(s string) error {
	f.adapter = s
	return plan.ValidateSegment("adapter", s)
}

func (f *syncFlags) conflict(s string) (err error) {
	f.plan.Policy, err = policy(s)
	return err
}

func (f *syncFlags) resolve(s string) error {
	i := strings.LastIndexByte(s, '=')
	if i < 0 {
		return errors.New("write it as GLOB=POLICY")
	}
	p, err := policy(s[i+1:])
	if err != nil {
		return err
	}
	if _, err := core.CompileGlob(s[:i]); err != nil {
		return err
	}
	f.plan.Overrides = append(f.plan.Overrides, merge.Override{Glob: s[:i], Policy: p})
	return nil
}

func policy(s string) (merge.Policy, error) {
	p, err := merge.ParsePolicy(s)
	if s == "" || err != nil {
		return "", errors.New("the policies are keep-both, remote, local and fail")
	}
	return p, nil
}

func (f *syncFlags) setTimeout(s string) (err error) {
	f.timeout, err = time.ParseDuration(s)
	if err != nil || f.timeout <= 0 {
		return errors.New("write a time above zero, such as 90s or 15m")
	}
	return nil
}

// maxDelete reads a number of files, or a percentage.
func (f *syncFlags) maxDelete(s string) error {
	digits, share := strings.CutSuffix(s, "%")
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 0 || share && n > 100 {
		return errors.New("write a number of files, such as 100, or a percentage, such as 50%")
	}
	f.plan.MaxDelete = &plan.MaxDelete{Files: n}
	if share {
		f.plan.MaxDelete = &plan.MaxDelete{Percent: n, ByShare: true}
	}
	return nil
}

func (f *syncFlags) allow(s string) error {
	if !slices.Contains(plan.Guards(), plan.Guard(s)) || plan.Guard(s) == plan.GuardConflicts {
		return errors.New("the guards that can be allowed are sandbox_replaced, sandbox_emptied and mass_delete")
	}
	f.plan.Allow = append(f.plan.Allow, plan.Guard(s))
	return nil
}

func (f *syncFlags) setDialect(s string) error {
	if s != string(plan.Hardened) && s != string(plan.Classic) {
		return errors.New("the dialects are hardened and classic")
	}
	f.dialect = plan.Dialect(s)
	return nil
}

// options turns the flags into what the host takes.
func (f *syncFlags) options(a *app, box *sandbox) hostgo.Options {
	o := hostgo.Options{Workspace: f.workspace, Client: box.client, Root: box.root, Adapter: f.adapter, Dialect: f.dialect, StateDir: f.state,
		Plan: f.plan, Gitignore: f.gitignore, Assets: f.assets, Timeout: f.timeout, DryRun: f.dryRun}
	if o.StateDir == "" {
		o.StateDir = box.state
	}
	p := newProgress(a, f)
	o.Progress = p.show
	o.Waiting = func(holder string) {
		p.clear()
		a.out.note("waiting for another sync of this workspace (" + core.DisplayText(holder) + "); Ctrl-C stops")
	}
	a.out.clear, a.out.quiet, a.out.verbose = p.clear, f.quiet, f.verbose
	if filepath.Clean(f.workspace) != "." {
		a.out.folder = f.workspace
	}
	return o
}
