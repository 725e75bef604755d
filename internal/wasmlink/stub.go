package main

import (
	"encoding/binary"
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

// stub changes the code section of a module that still has its names.
func stub(sections []section) error {
	names, imports, code := []byte(nil), uint64(0), -1
	for i, s := range sections {
		switch s.id {
		case sectionCustom:
			r := &reader{rest: s.body}
			if string(r.bytes(r.uint())) == "name" {
				names = r.rest
			}
		case sectionImport:
			imports = (&reader{rest: s.body}).uint()
		case sectionCode:
			code = i
		}
	}
	if names == nil || code < 0 {
		return errForm
	}
	dead, err := deadFunctions(names)
	if err != nil {
		return err
	}
	r := &reader{rest: sections[code].body}
	count := r.uint()
	out := binary.AppendUvarint(nil, count)
	for i := range count {
		body := r.bytes(r.uint())
		if dead[imports+i] {
			body = []byte{0, 0, opEnd} // no locals; unreachable
		}
		out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	}
	if r.failed || len(r.rest) > 0 {
		return errForm
	}
	sections[code].body = out
	return nil
}

// deadFunctions reads the names of functions and returns the numbers of those
// that are never called.
func deadFunctions(names []byte) (map[uint64]bool, error) {
	const functionNames = 1
	begins := func(name string, list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(name, p) })
	}
	dead := map[uint64]bool{}
	for r := (&reader{rest: names}); len(r.rest) > 0; {
		kind := r.byte()
		sub := &reader{rest: r.bytes(r.uint())}
		if r.failed {
			return nil, errForm
		}
		if kind != functionNames {
			continue
		}
		for n := sub.uint(); n > 0 && !sub.failed; n-- {
			index, name := sub.uint(), string(sub.bytes(sub.uint()))
			dead[index] = begins(name, stubbed) && !begins(name, unstubbed)
		}
		if sub.failed {
			return nil, errForm
		}
	}
	return dead, nil
}
