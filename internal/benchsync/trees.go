package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/paperclipai/syncplan/internal/benchtree"
)

// makeTree returns a tree to sync: "small" is made up, "go" is the toolchain's
// own, "npm" an installed project.
func makeTree(top, name string) (string, error) {
	root := filepath.Join(top, "tree-"+name)
	switch name {
	case "small":
		return root, benchtree.Sources(root, 1000, 6<<20)
	case "go":
		out, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return "", err
		}
		return root, shell(context.Background(), "mkdir "+q(root)+" && tar -C "+q(strings.TrimSpace(string(out)))+" -cf - . | tar -C "+q(root)+" -xf -", os.Environ())
	case "npm":
		return root, npmTree(root)
	}
	return "", fmt.Errorf("there is no tree %q", name)
}

// npmPackages bring some 40,000 files together.
var npmPackages = []string{"next@15", "@mui/material@6", "@mui/icons-material@6", "date-fns@4", "lodash@4", "typescript@5", "webpack@5", "rxjs@7", "@angular/core@19", "core-js@3", "aws-sdk@2"}

// npmTree installs a project once and keeps it for later runs.
func npmTree(root string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	kept := filepath.Join(cache, "syncplan-bench", "npm")
	if _, err := os.Stat(filepath.Join(kept, "done")); err != nil {
		install := "mkdir -p " + q(kept) + " && cd " + q(kept) + " && npm init -y && npm install --ignore-scripts --no-audit --no-fund --legacy-peer-deps " + strings.Join(npmPackages, " ") + " && touch done"
		if err := shell(context.Background(), install, os.Environ()); err != nil {
			return fmt.Errorf("the npm project can't be installed: %w", err)
		}
	}
	return shell(context.Background(), "cp -a "+q(kept)+" "+q(root), os.Environ())
}
