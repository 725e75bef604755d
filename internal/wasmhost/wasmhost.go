// Package wasmhost runs the WebAssembly module of wasm/ABI.md outside
// JavaScript, for the golden vectors and for tests.
package wasmhost

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/paperclipai/syncplan/core"
)

// Module is a compiled module.
type Module struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

// Compile reads a module. Close it after use.
func Compile(ctx context.Context, wasm []byte) (*Module, error) {
	r := wazero.NewRuntime(ctx)
	_, err := wasi_snapshot_preview1.Instantiate(ctx, r)
	if err == nil {
		var c wazero.CompiledModule
		if c, err = r.CompileModule(ctx, wasm); err == nil {
			return &Module{r, c}, nil
		}
	}
	return nil, errors.Join(err, r.Close(ctx))
}

// Close releases the module and its instances.
func (m *Module) Close(ctx context.Context) error { return m.runtime.Close(ctx) }

// Imports returns the functions that the module imports, as module.name.
func (m *Module) Imports() []string {
	var names []string
	for _, f := range m.compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		names = append(names, module+"."+name)
	}
	return names
}

// Instance answers calls, one at a time.
type Instance struct {
	module api.Module
}

// Start makes an instance. The configuration sets its clocks and its source of
// randomness. A module of another ABI is refused with [core.CodeUnsupported].
func (m *Module) Start(ctx context.Context, config wazero.ModuleConfig) (*Instance, error) {
	module, err := m.runtime.InstantiateModule(ctx, m.compiled, config.WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		return nil, err
	}
	i := &Instance{module}
	abi, err := i.export(ctx, "abi")
	if err == nil && (abi>>16 != core.ABIMajor || abi&0xffff < core.ABIMinor) {
		err = &core.Error{Code: core.CodeUnsupported,
			Message: fmt.Sprintf("the module has ABI %d.%d, not %d.%d", abi>>16, abi&0xffff, core.ABIMajor, core.ABIMinor)}
	}
	if err != nil {
		return nil, errors.Join(err, module.Close(ctx))
	}
	return i, nil
}

// Close releases the instance.
func (i *Instance) Close(ctx context.Context) error { return i.module.Close(ctx) }

func (i *Instance) export(ctx context.Context, name string, args ...uint64) (uint32, error) {
	f := i.module.ExportedFunction(name)
	if f == nil {
		return 0, &core.Error{Code: core.CodeUnsupported, Message: "the module does not export " + name}
	}
	out, err := f.Call(ctx, args...)
	if err != nil || len(out) != 1 {
		return 0, errors.Join(fmt.Errorf("the module failed in %s", name), err)
	}
	return uint32(out[0]), nil
}

// Call asks one question as JSON, without sections.
func (i *Instance) Call(ctx context.Context, call []byte) ([]byte, error) {
	frame := make([]byte, 16, 16+len(call))
	binary.LittleEndian.PutUint32(frame[8:], uint32(len(call)))
	frame = append(frame, call...)
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)))
	out, err := i.Frame(ctx, frame)
	if err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(out[8:])
	return out[16 : 16+n], nil
}

// Frame sends one framed request and returns a copy of the answer's frame.
func (i *Instance) Frame(ctx context.Context, frame []byte) ([]byte, error) {
	at, err := i.export(ctx, "buffer", uint64(len(frame)))
	if err != nil {
		return nil, err
	}
	if !i.module.Memory().Write(at, frame) {
		return nil, errors.New("the module gave a buffer outside its memory")
	}
	if at, err = i.export(ctx, "call", uint64(len(frame))); err != nil {
		return nil, err
	}
	size, ok := i.module.Memory().ReadUint32Le(at)
	if ok && size >= 16 {
		if out, ok := i.module.Memory().Read(at, size); ok {
			return append([]byte(nil), out...), nil
		}
	}
	return nil, errors.New("the module gave an answer outside its memory")
}
