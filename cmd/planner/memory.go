package main

import (
	"runtime"
	"runtime/debug"
)

// A run is short and its heap mostly small: collecting seldom saves a third of
// the time of one that finds nothing to do. With a tree of half a million
// entries it would cost twice the memory.
const (
	smallHeap = 32 << 20 // bytes
	seldom    = 400      // per cent that a small heap may grow before it is collected
	often     = 15
)

// tuneMemory sets how often memory is collected, anew after each collection. What
// that left is told by when the next is due; package metrics would be asked more
// plainly, but costs every start a table.
func tuneMemory() {
	debug.SetGCPercent(seldom)
	percent := uint64(seldom)
	var again func(*[16]byte)
	again = func(p *[16]byte) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		live := m.NextGC * 100 / (100 + percent)
		percent = seldom
		if live > smallHeap {
			percent = often
		}
		debug.SetGCPercent(int(percent))
		runtime.SetFinalizer(p, again)
	}
	runtime.SetFinalizer(new([16]byte), again)
}
