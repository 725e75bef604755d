// Command benchsync times the planner side by side with what people use today,
// in one run: cold push, push of nothing, small pull and pull of nothing, over
// trees of three sizes, to a local folder and over loopback SSH. It prints
// Markdown tables of medians.
//
// No tree is removed before the end: ext4 creates files several times slower
// soon after similar ones were deleted.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/paperclipai/syncplan/internal/benchtree"
	"github.com/paperclipai/syncplan/internal/sshd"
)

var (
	rounds     = flag.Int("rounds", 3, "rounds; medians are printed")
	treeNames  = flag.String("trees", "small,go,npm", "trees to use")
	peerNames  = flag.String("peers", "planner,seed,rsync,tar,unison,rclone", "peers to time")
	transports = flag.String("transports", "local,ssh", "transports to use")
	limit      = flag.Duration("limit", 3*time.Minute, "longest time of one step")
	planner    = flag.String("planner", "bin/planner", "the binary to time")
)

var operations = []string{"cold push", "push of nothing", "small pull", "pull of nothing"}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "benchsync:", err)
		os.Exit(1)
	}
}

// run measures until ctx ends, and prints what there is then.
func run(ctx context.Context) error {
	top, err := os.MkdirTemp("", "benchsync-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(top)
	if *planner, err = filepath.Abs(*planner); err != nil {
		return err
	}
	b := &bench{top: top, times: map[cell][]time.Duration{}, slow: map[cell]string{}}
	if strings.Contains(*transports, "ssh") {
		if b.server, err = sshd.Start(filepath.Join(top, "sshd"), "127.0.0.1"); err != nil {
			return err
		}
		defer b.server.Stop()
	}
	for _, tree := range strings.Split(*treeNames, ",") {
		local, err := makeTree(top, tree)
		if err != nil {
			return err
		}
		err = b.rounds(ctx, tree, local)
		b.print(tree)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) rounds(ctx context.Context, tree, local string) error {
	for round := range *rounds {
		for _, transport := range strings.Split(*transports, ",") {
			for _, p := range peers(b.server) {
				if !strings.Contains(","+*peerNames+",", ","+p.name+",") {
					continue
				}
				if err := b.play(ctx, tree, transport, p, local, round); err != nil || ctx.Err() != nil {
					return cmp.Or(ctx.Err(), err)
				}
			}
		}
	}
	return nil
}

type cell struct{ tree, transport, peer, op string }

type bench struct {
	top    string
	server *sshd.Server
	times  map[cell][]time.Duration
	slow   map[cell]string
}

// play makes one round of one peer: the four operations in turn, on a workspace
// of its own where the peer changes it.
func (b *bench) play(ctx context.Context, tree, transport string, p peer, source string, round int) error {
	work := filepath.Join(b.top, fmt.Sprintf("%s-%s-%s-%d", tree, transport, p.name, round))
	v := vars{local: filepath.Join(work, "local"), box: filepath.Join(work, "box"), work: work, ssh: transport == "ssh"}
	if err := os.MkdirAll(v.box, 0o755); err != nil {
		return err
	}
	if err := shell(ctx, "cp -a "+q(source)+" "+q(v.local)+"", b.env()); err != nil {
		return err
	}
	for i, op := range operations {
		if i == 2 {
			if err := shell(ctx, edits(v.box), b.env()); err != nil {
				return err
			}
		}
		c := cell{tree, transport, p.name, op}
		step := p.steps[i](v)
		if step == "" {
			b.slow[c] = "–"
			continue
		}
		limited, cancel := context.WithTimeout(ctx, *limit)
		start := time.Now()
		err := shell(limited, step, b.env())
		took := time.Since(start)
		timedOut := limited.Err() != nil && ctx.Err() == nil
		cancel()
		if timedOut {
			b.slow[c] = "over " + limit.String()
			return nil
		}
		if err != nil && p.name == "rclone" {
			// It stops where names or times are not to its liking.
			fmt.Fprintln(os.Stderr, "benchsync:", err)
			b.slow[c] = "failed"
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s, %s over %s: %w", p.name, op, transport, err)
		}
		b.times[c] = append(b.times[c], took)
		if err := benchtree.Equal(v.local, v.box); err != nil && p.name != "rclone" { // which makes no empty folders
			return fmt.Errorf("%s, %s over %s: the trees differ: %w", p.name, op, transport, err)
		}
	}
	return nil
}

// edits are made in the sandbox between the pushes and the small pull.
func edits(box string) string {
	return "cd " + q(box) + ` && sleep 0.2 && set -- $(find . -path ./.paperclip-runtime -prune -o -path ./.bench -prune -o -type f -size -20k -name '*.*[a-z]' ! -path '* *' -print | LC_ALL=C sort | head -40 | tail -2) && echo edit >>"$1" && rm "$2" && echo new >added-file`
}

func (b *bench) env() []string {
	env := append(os.Environ(), "PLANNER="+*planner, "LC_ALL=C")
	if b.server != nil {
		env = append(env, "SSHHOME="+b.server.Dir)
	}
	return env
}

func shell(ctx context.Context, script string, env []string) error {
	cmd := exec.CommandContext(ctx, "sh", "-ec", script)
	cmd.Env, cmd.WaitDelay = env, time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s\n%s", err, script, out[max(0, len(out)-600):])
	}
	return nil
}

func q(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (b *bench) print(tree string) {
	for _, transport := range strings.Split(*transports, ",") {
		fmt.Printf("\n%s tree, %s, %d cores, medians of at most %d rounds\n\n| peer |", tree, transport, runtime.NumCPU(), *rounds)
		for _, op := range operations {
			fmt.Printf(" %s |", op)
		}
		fmt.Print("\n|---|---|---|---|---|\n")
		for _, peer := range strings.Split(*peerNames, ",") {
			fmt.Printf("| %s |", peer)
			for _, op := range operations {
				c := cell{tree, transport, peer, op}
				switch list := slices.Sorted(slices.Values(b.times[c])); {
				case len(list) > 0:
					fmt.Printf(" %.3g s |", list[len(list)/2].Seconds())
				case b.slow[c] != "":
					fmt.Printf(" %s |", b.slow[c])
				default:
					fmt.Print(" |")
				}
			}
			fmt.Println()
		}
	}
}
