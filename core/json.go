package core

import (
	"encoding/base64"
	"slices"
	"unicode/utf8"
)

// JSON limits. They bound what a hostile document can make a reader do.
const (
	MaxJSON      = 1 << 31 // bytes of one document
	maxJSONDepth = 32
)

// Object is one JSON object being written or read. A type lists its fields
// once, in canonical order, and the list serves both directions: writing
// appends them in that order, reading takes them in any order and refuses
// unknown and repeated names.
//
// After the first failure the other methods do nothing.
type Object struct {
	out   []byte  // writing
	wrote bool    // writing: a field stands already
	in    *reader // reading; nil when writing
	spans []span  // reading: the fields found
	path  string  // reading: where this object stands in the document
	with  *Attached
	err   *error
}

type span struct {
	name       string
	start, end int
	used       bool
}

// EncodeJSON returns the canonical JSON of what fields lists.
func EncodeJSON(fields func(*Object)) []byte { return EncodeWith(nil, fields) }

// EncodeWith is [EncodeJSON] of a document that may have attachments.
func EncodeWith(with *Attached, fields func(*Object)) []byte {
	var err error
	o := &Object{out: append(make([]byte, 0, 4096), '{'), with: with, err: &err}
	fields(o)
	return append(o.out, '}')
}

// DecodeJSON reads one document of the form that fields lists. Errors are
// *[Error]s of [CodeInvalidRequest], [CodeInvalidPath] or [CodeLimit] that name
// the field.
func DecodeJSON(data []byte, fields func(*Object)) error { return DecodeWith(nil, data, fields) }

// DecodeWith is [DecodeJSON] of a document that may have attachments.
func DecodeWith(with *Attached, data []byte, fields func(*Object)) error {
	if len(data) > MaxJSON {
		return &Error{Code: CodeLimit, Message: "document is larger than 2 GiB"}
	}
	r := &reader{data: data}
	r.space()
	start := r.pos
	if err := r.skip(0); err != nil {
		return err
	}
	end := r.pos
	r.space()
	if r.pos != len(data) {
		return r.fault("something follows the document")
	}
	var err error
	readObject(&reader{data: data[:end], pos: start}, "", with, &err, fields)
	return err
}

func readObject(r *reader, path string, with *Attached, err *error, fields func(*Object)) {
	spans, e := r.object()
	if e != nil {
		*err = inField(e, path)
		return
	}
	o := &Object{in: r, spans: spans, path: path, with: with, err: err}
	fields(o)
	for i := range o.spans {
		if *err == nil && !o.spans[i].used {
			*err = o.fault(o.spans[i].name, "unknown field")
		}
	}
}

// Reading reports whether fields are being read.
func (o *Object) Reading() bool { return o.in != nil }

// Failed reports whether an earlier field failed.
func (o *Object) Failed() bool { return *o.err != nil }

// Fail makes the document invalid because of the named field.
func (o *Object) Fail(name, why string) {
	if *o.err == nil {
		*o.err = o.fault(name, why)
	}
}

// FailWith makes the document invalid with an error of its own.
func (o *Object) FailWith(err error) {
	if *o.err == nil && err != nil {
		*o.err = inField(err, o.path)
	}
}

func (o *Object) fault(name, why string) error {
	field := name
	if o.path != "" {
		field = o.path + "." + name
	}
	return &Error{Code: CodeInvalidRequest, Field: field, Message: why}
}

func (o *Object) key(name string) {
	if o.wrote {
		o.out = append(o.out, ',')
	}
	o.wrote = true
	o.out = appendString(o.out, name)
	o.out = append(o.out, ':')
}

// find returns a reader at the value of name, or nil.
func (o *Object) find(name string, required bool) *reader {
	if *o.err != nil {
		return nil
	}
	for i := range o.spans {
		if s := &o.spans[i]; s.name == name {
			s.used = true
			return &reader{data: o.in.data[:s.end], pos: s.start}
		}
	}
	if required {
		o.Fail(name, "field is missing")
	}
	return nil
}

