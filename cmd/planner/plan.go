package main

import (
	"bytes"
	"io"
	"os"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// plan answers one request: the pure core and nothing else. An error of the
// core is the response, and the exit status 1.
func (a *app) plan() error {
	var data []byte
	var err error
	switch {
	case len(a.args) > 1:
		return usage("name one file at most", "write it as: planner plan [FILE]")
	case len(a.args) == 1 && a.args[0] != "-":
		data, err = os.ReadFile(a.args[0])
	default:
		data, err = io.ReadAll(a.stdin)
	}
	if err != nil {
		return &core.Error{Code: core.CodeIO, Message: "the request can't be read", Hint: "name a file that holds one request, or give it on stdin", Err: err}
	}
	response := plan.Call(bytes.TrimSpace(data))
	if bytes.HasPrefix(response, []byte(`{"error":{`)) {
		a.out.exit = exitError
	}
	a.out.write(a.stdout, string(response)+"\n")
	return nil
}
