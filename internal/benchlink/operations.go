//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
	"github.com/paperclipai/syncplan/hostgo/ssh"
	"github.com/paperclipai/syncplan/internal/benchtree"
)

// operation is one push or pull, and what happens before it.
type operation struct {
	name  string
	edits func(*pair) string // the tree that is edited first; nil for none
	do    func(context.Context, hostgo.Options) (*hostgo.Report, error)
	bound float64 // the most round trips that are wanted; 0 for none said
}

var operations = []operation{
	{"first push", nil, hostgo.Push, 0},
	{"push of five changed files", func(p *pair) string { return p.local }, hostgo.Push, 6},
	{"push of nothing", nil, hostgo.Push, 4},
	{"pull of five changed files", func(p *pair) string { return p.box }, hostgo.Pull, 6},
	{"pull of nothing", nil, hostgo.Pull, 4},
}

// settle is waited for after an edit, so that a file counts as changed a while
// ago and not in this instant.
const settle = 300 * time.Millisecond

// operations makes one round of them, on trees of their own.
func (b *bench) operations(ctx context.Context, roundTrip time.Duration) error {
	p, err := b.newPair(ctx)
	if err != nil {
		return err
	}
	for _, o := range operations {
		if o.edits != nil {
			if err := edit(o.edits(p)); err != nil {
				return err
			}
		}
		time.Sleep(settle)
		if err := b.operate(ctx, o, p, roundTrip); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	return nil
}

// operate times one operation over a connection of its own, from the moment that
// it is up.
func (b *bench) operate(ctx context.Context, o operation, p *pair, roundTrip time.Duration) error {
	var client *ssh.Client
	err := b.link.within(peersEnd, func() (err error) {
		client, err = ssh.Open(ctx, ssh.Target{Host: "box", Config: b.server.Config})
		return err
	})
	if err != nil {
		return err
	}
	defer client.Close()
	start := time.Now()
	report, err := o.do(ctx, hostgo.Options{Workspace: p.local, Client: client, Root: p.box, StateDir: p.state})
	took := time.Since(start)
	if err != nil {
		return err
	}
	if report.Status != plan.StatusOK {
		return fmt.Errorf("it ended as %s", report.Status)
	}
	k := key{o.name, roundTrip}
	b.times[k.String()] = append(b.times[k.String()], took)
	b.bytes[o.name] = report.UploadedBytes + report.DownloadedBytes
	return benchtree.Equal(p.local, p.box)
}

// key names an operation at a round trip.
type key struct {
	operation string
	roundTrip time.Duration
}

func (k key) String() string { return k.operation + " at " + k.roundTrip.String() }

// edit changes five files, each in a directory of its own.
func edit(root string) error {
	for i := range 5 {
		list, err := filepath.Glob(filepath.Join(root, fmt.Sprintf("pkg%02d", i), "part0", "*.go"))
		if err != nil || len(list) == 0 {
			return fmt.Errorf("there is no file to edit: %w", err)
		}
		data, err := os.ReadFile(list[0])
		if err != nil {
			return err
		}
		data = append(data, fmt.Sprintf("edited at %s\n", time.Now())...)
		if err := os.WriteFile(list[0], data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
