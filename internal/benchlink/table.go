//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"time"
)

// print writes both tables, and what was wanted.
func (b *bench) print() {
	fmt.Printf("%d files of %d MB over a link of %s round trip and %d Mbit/s, TCP with %s, %d cores, medians of %d\n\n",
		*files, *size/1_000_000, *near, *rate, congestion(), runtime.NumCPU(), *rounds)
	fmt.Print("| first push, whole processes | time |\n|---|---|\n")
	for _, p := range peers {
		fmt.Printf("| %s | %.2f s |\n", p.name, median(b.times[p.name]).Seconds())
	}
	ours, theirs := median(b.times[plannerPeer]), median(b.times[tarPeer])
	fmt.Printf("\nTarget: %s is faster than %s: %s.\n", plannerPeer, tarPeer, verdict(ours < theirs))
	fmt.Printf("\n| once the connection is up | bytes | at %s | at %s | round trips | target |\n|---|---|---|---|---|---|\n", *near, *far)
	all := true
	for _, o := range operations {
		first, second := b.median(o, *near), b.median(o, *far)
		trips := float64(second-first) / float64(*far-*near)
		target := "–"
		if o.bound > 0 {
			met := trips <= o.bound
			all = all && met
			target = fmt.Sprintf("%g, %s", o.bound, verdict(met))
		}
		fmt.Printf("| %s | %d | %.3f s | %.3f s | %.1f | %s |\n", o.name, b.bytes[o.name], first.Seconds(), second.Seconds(), trips, target)
	}
	fmt.Printf("\nTargets: five changed files within 6 round trips and their bytes, nothing changed within 4: %s.\n", verdict(all))
	fmt.Println("Round trips are the growth of the time divided by the growth of the round trip.")
}

func (b *bench) median(o operation, roundTrip time.Duration) time.Duration {
	return median(b.times[key{o.name, roundTrip}.String()])
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}

// congestion returns the name of the machine's congestion control.
func congestion() string {
	name, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	if err != nil {
		return "unknown congestion control"
	}
	return string(bytes.TrimSpace(name))
}
