//go:build linux

// Command benchlink times the planner over an emulated link: two network
// namespaces, a real sshd in one, the peers in the other, and a pair of TUN
// devices between them that delay and shape what passes. It needs to be root.
//
// A first push is timed beside what people use today, as whole processes. The
// operations on a warm sandbox are timed from the moment that the connection is
// up, at two round-trip times; how the time grows from one to the other is the
// number of round trips that an operation really waits for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/internal/benchtree"
	"github.com/paperclipai/syncplan/internal/sshd"
)

var (
	rounds  = flag.Int("rounds", 5, "rounds; medians are printed")
	rate    = flag.Int64("rate", 100, "bandwidth of the link in Mbit/s")
	near    = flag.Duration("rtt", 50*time.Millisecond, "round trip of the link")
	far     = flag.Duration("far", 150*time.Millisecond, "the other round trip, to count round trips with")
	files   = flag.Int("files", 3000, "files of the tree")
	size    = flag.Int64("size", 50_000_000, "bytes of the tree")
	dir     = flag.String("dir", "/dev/shm", "folder for the trees; in memory, so that no disk is timed")
	planner = flag.String("planner", "bin/planner", "the binary to time")
)

func main() {
	flag.Parse()
	// A closed stdout too must not end the program before it has cleaned up.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchlink:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	top, err := os.MkdirTemp(*dir, "benchlink-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(top)) }()
	b := &bench{top: top, source: filepath.Join(top, "source"), times: map[string][]time.Duration{}, bytes: map[string]int64{}}
	if b.planner, err = filepath.Abs(*planner); err != nil {
		return err
	}
	if b.link, err = newLink(*rate*1_000_000, max(*near, *far)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.link.close()) }()
	err = b.link.within(boxEnd, func() (err error) {
		b.server, err = sshd.Start(filepath.Join(top, "sshd"), addresses[boxEnd])
		return err
	})
	if err != nil {
		return err
	}
	defer b.server.Stop()
	if err := benchtree.Sources(b.source, *files, *size); err != nil {
		return err
	}
	for range *rounds {
		if err := b.round(ctx); err != nil {
			return err
		}
	}
	b.print()
	return nil
}

// bench is one run of the benchmark. No tree is removed before the end: ext4
// creates files several times slower soon after similar ones were deleted.
type bench struct {
	top, source, planner string
	link                 *link
	server               *sshd.Server
	trees                int
	times                map[string][]time.Duration // by peer, or by operation and round trip
	bytes                map[string]int64           // that went over the link, by operation
}

func (b *bench) round(ctx context.Context) error {
	b.link.setRoundTrip(*near)
	for _, p := range peers {
		if err := b.firstPush(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	for _, d := range []time.Duration{*near, *far} {
		b.link.setRoundTrip(d)
		if err := b.operations(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// pair is a workspace and the sandbox that it goes to, both on this machine.
type pair struct{ local, box, state string }

// newPair copies the source tree and makes an empty sandbox.
func (b *bench) newPair(ctx context.Context) (*pair, error) {
	b.trees++
	top := filepath.Join(b.top, fmt.Sprint(b.trees))
	p := &pair{filepath.Join(top, "local"), filepath.Join(top, "box"), filepath.Join(top, "state")}
	if err := os.MkdirAll(p.box, 0o755); err != nil {
		return nil, err
	}
	return p, b.shell(ctx, "cp -a "+plan.Quote(b.source)+" "+plan.Quote(p.local)+"; sync")
}

// shell runs a script where the peers are.
func (b *bench) shell(ctx context.Context, script string) error {
	cmd := exec.CommandContext(ctx, "sh", "-ec", script)
	cmd.Env = append(os.Environ(), "HOME="+b.server.Dir, "LC_ALL=C")
	cmd.WaitDelay = time.Second // what it started is ended with the namespace
	var tail tail
	cmd.Stdout, cmd.Stderr = &tail, &tail
	err := b.link.within(peersEnd, cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return fmt.Errorf("%w\n%s\n%s", err, script, tail)
	}
	return nil
}

// tail keeps the last output of a command.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	*t = (*t)[max(0, len(*t)-600):]
	return len(p), nil
}

func median(list []time.Duration) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