// Str is a required string.
func (o *Object) Str(name string, p *string) { o.str(name, p, true) }

// OptStr is a string that is left out when empty.
func (o *Object) OptStr(name string, p *string) { o.str(name, p, false) }

func (o *Object) str(name string, p *string, required bool) {
	if !o.Reading() {
		if required || *p != "" {
			o.key(name)
			o.out = appendString(o.out, *p)
		}
		return
	}
	if r := o.find(name, required); r != nil {
		s, why := r.str()
		if why != "" {
			o.Fail(name, why)
			return
		}
		*p = s
	}
}

// Word is a small number that travels as a word: 1 as the first of words, and so
// on. 0, which has no word, is left out when optional.
func Word[T ~uint8](o *Object, name string, p *T, required bool, words []string) {
	word := WordOf(*p, words)
	Enum(o, name, &word, required, words...)
	if o.Reading() {
		*p = T(slices.Index(words, word) + 1)
	}
}

// WordOf returns the word for a number, or "" if it has none.
func WordOf[T ~uint8](n T, words []string) string {
	if n == 0 || int(n) > len(words) {
		return ""
	}
	return words[n-1]
}

// Enum is a string type whose value must be one of a list; "" is left out when
// the list does not hold it.
func Enum[T ~string](o *Object, name string, p *T, required bool, allowed ...T) {
	s := string(*p)
	o.str(name, &s, required)
	if !o.Reading() || o.Failed() || s == "" && !required {
		return
	}
	for _, a := range allowed {
		if string(a) == s {
			*p = a
			return
		}
	}
	o.Fail(name, "unknown value \""+DisplayPath(s)+"\"")
}

// Path is a required path, checked by [ValidatePath].
func (o *Object) Path(name string, p *string) {
	o.Str(name, p)
	if o.Reading() && !o.Failed() {
		if err := ValidatePath(*p); err != nil {
			*o.err = inField(inField(err, name), o.path)
		}
	}
}

// Int is an integer between low and high; when not required it is left out
// when 0.
func (o *Object) Int(name string, p *int64, required bool, low, high int64) {
	if !o.Reading() {
		if required || *p != 0 {
			o.key(name)
			o.out = append(o.out, itoa(*p)...)
		}
		return
	}
	if r := o.find(name, required); r != nil {
		n, why := r.integer()
		if why == "" && (n < low || n > high) {
			why = "number is not between " + itoa(low) + " and " + itoa(high)
		}
		if why != "" {
			o.Fail(name, why)
			return
		}
		*p = n
	}
}

// Count is an optional int of 0 to 2^53-1.
func (o *Object) Count(name string, p *int) {
	n := int64(*p)
	o.Int(name, &n, false, 0, MaxSize)
	*p = int(n)
}

// Bool is a boolean that is left out when false.
func (o *Object) Bool(name string, p *bool) {
	if !o.Reading() {
		if *p {
			o.key(name)
			o.out = append(o.out, "true"...)
		}
		return
	}
	if r := o.find(name, false); r != nil {
		switch string(r.rest()) {
		case "true":
			*p = true
		case "false":
			*p = false
		default:
			o.Fail(name, "not true or false")
		}
	}
}

// Digest is 64 hexadecimal digits, left out when zero and not required.
func (o *Object) Digest(name string, p *Digest, required bool) {
	s := ""
	if !p.IsZero() || required {
		s = p.String()
	}
	o.str(name, &s, required)
	if o.Reading() && !o.Failed() && s != "" {
		d, ok := ParseDigest(s)
		if !ok {
			o.Fail(name, "not a digest of 64 lower-case hexadecimal digits")
			return
		}
		*p = d
	}
}

// Bytes is base64 (RFC 4648, padded), left out when nil; empty is "". When
// reading, a section may stand in its place.
func (o *Object) Bytes(name string, p *[]byte) {
	if !o.Reading() {
		if *p != nil {
			o.key(name)
			o.out = append(o.out, '"')
			o.out = base64.StdEncoding.AppendEncode(o.out, *p)
			o.out = append(o.out, '"')
		}
		return
	}
	if r := o.find(name, false); r != nil {
		if b, ok := o.section(name, r); ok {
			*p = append([]byte{}, b...)
			return
		}
		s, why := r.str()
		if why != "" {
			o.Fail(name, why)
			return
		}
		b, err := base64.StdEncoding.Strict().AppendDecode([]byte{}, []byte(s))
		if err != nil {
			o.Fail(name, "not base64")
			return
		}
		*p = b
	}
}

