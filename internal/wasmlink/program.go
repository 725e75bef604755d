package main

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// program is a module whose functions are taken apart.
type program struct {
	sections  []section
	imports   int         // functions that it imports, which are numbered first
	functions []*function // its own
	names     []string    // of all functions
}

// parseProgram reads a module that still has the names of its functions.
func parseProgram(module []byte) (*program, error) {
	sections, err := parse(module)
	if err != nil {
		return nil, err
	}
	p := &program{sections: sections}
	for _, id := range []byte{sectionStart, sectionDataCount} {
		if p.section(id) != nil {
			return nil, errForm
		}
	}
	for _, id := range []byte{sectionType, sectionImport, sectionFunction, sectionExport, sectionCode, sectionData} {
		if p.section(id) == nil {
			return nil, errForm
		}
	}
	// Go's linker imports functions alone.
	p.imports = int((&reader{rest: p.section(sectionImport).body}).uint())
	r := &reader{rest: p.section(sectionCode).body}
	for n := r.uint(); n > 0 && !r.failed; n-- {
		f, err := parseFunction(r.bytes(r.uint()))
		if err != nil {
			return nil, err
		}
		p.functions = append(p.functions, f)
	}
	if r.failed || len(r.rest) > 0 {
		return nil, errForm
	}
	p.names, err = functionNames(sections, p.imports+len(p.functions))
	if err == nil && !p.callsKnown() {
		err = errForm
	}
	return p, err
}

// callsKnown reports whether every function that is called is there.
func (p *program) callsKnown() bool {
	unknown := func(in instr) bool { return in.op == opCall && uint64(in.x) >= uint64(len(p.names)) }
	return !slices.ContainsFunc(p.functions, func(f *function) bool { return slices.ContainsFunc(f.code, unknown) })
}

// section returns the first of a kind, or nil.
func (p *program) section(id byte) *section {
	i := slices.IndexFunc(p.sections, func(s section) bool { return s.id == id })
	if i < 0 {
		return nil
	}
	return &p.sections[i]
}

// name returns the name of one of the program's own functions.
func (p *program) name(i int) string { return p.names[p.imports+i] }

// addFunction adds a function and returns its number. signature is its type as it
// stands in a module.
func (p *program) addFunction(name string, signature []byte, f *function) int64 {
	types := p.section(sectionType)
	kind := typeIndex(types.body, signature)
	if kind < 0 {
		kind = int((&reader{rest: types.body}).uint())
		types.body = appendItem(types.body, signature)
	}
	own := p.section(sectionFunction)
	own.body = appendItem(own.body, binary.AppendUvarint(nil, uint64(kind)))
	p.functions, p.names = append(p.functions, f), append(p.names, name)
	return int64(p.imports + len(p.functions) - 1)
}

// appendItem adds an item to a list that begins with its length.
func appendItem(list, item []byte) []byte {
	r := &reader{rest: list}
	out := binary.AppendUvarint(nil, r.uint()+1)
	return append(append(out, r.rest...), item...)
}

// typeIndex returns the place of a function type in the list of types, or -1.
func typeIndex(types, signature []byte) int {
	r := &reader{rest: types}
	for i, n := 0, int(r.uint()); i < n && !r.failed; i++ {
		all := r.rest
		r.byte()
		r.bytes(r.uint())
		r.bytes(r.uint())
		if bytes.Equal(all[:len(all)-len(r.rest)], signature) {
			return i
		}
	}
	return -1
}

// encode writes the module, without its custom sections.
func (p *program) encode() []byte {
	code := binary.AppendUvarint(nil, uint64(len(p.functions)))
	for _, f := range p.functions {
		body := f.encode()
		code = append(binary.AppendUvarint(code, uint64(len(body))), body...)
	}
	p.section(sectionCode).body = code
	return encode(slices.DeleteFunc(p.sections, func(s section) bool { return s.id == sectionCustom }))
}

// functionNames reads the names of n functions.
func functionNames(sections []section, n int) ([]string, error) {
	const functionNames = 1
	for _, s := range sections {
		r := &reader{rest: s.body}
		if s.id != sectionCustom || string(r.bytes(r.uint())) != "name" {
			continue
		}
		for len(r.rest) > 0 {
			kind, sub := r.byte(), &reader{rest: r.bytes(r.uint())}
			if kind != functionNames {
				continue
			}
			names := make([]string, n)
			for left := sub.uint(); left > 0 && !sub.failed; left-- {
				i, name := sub.uint(), sub.bytes(sub.uint())
				if i >= uint64(n) {
					return nil, errForm
				}
				names[i] = string(name)
			}
			if sub.failed {
				return nil, errForm
			}
			return names, nil
		}
	}
	return nil, errForm
}
