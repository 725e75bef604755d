package main

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Numbers of the functions of a generated module, and where its function finds
// what it works on, counted from the stack pointer.
const (
	generated, warm, cool = 0, 1, 2

	fuelAt, sumAt = 16, 24
	stackTop      = 1024
)

var passes = func(p *program, e map[int64]bool) {
	p.shareColdCalls()
	f := p.functions[generated]
	f.directJumps()
	f.prune(e)
	f.simplify()
}

// TestPassesKeepBehaviour makes functions in the form that Go's compiler gives
// them, with random jumps and calls, and runs them before and after the passes
// from every place where they may be entered.
func TestPassesKeepBehaviour(t *testing.T) {
	shorter := 0
	for seed := range int64(150) {
		g := &generator{Rand: rand.New(rand.NewSource(seed))}
		f, entries := g.function()
		before, after := testProgram(f), testProgram(&function{locals: f.locals, code: append([]instr(nil), f.code...)})
		kept := map[int64]bool{}
		for _, k := range entries {
			kept[k] = true
		}
		kept[20_000] = true // no address, since the function has no such block
		passes(after, kept)
		gain := len(f.encode()) - len(after.functions[generated].encode())
		require.Greater(t, gain, -1000, "seed %d", seed)
		shorter += gain
		a, b := start(t, before), start(t, after)
		for k := range int64(30) {
			if !kept[k] {
				_, err := b.enter(t, k, 1)
				require.ErrorContains(t, err, "unreachable", "seed %d, entered at %d, which nothing asks for", seed, k)
			}
		}
		for _, k := range entries {
			for fuel := range uint64(20) {
				want, got := a.run(t, k, fuel), b.run(t, k, fuel)
				require.Empty(t, cmp.Diff(want, got), "seed %d, entered at %d with fuel %d", seed, k, fuel)
			}
		}
	}
	require.Positive(t, shorter)
}

// generator makes functions.
type generator struct {
	*rand.Rand
	code []instr
}

func (g *generator) add(code ...instr) { g.code = append(g.code, code...) }

// function returns a function, and the numbers of the blocks where it may be entered.
func (g *generator) function() (*function, []int64) {
	blocks := 2 + g.Intn(12)
	var numbers []int64 // of the blocks
	var targets []uint64
	for i := range blocks {
		for range 1 + g.Intn(2)*min(i, 1) {
			targets = append(targets, uint64(i))
		}
		numbers = append(numbers, int64(len(targets)-1))
	}
	g.add(instr{op: opGlobalGet, x: globalSP}, instr{op: opSet, x: localSP}, instr{op: opBlock, x: typeVoid}, instr{op: opLoop, x: typeVoid})
	for range blocks {
		g.add(instr{op: opBlock, x: typeVoid})
	}
	g.add(instr{op: opGet, x: 0}, instr{op: opBrTable, targets: targets}, instr{op: opEnd})
	entries := []int64{0}
	for i := range blocks {
		open := int64(blocks - 1 - i) // blocks that have not ended
		jump := func(depth int64) {
			g.add(instr{op: opConst, x: numbers[g.Intn(blocks)]}, instr{op: opSet, x: 0}, instr{op: opBr, x: open + depth})
		}
		g.work(i)
		switch g.Intn(4) {
		case 0:
			g.condition()
			g.add(instr{op: opIf, x: typeVoid})
			jump(1)
			g.add(instr{op: opEnd})
		case 1:
			jump(0)
		case 2:
			if i+1 < blocks { // the call returns to the next block
				g.call(numbers[i+1], open+1)
				entries = append(entries, numbers[i+1])
			}
		}
		if open > 0 {
			g.add(instr{op: opEnd})
		}
	}
	g.add(instr{op: opConst, x: numbers[0]}, instr{op: opSet, x: 0}, instr{op: opBr}, instr{op: opEnd}, instr{op: opUnreachable}, instr{op: opEnd}, instr{op: opConst, x: 1}, instr{op: opEnd})
	return &function{locals: []byte{2, 1, typeI32, 1, typeI64}, code: g.code}, entries
}