// Strings is a list of strings, left out when empty.
func (o *Object) Strings(name string, p *[]string) {
	if !o.Reading() {
		if len(*p) == 0 {
			return
		}
		o.key(name)
		for i, s := range *p {
			o.out = append(o.out, "[,"[min(i, 1)])
			o.out = appendString(o.out, s)
		}
		o.out = append(o.out, ']')
		return
	}
	r := o.find(name, false)
	if r == nil {
		return
	}
	o.FailWith(inFieldOrNil(r.list(func(i int, r *reader) error {
		s, why := r.str()
		if why != "" {
			return &Error{Code: CodeInvalidRequest, Field: name + "[" + itoa(int64(i)) + "]", Message: why}
		}
		*p = append(*p, s)
		return nil
	}), name))
}

// inFieldOrNil names the field of an error that does not name one yet.
func inFieldOrNil(err error, name string) error {
	if e, ok := err.(*Error); ok && e.Field == "" {
		return inField(err, name)
	}
	return err
}

// List is a list of objects, left out when empty.
func List[T any](o *Object, name string, p *[]T, fields func(*Object, *T)) {
	o.list(name, len(*p), func(n *Object, i int) {
		if n.Reading() {
			*p = append(*p, *new(T))
		}
		fields(n, &(*p)[i])
	})
}

// list is [List] without the type of the elements, of which the WebAssembly
// module has many.
func (o *Object) list(name string, count int, element func(n *Object, i int)) {
	if !o.Reading() {
		if count == 0 {
			return
		}
		o.key(name)
		o.out = append(o.out, '[')
		for i := range count {
			if i > 0 {
				o.out = append(o.out, ',')
			}
			o.nested(func(n *Object) { element(n, i) })
		}
		o.out = append(o.out, ']')
		return
	}
	r := o.find(name, false)
	if r == nil {
		return
	}
	err := r.list(func(i int, r *reader) error {
		var err error
		readObject(r, joinField(o.path, name+"["+itoa(int64(i))+"]"), o.with, &err, func(n *Object) { element(n, i) })
		return err
	})
	if err != nil && *o.err == nil {
		if e, ok := err.(*Error); ok && e.Field == "" {
			err = inField(err, joinField(o.path, name))
		}
		*o.err = err
	}
}

// Opt is an object that is left out when *p is nil. It may be a kept value.
func Opt[T any](o *Object, name string, p **T, fields func(*Object, *T)) {
	o.optional(name, *p != nil, func(n *Object) {
		if n.Reading() {
			*p = new(T)
		}
		if n.names("kept") {
			v, ok := n.kept().(*T)
			if !ok {
				n.Fail("kept", "nothing of this kind is kept under this key")
				return
			}
			*p = v
			return
		}
		fields(n, *p)
	})
}

func (o *Object) optional(name string, present bool, fields func(*Object)) {
	if !o.Reading() {
		if present {
			o.key(name)
			o.nested(fields)
		}
		return
	}
	if r := o.find(name, false); r != nil {
		readObject(r, joinField(o.path, name), o.with, o.err, fields)
	}
}

func (o *Object) nested(fields func(*Object)) {
	n := &Object{out: append(o.out, '{'), with: o.with, err: o.err}
	fields(n)
	o.out = append(n.out, '}')
}

func joinField(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// appendString writes s as JSON.stringify does: short escapes, \u00xx for the
// other controls, everything else as it is. Bytes that are not UTF-8 become
// U+FFFD; documents hold none.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\b':
			b = append(b, '\\', 'b')
		case c == '\f':
			b = append(b, '\\', 'f')
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
		i++
	}
	return append(b, '"')
}
