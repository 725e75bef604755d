package clienttest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

func checkBodies(e *env) error {
	for _, n := range []int{0, 1, 4096, 65536, 131073, 5 << 20} {
		name := fmt.Sprint("body", n)
		if err := e.write(name, pattern(n)); err != nil {
			return err
		}
		if err := e.holds(name, pattern(n)); err != nil {
			return err
		}
	}
	return nil
}

var oddNames = []string{"new\nline", " space ", "it's", `"q"`, "-rf", `back\slash`, "*?[a]", "$(x)`y`", "ünï😀", "~", "#", "%s", strings.Repeat("n", 255)}

func checkNames(e *env) error {
	for _, n := range oddNames {
		if err := e.write(n, []byte(n)); err != nil {
			return err
		}
	}
	for _, n := range oddNames {
		if err := e.holds(n, []byte(n)); err != nil {
			return err
		}
	}
	names, err := e.c.ListFiles(e.ctx, e.root)
	if err != nil {
		return fmt.Errorf("calling ListFiles: %w", err)
	}
	if len(names) != len(oddNames) {
		return fmt.Errorf("calling ListFiles: got %d names, want %d: %q", len(names), len(oddNames), names)
	}
	return nil
}

func checkOverwrite(e *env) error {
	return errors.Join(e.write("f", pattern(10000)), e.write("f", []byte("short")), e.holds("f", []byte("short")))
}

func checkMissing(e *env) error {
	if data, err := e.c.ReadFile(e.ctx, e.at("missing")); err == nil {
		return fmt.Errorf("calling ReadFile of a missing file returned %d bytes and no error", len(data))
	} else if err := typed(err, core.CodeClient); err != nil {
		return err
	}
	if _, err := e.c.ListFiles(e.ctx, e.at("missing")); err == nil {
		return errors.New("calling ListFiles of a missing directory returned no error: it would read as \"all gone\"")
	}
	if err := e.c.WriteFile(e.ctx, e.at("missing/f"), nil); err == nil {
		return errors.New("calling WriteFile into a missing directory returned no error")
	}
	return nil
}

func checkSpecial(e *env) error {
	if err := e.c.Run(e.ctx, "cd "+plan.Quote(e.root)+" && mkfifo pipe && ln -s /dev/zero zero", 0); err != nil {
		return fmt.Errorf("calling Run: %w", err)
	}
	ctx, cancel := context.WithTimeout(e.ctx, longest)
	defer cancel()
	// The pipe first: a client that waits for it reads the other, too, and that has no end.
	for _, name := range []string{"pipe", "zero"} {
		if err := e.readSpecial(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// readSpecial does not wait for a call that hears of no ctx, which is just what reading a FIFO as a file is.
func (e *env) readSpecial(ctx context.Context, name string) error {
	done := make(chan error, 1)
	go func() {
		data, err := e.c.ReadFile(ctx, e.at(name))
		if err == nil {
			done <- fmt.Errorf("calling ReadFile of what is no file returned %d bytes and no error", len(data))
			return
		}
		done <- typed(err, core.CodeClient)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("calling ReadFile of what is no file (%s) did not return: look at what it is before it is read", name)
	}
}

func checkMakeDir(e *env) error {
	for range 2 {
		if err := e.c.MakeDir(e.ctx, e.at("a/b/c")); err != nil {
			return fmt.Errorf("calling MakeDir: %w", err)
		}
	}
	return errors.Join(e.write("a/b/c/f", []byte("x")), e.holds("a/b/c/f", []byte("x")))
}

func checkList(e *env) error {
	if err := errors.Join(e.c.MakeDir(e.ctx, e.at("d/sub")), e.write("d/b", nil), e.write("d/.a", nil)); err != nil {
		return err
	}
	if err := e.c.Run(e.ctx, "ln -s nowhere "+plan.Quote(e.at("d/link")), 0); err != nil {
		return err
	}
	names, err := e.c.ListFiles(e.ctx, e.at("d"))
	if err != nil {
		return err
	}
	if strings.Join(names, " ") != ".a b link" {
		return fmt.Errorf("calling ListFiles: got %q, want the files and links in byte order", names)
	}
	return nil
}

func checkRemove(e *env) error {
	if err := errors.Join(e.c.MakeDir(e.ctx, e.at("d/sub")), e.write("d/sub/f", nil), e.write("target", []byte("kept"))); err != nil {
		return err
	}
	if err := e.c.Run(e.ctx, "ln -s "+plan.Quote(e.at("target"))+" "+plan.Quote(e.at("link")), 0); err != nil {
		return err
	}
	for _, n := range []string{"d", "link", "never-there", "d"} {
		if err := e.c.Remove(e.ctx, e.at(n)); err != nil {
			return fmt.Errorf("calling Remove %s: %w", n, err)
		}
	}
	if _, err := e.c.ListFiles(e.ctx, e.at("d")); err == nil {
		return errors.New("calling Remove left a directory")
	}
	return e.holds("target", []byte("kept"))
}