// work takes some fuel, returns where none is left, and else adds the block's number to a sum.
func (g *generator) work(number int) {
	slot := func(at int64) []instr {
		return []instr{{op: opGet, x: localSP}, {op: opExtend}, {op: opConst64, x: at}, {op: opAdd64}, {op: opWrap}}
	}
	g.add(slot(fuelAt)...)
	g.add(slot(fuelAt)...)
	g.add(instr{op: opLoad64, x: 3}, instr{op: opConst64, x: 1}, instr{op: opSub64}, instr{op: opSet, x: 2}, instr{op: opGet, x: 2}, instr{op: opStore64, x: 3})
	g.add(instr{op: opGet, x: 2}, instr{op: opConst64}, instr{op: 0x53}, instr{op: opIf, x: typeVoid}) // below 0
	for range 2 {
		g.add(instr{op: opGet, x: localSP}, instr{op: opConst, x: 8}, instr{op: opAdd}, instr{op: opTee, x: localSP}, instr{op: opGlobalSet, x: globalSP})
	}
	g.add(instr{op: opConst}, instr{op: opReturn}, instr{op: opEnd}, instr{op: opNop})
	g.add(instr{op: opGet, x: localSP}, instr{op: opGet, x: localSP}, instr{op: opLoad64, x: 3, y: sumAt}, instr{op: opConst64, x: 31}, instr{op: 0x7e}, instr{op: opConst64, x: int64(number)}, instr{op: opAdd64}, instr{op: opStore64, x: 3, y: sumAt})
}

// condition puts on the stack whether a bit of the sum is set, or something of the kind.
func (g *generator) condition() {
	g.add(instr{op: opGet, x: localSP}, instr{op: 0x31, y: sumAt}) // a byte as 64 bits
	g.add(instr{op: opConst64, x: 1 << g.Intn(5)}, instr{op: 0x83})
	if g.Intn(2) == 0 {
		g.add(instr{op: opWrap})
	} else {
		g.add(instr{op: opConst64, x: 1}, instr{op: 0x53 + byte(g.Intn(8))})
	}
	for range g.Intn(3) {
		g.add(instr{op: opEqz})
	}
}

// call calls one of the other functions, and leaves the outermost block where the
// stack is unwound.
func (g *generator) call(back, outermost int64) {
	g.add(instr{op: opGet, x: localSP}, instr{op: opConst, x: 8}, instr{op: opSub}, instr{op: opTee, x: localSP}, instr{op: opGlobalSet, x: globalSP},
		instr{op: opGet, x: localSP}, instr{op: opConst64, x: back}, instr{op: opStore64, x: 3}, instr{op: opConst}, instr{op: opCall, x: warm + int64(g.Intn(2))},
		instr{op: opGlobalGet, x: globalSP}, instr{op: opSet, x: localSP}, instr{op: opBrIf, x: outermost})
}

// testProgram is a module of three functions. Those that are called add the address
// that they would return to into the sum, and unwind the stack now and then.
func testProgram(f *function) *program {
	called := &function{locals: []byte{1, 1, typeI32}, code: []instr{
		{op: opGlobalGet, x: globalSP}, {op: opTee, x: localSP},
		{op: opGet, x: localSP}, {op: opLoad64, x: 3, y: 8 + sumAt}, {op: opGet, x: localSP}, {op: opLoad64, x: 3}, {op: opAdd64}, {op: opStore64, x: 3, y: 8 + sumAt},
		{op: opGet, x: localSP}, {op: opConst, x: 8}, {op: opAdd}, {op: opGlobalSet, x: globalSP},
		{op: opGet, x: localSP}, {op: opLoad, x: 2, y: 8 + sumAt}, {op: opConst, x: 7}, {op: 0x71}, {op: opEqz}, {op: opEnd},
	}}
	signature := []byte{typeFunction, 1, typeI32, 1, typeI32}
	return &program{
		sections: []section{
			{sectionType, append([]byte{1}, signature...)},
			{sectionFunction, []byte{3, 0, 0, 0}},
			{5, []byte{1, 0, 1}},
			{6, []byte{1, typeI32, 1, opConst, 0, opEnd}},
			{sectionExport, []byte("\x03\x01f\x00\x00\x01m\x02\x00\x01g\x03\x00")},
			{sectionCode, nil},
		},
		functions: []*function{f, called, called},
		names:     []string{"f", "strings.Repeat", "runtime.printlock"},
	}
}

