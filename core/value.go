package core

import "strconv"

// ValueKind is what a JSON value is.
type ValueKind uint8

// The kinds. Undefined is a value that is not there.
const (
	Undefined ValueKind = iota
	NullValue
	BoolValue
	NumberValue
	StringValue
	ListValue
	ObjectValue
)

// Value is any JSON value, for the few calls that take what a caller happened to
// have instead of a form of ours.
type Value struct {
	Kind   ValueKind // says which of the others counts
	Bool   bool
	Number float64
	Text   string
	List   []Value
	fields map[string]Value
}

// Field returns a field of an object, and an undefined value of all else.
func (v *Value) Field(name string) *Value {
	f := v.fields[name]
	return &f
}

// Value is any value. It is read, never written.
func (o *Object) Value(name string, p *Value) {
	if !o.Reading() {
		return
	}
	if r := o.find(name, false); r != nil {
		v, err := r.value()
		o.FailWith(inFieldOrNil(err, name))
		*p = v
	}
}

// Number is a required number of JavaScript: finite, written as it writes them.
func (o *Object) Number(name string, p *float64) {
	if !o.Reading() {
		o.key(name)
		o.out = append(o.out, JSNumber(*p)...)
		return
	}
	if r := o.find(name, true); r != nil {
		n, ok := r.number()
		if !ok || n-n != 0 {
			o.Fail(name, "not a finite number")
			return
		}
		*p = n
	}
}

// value reads the value that the reader stands at, which a first pass skipped
// over.
func (r *reader) value() (Value, error) {
	fault := func(why string) (Value, error) {
		return Value{}, &Error{Code: CodeInvalidRequest, Message: why}
	}
	switch c := r.peek(); c {
	case 'n':
		return Value{Kind: NullValue}, nil
	case 't', 'f':
		return Value{Kind: BoolValue, Bool: c == 't'}, nil
	case '"':
		s, why := r.str()
		if why != "" {
			return fault(why)
		}
		return Value{Kind: StringValue, Text: s}, nil
	case '[':
		v := Value{Kind: ListValue}
		err := r.list(func(_ int, r *reader) error {
			e, err := r.value()
			v.List = append(v.List, e)
			return err
		})
		return v, err
	case '{':
		spans, err := r.object()
		v := Value{Kind: ObjectValue, fields: make(map[string]Value, len(spans))}
		for _, s := range spans {
			if err == nil {
				v.fields[s.name], err = (&reader{data: r.data[:s.end], pos: s.start}).value()
			}
		}
		return v, err
	}
	n, ok := r.number()
	if !ok {
		return fault("not a number")
	}
	return Value{Kind: NumberValue, Number: n}, nil
}

// number reads a JSON number. One beyond all others is infinite, as in
// JavaScript.
func (r *reader) number() (float64, bool) {
	s := string(r.rest())
	digits := s
	if len(s) > 0 && s[0] == '-' {
		digits = s[1:]
	}
	if len(digits) == 0 || digits[0] == '.' || digits[0] == '0' && len(digits) > 1 && isDigit(digits[1]) || !decimal(digits, true) {
		return 0, false
	}
	n, _ := strconv.ParseFloat(s, 64) // out of range is the infinity that is returned
	return n, true
}
