//go:build wasip1

// Command wasm is the core as a WebAssembly reactor. ABI.md is its
// documentation; nothing is decided here.
package main

import (
	"runtime"
	"unsafe"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// The module is single-threaded and never re-entered, so its state needs no lock.
var (
	session plan.Session
	request []byte // as large as the largest request so far
	answer  []byte // kept reachable until the next call
)

func main() {}

//go:wasmexport abi
func abi() uint32 { return core.ABIMajor<<16 | core.ABIMinor }

//go:wasmexport buffer
func buffer(n uint32) unsafe.Pointer {
	answer = nil
	if int(n) > len(request) {
		request = nil
		// Some room, since the next large request is often a little larger.
		request = make([]byte, int(n)+int(n)/16+(64<<10))
	}
	return unsafe.Pointer(unsafe.SliceData(request))
}

//go:wasmexport call
func call(n uint32) unsafe.Pointer {
	answer = session.Frame(request[:n])
	// The collector works in goroutines of its own, and nothing else lets them run: a collection
	// that this call began would not end before the heap is twice what it need be.
	runtime.Gosched()
	return unsafe.Pointer(unsafe.SliceData(answer))
}

//go:wasmexport scan_dir
func scanDir(n uint32) unsafe.Pointer {
	answer = session.ScanDir(request[:n])
	return unsafe.Pointer(unsafe.SliceData(answer))
}

//go:wasmexport keeps_data
func keepsData(n uint32) uint32 {
	if plan.KeepsData(string(request[:n])) {
		return 1
	}
	return 0
}
