// Package golden reads and runs the vectors of testdata/golden, which say what
// any implementation of the core must answer. See testdata/golden/README.md
// for their form.
package golden

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"strings"
)

// Vector is one case.
type Vector struct {
	Name string // group/fault
	Harm string // what a user loses if an implementation gets it wrong
	// Calls are the requests: one of a hand-written vector, many of a product.
	Calls []json.RawMessage
	// Expect is the part of the response that was written by hand; nil for a
	// product.
	Expect json.RawMessage
	// Out is the whole response that a machine wrote down, a line each; nil
	// until it was.
	Out []byte
}

type file struct {
	Harm   string            `json:"harm"`
	Call   json.RawMessage   `json:"call"`
	Calls  []json.RawMessage `json:"calls"`
	Expect json.RawMessage   `json:"expect"`
}

const (
	manifestName = "manifest.json"
	readmeName   = "README.md"
	outSuffix    = ".out.json"
)

// Load reads every vector of a folder, in the order of names. A file that is no
// vector, and one without harm, is an error.
func Load(fsys fs.FS) ([]Vector, error) {
	var list []Vector
	outs := map[string]bool{}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir() || p == manifestName || p == readmeName:
			return err
		case strings.HasSuffix(p, outSuffix):
			outs[p] = true
			return nil
		case path.Ext(p) != ".json" || path.Dir(p) == ".":
			return fmt.Errorf("%s is no vector", p)
		}
		v, err := load(fsys, p)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		p := list[i].Name + outSuffix
		if !outs[p] {
			continue
		}
		delete(outs, p)
		if list[i].Out, err = fs.ReadFile(fsys, p); err != nil {
			return nil, err
		}
	}
	for p := range outs {
		return nil, fmt.Errorf("%s belongs to no vector", p)
	}
	return list, nil
}

func load(fsys fs.FS, p string) (Vector, error) {
	data, err := fs.ReadFile(fsys, p)
	if err != nil {
		return Vector{}, err
	}
	var f file
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return Vector{}, fmt.Errorf("%s: %w", p, err)
	}
	v := Vector{Name: strings.TrimSuffix(p, ".json"), Harm: f.Harm, Calls: f.Calls, Expect: f.Expect}
	if f.Call != nil {
		v.Calls = append(v.Calls, f.Call)
	}
	switch {
	case f.Harm == "":
		return v, fmt.Errorf("%s does not say what harm it prevents", p)
	case len(v.Calls) == 0:
		return v, fmt.Errorf("%s has no call", p)
	case f.Call != nil && f.Expect == nil:
		return v, fmt.Errorf("%s expects nothing", p)
	}
	return v, nil
}

// Failure is a vector that an implementation does not satisfy.
type Failure struct {
	Name string
	Why  string
	Harm string
}

// Run asks an implementation every call and returns what is wrong. The response
// to a hand-written vector must contain what it expects; where a machine wrote
// the response down, it must be the same bytes.
func Run(vectors []Vector, impl func(call []byte) ([]byte, error)) []Failure {
	var failures []Failure
	for i := range vectors {
		v := &vectors[i]
		out, why := answer(v, impl)
		if why == "" && v.Expect != nil {
			why = contains(v.Expect, out)
		}
		if why == "" && v.Out != nil && !bytes.Equal(out, v.Out) {
			why = "the response is not the recorded one:\n  got  " + firstDifference(out, v.Out) + "\n  want " + firstDifference(v.Out, out)
		}
		if why == "" && v.Out == nil {
			why = "no response is recorded; run \"make golden\" and read what it wrote"
		}
		if why != "" {
			failures = append(failures, Failure{v.Name, why, v.Harm})
		}
	}
	return failures
}

// answer joins the responses to all calls of a vector, a line each.
func answer(v *Vector, impl func([]byte) ([]byte, error)) ([]byte, string) {
	var all []byte
	for _, c := range v.Calls {
		var compact bytes.Buffer
		// A call with a fault of form must arrive as it is written.
		if err := json.Compact(&compact, c); err != nil {
			return nil, err.Error()
		}
		call := compact.Bytes()
		var text string
		if json.Unmarshal(c, &text) == nil {
			call = []byte(text) // a string is the exact text of a malformed call
		}
		out, err := impl(call)
		if err != nil {
			return nil, err.Error()
		}
		all = append(append(all, bytes.TrimRight(out, "\n")...), '\n')
	}
	return all, ""
}

// contains reports why got does not hold what want says: each key of an object,
// each element of a list in order and no others, equal values. It returns "" if
// it does.
func contains(want, got []byte) string {
	w, err := decode(want)
	if err != nil {
		return "expect: " + err.Error()
	}
	g, err := decode(got)
	if err != nil {
		return "the response is no JSON: " + err.Error()
	}
	return differs("", w, g)
}

func decode(data []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

func differs(at string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return at + ": want an object, got " + show(got)
		}
		for k, x := range w {
			y, ok := g[k]
			if !ok && x == nil {
				continue // null says that the key is absent
			}
			if !ok {
				return at + "." + k + " is missing, want " + show(x)
			}
			if why := differs(at+"."+k, x, y); why != "" {
				return why
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: want %s, got %s", at, show(want), show(got))
		}
		for i := range w {
			if why := differs(fmt.Sprintf("%s[%d]", at, i), w[i], g[i]); why != "" {
				return why
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return at + ": want " + show(want) + ", got " + show(got)
	}
	return ""
}

func show(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// firstDifference cuts a to what is around the place where it leaves b.
func firstDifference(a, b []byte) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("%q (byte %d)", a[max(0, i-60):min(len(a), i+60)], i)
}

// Manifest lists the vectors with a digest each, so that an implementation
// elsewhere can tell that it has them all.
func Manifest(fsys fs.FS, vectors []Vector) ([]byte, error) {
	type line struct {
		Name   string `json:"name"`
		SHA256 string `json:"sha256"`
		Harm   string `json:"harm"`
	}
	lines := []line{}
	for i := range vectors {
		data, err := fs.ReadFile(fsys, vectors[i].Name+".json")
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		lines = append(lines, line{vectors[i].Name, hex.EncodeToString(sum[:]), vectors[i].Harm})
	}
	data, err := json.MarshalIndent(map[string]any{"vectors": lines}, "", " ")
	return append(data, '\n'), err
}
