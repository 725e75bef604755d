package core

import "unicode/utf8"

// reader is a strict JSON scanner over one value at a time. A document is
// first skipped over as a whole, which checks its syntax and depth; after that
// values are read where they stand.
type reader struct {
	data []byte
	pos  int
}

func (r *reader) fault(why string) error {
	return &Error{Code: CodeInvalidRequest, Message: "invalid JSON at byte " + itoa(int64(r.pos)) + ": " + why}
}

func (r *reader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

func (r *reader) peek() byte {
	if r.pos < len(r.data) {
		return r.data[r.pos]
	}
	return 0
}

// rest is the whole value that the reader stands at.
func (r *reader) rest() []byte { return r.data[r.pos:] }

// skip moves past one value and checks its syntax.
func (r *reader) skip(depth int) error {
	if depth > maxJSONDepth {
		return &Error{Code: CodeLimit, Message: "document is nested more than " + itoa(maxJSONDepth) + " deep"}
	}
	switch c := r.peek(); {
	case c == '{':
		return r.skipAll('}', func() error {
			if err := r.skipString(); err != nil {
				return err
			}
			r.space()
			if r.peek() != ':' {
				return r.fault("':' expected")
			}
			r.pos++
			r.space()
			return r.skip(depth + 1)
		})
	case c == '[':
		return r.skipAll(']', func() error { return r.skip(depth + 1) })
	case c == '"':
		return r.skipString()
	case c == '-' || '0' <= c && c <= '9':
		for c := r.peek(); c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E' || '0' <= c && c <= '9'; c = r.peek() {
			r.pos++
		}
		return nil
	}
	for _, word := range [3]string{"true", "false", "null"} {
		if len(r.data)-r.pos >= len(word) && string(r.data[r.pos:r.pos+len(word)]) == word {
			r.pos += len(word)
			return nil
		}
	}
	return r.fault("a value is expected")
}

// skipAll moves past a list of what one skips, up to and including end.
func (r *reader) skipAll(end byte, one func() error) error {
	r.pos++
	r.space()
	if r.peek() == end {
		r.pos++
		return nil
	}
	for {
		r.space()
		if err := one(); err != nil {
			return err
		}
		r.space()
		switch r.peek() {
		case ',':
			r.pos++
		case end:
			r.pos++
			return nil
		default:
			return r.fault("',' or '" + string(rune(end)) + "' expected")
		}
	}
}

func (r *reader) skipString() error {
	if r.peek() != '"' {
		return r.fault("a string is expected")
	}
	for i := r.pos + 1; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.pos = i + 1
			return nil
		case c == '\\':
			i++
		case c < 0x20:
			r.pos = i
			return r.fault("a control character stands in a string")
		}
	}
	return r.fault("a string does not end")
}

// object returns the fields of the object that the reader stands at.
func (r *reader) object() ([]span, error) {
	if r.peek() != '{' {
		return nil, &Error{Code: CodeInvalidRequest, Message: "not an object"}
	}
	var spans []span
	err := r.skipAll('}', func() error {
		k := &reader{data: r.data, pos: r.pos}
		if err := r.skipString(); err != nil {
			return err
		}
		k.data = r.data[:r.pos]
		name, why := k.str()
		if why != "" {
			return r.fault(why)
		}
		for i := range spans {
			if spans[i].name == name {
				return &Error{Code: CodeInvalidRequest, Field: name, Message: "field stands twice"}
			}
		}
		r.space()
		r.pos++ // the colon, checked by the first pass
		r.space()
		start := r.pos
		if err := r.skip(0); err != nil {
			return err
		}
		if len(spans) == 256 {
			return &Error{Code: CodeLimit, Message: "object has more than 256 fields"}
		}
		spans = append(spans, span{name: name, start: start, end: r.pos})
		return nil
	})
	return spans, err
}

// list calls one for each element of the list that the reader stands at.
func (r *reader) list(one func(i int, r *reader) error) error {
	if r.peek() != '[' {
		return &Error{Code: CodeInvalidRequest, Message: "not a list"}
	}
	i := 0
	return r.skipAll(']', func() error {
		start := r.pos
		if err := r.skip(0); err != nil {
			return err
		}
		err := one(i, &reader{data: r.data[:r.pos], pos: start})
		i++
		return err
	})
}

// integer reads a whole number without exponent or fraction.
func (r *reader) integer() (int64, string) {
	b := r.rest()
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 16 || b[0] == '0' && (len(b) > 1 || neg) {
		return 0, "not a whole number of at most 2^53-1"
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, "not a whole number of at most 2^53-1"
		}
		n = n*10 + int64(c-'0')
	}
	if n > MaxSize {
		return 0, "not a whole number of at most 2^53-1"
	}
	if neg {
		n = -n
	}
	return n, ""
}

// str reads a string. The second result says what is wrong with it.
func (r *reader) str() (string, string) {
	b := r.rest()
	if len(b) < 2 || b[0] != '"' {
		return "", "not a string"
	}
	b = b[1 : len(b)-1]
	plain := true
	for _, c := range b {
		if c == '\\' {
			plain = false
			break
		}
	}
	if !plain {
		var why string
		if b, why = unescape(b); why != "" {
			return "", why
		}
	}
	if !utf8.Valid(b) {
		return "", "string is not valid UTF-8"
	}
	return string(b), ""
}

func unescape(b []byte) ([]byte, string) {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		i++
		if i == len(b) {
			return nil, "string ends in a backslash"
		}
		switch b[i] {
		case '"', '\\', '/':
			out = append(out, b[i])
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			c, n, ok := codePoint(b[i+1:])
			if !ok {
				return nil, "string has a bad \\u escape or a lone surrogate"
			}
			out = utf8.AppendRune(out, c)
			i += n
		default:
			return nil, "string has an unknown escape"
		}
	}
	return out, ""
}

// codePoint reads what follows \u: four digits, or a surrogate pair.
func codePoint(b []byte) (c rune, n int, ok bool) {
	hi, ok := hex4(b)
	switch {
	case !ok || 0xdc00 <= hi && hi < 0xe000:
		return 0, 0, false
	case hi < 0xd800 || hi >= 0xe000:
		return hi, 4, true
	case len(b) < 10 || b[4] != '\\' || b[5] != 'u':
		return 0, 0, false
	}
	lo, ok := hex4(b[6:])
	if !ok || lo < 0xdc00 || lo >= 0xe000 {
		return 0, 0, false
	}
	return 0x10000 + (hi-0xd800)<<10 + (lo - 0xdc00), 10, true
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		if 'A' <= c && c <= 'F' {
			c += 'a' - 'A'
		}
		v := unhex(c)
		if v > 15 {
			return 0, false
		}
		r = r<<4 | rune(v)
	}
	return r, true
}
