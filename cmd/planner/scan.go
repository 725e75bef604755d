package main

import (
	"flag"
	"io"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo"
)

// scan prints a snapshot of a folder.
func (a *app) scan() error {
	set := flag.NewFlagSet("scan", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	f := &syncFlags{}
	f.defineScan(set)
	rest, err := parseMixed(set, a.args, "scan")
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usage("name one folder", "write it as: planner scan [--exclude GLOB] DIR")
	}
	ctx, cancel := a.context()
	defer cancel()
	var ignores []core.IgnoreFile
	if f.gitignore {
		if ignores, err = hostgo.GitignoreFiles(ctx, rest[0]); err != nil {
			return err
		}
	}
	rules, err := core.CompileRules(f.plan.Exclude, ignores)
	if err != nil {
		return err
	}
	scanned, err := hostgo.Scan(ctx, rest[0], hostgo.ScanOptions{Rules: rules})
	if err != nil {
		return err
	}
	a.out.write(a.stdout, string(core.EncodeSnapshot(&scanned.Snapshot))+"\n")
	return nil
}

func (f *syncFlags) defineScan(set *flag.FlagSet) {
	set.Var(list{f.exclude}, "exclude", "")
	set.BoolVar(&f.gitignore, "gitignore", false, "")
}
