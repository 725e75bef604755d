package main

import (
	"flag"
	"io"
	"strconv"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

type versionLine struct {
	Type       string `json:"type"`
	Version    string `json:"version"`
	ABI        string `json:"abi"`
	PlanFormat int    `json:"plan_format"`
	BaseFormat int    `json:"base_format"`
}

func versionOut() versionLine {
	return versionLine{"version", core.ModuleVersion, strconv.Itoa(core.ABIMajor) + "." + strconv.Itoa(core.ABIMinor), core.PlanFormat, core.BaseFormat}
}

// version prints the four versions.
func (a *app) version() error {
	set := flag.NewFlagSet("version", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Bool("json", false, "")
	rest, err := parseMixed(set, a.args, "version")
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usage("\"version\" takes no arguments", "write it as: planner version [--json]")
	}
	if a.out.json {
		return nil
	}
	v := versionOut()
	a.out.write(a.stdout, strings.Join([]string{"planner " + v.Version, "abi " + v.ABI,
		"plan format " + strconv.Itoa(v.PlanFormat), "base format " + strconv.Itoa(v.BaseFormat)}, "\n")+"\n")
	return nil
}
