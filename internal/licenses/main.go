// Command licenses fails if a module that syncplan links or tests with has no
// license file, or one that is not of a permissive kind.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// permissive maps a phrase that only such a license holds to its name.
var permissive = []struct{ phrase, name string }{
	{"Apache License", "Apache-2.0"},
	{"Permission is hereby granted, free of charge", "MIT"},
	{"Redistribution and use in source and binary forms", "BSD"},
	{"Permission to use, copy, modify, and/or distribute", "ISC"},
}

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

func run(w io.Writer) error {
	out, err := exec.Command("go", "list", "-deps", "-test", "-json=Module", "./...").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	seen := map[string]bool{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Module *struct {
				Path, Dir string
				Main      bool
			}
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if p.Module == nil || p.Module.Main || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		name, err := license(p.Module.Dir)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Module.Path, err)
		}
		fmt.Fprintf(w, "%-12s %s\n", name, p.Module.Path)
	}
}

func license(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "LICEN[CS]E*"))
	if err != nil {
		return "", err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		for _, p := range permissive {
			if strings.Contains(strings.Join(strings.Fields(string(text)), " "), p.phrase) {
				return p.name, nil
			}
		}
	}
	return "", errors.New("no permissive license found")
}