// machine runs the first function of a module.
type machine struct {
	function api.Function
	memory   api.Memory
	sp       api.MutableGlobal
}

func start(t *testing.T, p *program) machine {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { require.NoError(t, r.Close(t.Context())) })
	m, err := r.Instantiate(t.Context(), p.encode())
	require.NoError(t, err)
	return machine{m.ExportedFunction("f"), m.Memory(), m.ExportedGlobal("g").(api.MutableGlobal)}
}

// run enters the function with the stack pointer near the top, and tells what it left behind.
func (m machine) run(t *testing.T, entry int64, fuel uint64) string {
	t.Helper()
	out, err := m.enter(t, entry, fuel)
	require.NoError(t, err)
	all, _ := m.memory.Read(stackTop, stackTop)
	return fmt.Sprint(out, m.sp.Get(), all)
}

func (m machine) enter(t *testing.T, entry int64, fuel uint64) ([]uint64, error) {
	t.Helper()
	m.memory.Write(0, make([]byte, 2*stackTop))
	m.memory.WriteUint64Le(stackTop+fuelAt, fuel)
	m.sp.Set(stackTop)
	return m.function.Call(t.Context(), uint64(entry))
}

// TestLookup finds the records of addresses of a table of three functions.
func TestLookup(t *testing.T) {
	const first, records, module = 1 << 28, 4096, 64
	const end = first + 2<<functionShift + 9
	table := &pcln{records: records, module: module}
	m := start(t, testProgram(table.lookup(first, end)))
	for i := range uint32(3) {
		m.memory.WriteUint32Le(records+8*i+4, 100*(i+1))
	}
	for address, want := range map[uint64]uint64{
		0: 0, first - 1: 0, first: records + 100, first + 0xffff: records + 100, first + 0x10000: records + 200, end - 1: records + 300, end: 0, 1<<63 + first: 0,
	} {
		m.sp.Set(stackTop)
		m.memory.WriteUint64Le(stackTop+8, address)
		out, err := m.function.Call(t.Context(), 0)
		require.NoError(t, err)
		require.Equal(t, []uint64{0}, out)
		require.Equal(t, uint64(stackTop+8), m.sp.Get())
		record, _ := m.memory.ReadUint64Le(stackTop + 16)
		described, _ := m.memory.ReadUint64Le(stackTop + 24)
		require.Equal(t, want, record, "address %x", address)
		require.Equal(t, want != 0, described == module, "address %x", address)
	}
}

// TestFunctionsKeepTheirBytes takes every form of instruction apart and puts it together.
func TestFunctionsKeepTheirBytes(t *testing.T) {
	body := []byte{2, 1, typeI32, 3, typeI64, opBlock, typeVoid, opBrTable, 1, 0, 0x80, 1, opEnd, opCallIndirect, 3, 0, opLoad64, 3, 0xff, 1, opMemorySize, 0, opConst, 0x7f}
	body = append(body, opConstF32, 1, 2, 3, 4)
	body = append(binary.LittleEndian.AppendUint64(append(body, opConstF64), 1<<60+5), opPrefix, opMemoryCopy, 0, 0, opPrefix, opMemoryFill, 0, opPrefix, 7, 0x1a, 0x1b, opLastPlain, opEnd)
	f, err := parseFunction(body)
	require.NoError(t, err)
	require.Equal(t, body, f.encode())
	for name, body := range map[string][]byte{
		"no end":                {0, opNop},
		"nothing":               {},
		"a reference":           {0, 0xd2, 0, opEnd},
		"a vector":              {0, 0xfd, 0, opEnd},
		"a table is copied":     {0, opPrefix, 14, 0, 0, opEnd},
		"branches without end":  {0, opBrTable, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"locals without a type": {1, 1},
	} {
		_, err := parseFunction(body)
		require.ErrorIs(t, err, errForm, name)
	}
}
