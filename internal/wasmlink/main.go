// Command wasmlink makes the module that Go's linker wrote smaller without
// changing what it does; see [Shrink].
//
// Usage: wasmlink IN OUT
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "wasmlink:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: wasmlink IN OUT")
	}
	in, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	out, err := Shrink(in)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return os.WriteFile(args[1], out, 0o644)
}
