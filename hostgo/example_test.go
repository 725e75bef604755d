//go:build unix

package hostgo_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/dir"
)

// A workspace goes into a folder that serves as its sandbox, a command changes it
// there while somebody goes on here, and it comes home merged.
func Example() {
	if err := example(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// pushed 1 file
	// merged          notes.txt
	// new             result.txt
	// here
	// one
	// there
}

func example() error {
	ctx := context.Background()
	top, err := os.MkdirTemp("", "syncplan-example-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(top)
	workspace, box := filepath.Join(top, "workspace"), filepath.Join(top, "box")
	notes := filepath.Join(workspace, "notes.txt")
	for _, folder := range []string{workspace, box} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(notes, []byte("one\n"), 0o644); err != nil {
		return err
	}
	client, err := dir.New(box)
	if err != nil {
		return err
	}
	opts := hostgo.Options{Workspace: workspace, Client: client, Root: box, StateDir: filepath.Join(top, "state")}
	pushed, err := hostgo.Push(ctx, opts)
	if err != nil {
		return err
	}
	fmt.Println("pushed", pushed.UploadedFiles, "file")
	if err := client.Run(ctx, "cd "+plan.Quote(box)+" && echo there >>notes.txt && echo done >result.txt", time.Minute); err != nil {
		return err
	}
	if err := os.WriteFile(notes, []byte("here\none\n"), 0o644); err != nil {
		return err
	}
	pulled, err := hostgo.Pull(ctx, opts)
	if err != nil {
		return err
	}
	for _, l := range pulled.Lines {
		fmt.Printf("%-15s %s\n", l.Word, l.Path)
	}
	text, err := os.ReadFile(notes)
	fmt.Print(string(text))
	return err
}
