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

// skipped are checks of what the compiler and linker made, and what serves programs
// of several modules or reads GODEBUG. They are called once, when an instance
// starts, and change nothing.
var skipped = []string{"runtime.check", "runtime.moduledataverify1", "runtime.typelinksinit", "internal_cpu.processOptions"}

func (p *program) stub() {
	for i := range p.functions {
		name := p.name(i)
		if slices.Contains(skipped, name) {
			p.functions[i] = &function{locals: []byte{0}, code: returnsNothing()}
		}
		if begins(name, stubbed) && !begins(name, unstubbed) {
			p.functions[i] = &function{locals: []byte{0}, code: []instr{{op: opUnreachable}, {op: opEnd}}}
		}
	}
}

func begins(name string, list []string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(name, p) })
}

// returnsNothing is the code of a function without results that does nothing.
func returnsNothing() []instr {
	return []instr{
		{op: opGlobalGet, x: globalSP}, {op: opConst, x: 8}, {op: opAdd}, {op: opGlobalSet, x: globalSP}, // take the address to return to
		{op: opConst}, {op: opEnd}, // the stack is not unwound
	}
}
