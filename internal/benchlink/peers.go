//go:build linux

package main

import (
	"context"
	"time"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/internal/benchtree"
)

// peer is one way to send a tree to an empty folder, as a shell script.
type peer struct {
	name string
	push func(b *bench, p *pair) string
}

const (
	plannerPeer = "planner push"
	tarPeer     = "tar, zstd, ssh"
)

var peers = []peer{
	{plannerPeer, func(b *bench, p *pair) string {
		return plan.Quote(b.planner) + " push -q --state " + plan.Quote(p.state) + " --sandbox " + plan.Quote("ssh://box"+p.box) + " " + plan.Quote(p.local)
	}},
	{tarPeer, func(b *bench, p *pair) string {
		return "tar -C " + plan.Quote(p.local) + " -cf - . | zstd -q | " + b.server.Command() + " box " + plan.Quote("zstd -q -d | tar -C "+plan.Quote(p.box)+" -xf -")
	}},
	{"rsync -az", func(b *bench, p *pair) string {
		return "rsync -az -e " + plan.Quote(b.server.Command()) + " " + plan.Quote(p.local+"/") + " " + plan.Quote("box:"+p.box+"/")
	}},
}

func (b *bench) firstPush(ctx context.Context, p peer) error {
	trees, err := b.newPair(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := b.shell(ctx, p.push(b, trees)); err != nil {
		return err
	}
	b.times[p.name] = append(b.times[p.name], time.Since(start))
	return benchtree.Equal(trees.local, trees.box)
}
