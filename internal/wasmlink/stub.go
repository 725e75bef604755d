package main

import (
	"slices"
	"strings"
)

// The runtime's execution tracer, its profiles and its debugging modes are
// switched on by packages or by settings that the module does not have, but the
// linker can't know that. stub empties their functions: a call of one would trap.
var (
	stubbed = []string{"runtime.trace", "runtime.__trace", "runtime.schedtrace", "runtime.dumpStacksRec", "runtime.dumpTypesRec",
		"runtime.__profBuf_.", "runtime.doRecordGoroutineProfile", "runtime.tryRecordGoroutineProfile",
		"runtime.setCheckmark", "runtime.runCheckmark", "runtime.startCheckmarks", "runtime.endCheckmarks",
		"runtime.printCgoTraceback", "runtime.printOneCgoTraceback", "runtime.expandCgoFrames", "runtime.callCgoSymbolizer",
		"runtime.printScavTrace", "runtime.dumpScanStats"}
	// unstubbed are asked whether the tracer runs, whatever the answer, and what a
	// panic needs.
	unstubbed = []string{"runtime.traceback", "runtime.traceLockInit", "runtime.traceInit", "runtime.traceAcquire", "runtime.traceRelease",
		"runtime.traceLocker.ok", "runtime.traceAllocFreeEnabled", "runtime.traceRegisterLabelsAndReasons"}
)

func (p *program) stub() {
	for i := range p.functions {
		if name := p.name(i); begins(name, stubbed) && !begins(name, unstubbed) {
			p.functions[i] = &function{locals: []byte{0}, code: []instr{{op: opUnreachable}, {op: opEnd}}}
		}
	}
}

func begins(name string, list []string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(name, p) })
}
