package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A run is short and its heap mostly small: collecting seldom saves a third of
// the time of one that finds nothing to do. With a tree of half a million
// entries it would cost twice the memory.
const (
	smallHeap   = 32 << 20 // bytes
	seldom      = 400      // per cent that a small heap may grow before it is collected
	often       = 15
	liveAfterGC = "/gc/heap/live:bytes"
)

// tuneMemory sets how often memory is collected, anew after each collection.
func tuneMemory() {
	debug.SetGCPercent(seldom)
	var again func(*[16]byte)
	again = func(p *[16]byte) {
		live := []metrics.Sample{{Name: liveAfterGC}}
		metrics.Read(live)
		percent := seldom
		if live[0].Value.Uint64() > smallHeap {
			percent = often
		}
		debug.SetGCPercent(percent)
		runtime.SetFinalizer(p, again)
	}
	runtime.SetFinalizer(new([16]byte), again)
}
