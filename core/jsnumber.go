package core

import (
	"strconv"
	"strings"
)

// The conversions of JavaScript (ECMA-262) that the seed relies on.

// JSTrim is String.prototype.trim.
func JSTrim(s string) string { return strings.TrimFunc(s, jsSpace) }

// jsSpace holds for white space and line terminators.
func jsSpace(r rune) bool {
	switch {
	case '\t' <= r && r <= '\r', r == ' ', r == 0xa0, r == 0x1680, 0x2000 <= r && r <= 0x200a,
		r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000, r == 0xfeff:
		return true
	}
	return false
}

// ToNumber is Number(v). ok is false where JavaScript gives NaN, and for an
// object with a toString or valueOf of its own, where it may throw.
func (v *Value) ToNumber() (n float64, ok bool) {
	switch v.Kind {
	case NullValue:
		return 0, true
	case BoolValue:
		if v.Bool {
			n = 1
		}
		return n, true
	case NumberValue:
		return v.Number, true
	case StringValue:
		return stringToNumber(v.Text)
	case ListValue:
		return v.listToNumber()
	}
	return 0, false
}

// listToNumber converts the text of a list: its elements, joined by commas. No
// number holds a comma, so that the text of one element is all that counts.
func (v *Value) listToNumber() (float64, bool) {
	if len(v.List) != 1 {
		return 0, len(v.List) == 0
	}
	if e := &v.List[0]; e.Kind != BoolValue { // whose text is a word
		return e.ToNumber()
	}
	return 0, false
}

// stringToNumber is StringToNumber of ECMA-262.
func stringToNumber(s string) (float64, bool) {
	s = JSTrim(s)
	if s == "" {
		return 0, true
	}
	if len(s) > 2 && s[0] == '0' {
		switch s[1] | 0x20 {
		case 'x':
			return radix(s[2:], 4)
		case 'o':
			return radix(s[2:], 3)
		case 'b':
			return radix(s[2:], 1)
		}
	}
	digits := s
	if s[0] == '+' || s[0] == '-' {
		digits = s[1:]
	}
	if digits != "Infinity" && !decimal(digits, false) {
		return 0, false
	}
	n, _ := strconv.ParseFloat(s, 64) // out of range is the infinity that is returned
	return n, true
}

// decimal reports whether s is digits with a fraction and an exponent. Strict,
// as JSON is, it asks for a digit on both sides of the point.
func decimal(s string, strict bool) bool {
	whole, s := cutDigits(s)
	if rest, ok := strings.CutPrefix(s, "."); ok {
		var fraction int
		if fraction, s = cutDigits(rest); fraction == 0 && (strict || whole == 0) {
			return false
		}
	} else if whole == 0 {
		return false
	}
	if s == "" {
		return true
	}
	if s[0]|0x20 != 'e' {
		return false
	}
	s = s[1:]
	if s != "" && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	n, s := cutDigits(s)
	return n > 0 && s == ""
}

func cutDigits(s string) (n int, rest string) {
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n, s[n:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// radix converts digits of so many bits, rounded once: they become the
// hexadecimal digits that strconv rounds.
func radix(digits string, bits int) (float64, bool) {
	binary := make([]byte, 0, len(digits)*bits+3)
	for pad := (4 - len(digits)*bits%4) % 4; pad > 0; pad-- {
		binary = append(binary, 0)
	}
	for i := 0; i < len(digits); i++ {
		d := digits[i]
		if 'A' <= d && d <= 'F' {
			d += 'a' - 'A'
		}
		v := unhex(d)
		if int(v) >= 1<<bits {
			return 0, false
		}
		for b := bits - 1; b >= 0; b-- {
			binary = append(binary, v>>b&1)
		}
	}
	hex := append(make([]byte, 0, len(binary)/4+4), "0x"...)
	for i := 0; i < len(binary); i += 4 {
		hex = append(hex, hexDigits[binary[i]<<3|binary[i+1]<<2|binary[i+2]<<1|binary[i+3]])
	}
	n, _ := strconv.ParseFloat(string(append(hex, "p0"...)), 64) // out of range is infinite
	return n, true
}

// JSNumber is String(n) of a finite number.
func JSNumber(n float64) string {
	s := strconv.FormatFloat(n, 'e', -1, 64) // d.ddde±dd, the fewest digits that read back as n
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	mantissa, exp, _ := strings.Cut(s, "e") // an exponent is always there
	digits := strings.Replace(mantissa, ".", "", 1)
	e, _ := strconv.Atoi(exp) // what FormatFloat writes is a number
	point := e + 1            // where the decimal point stands in digits
	switch k := len(digits); {
	case n == 0:
		return "0"
	case k <= point && point <= 21:
		return sign + digits + strings.Repeat("0", point-k)
	case 0 < point && point <= 21:
		return sign + digits[:point] + "." + digits[point:]
	case -6 < point && point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + digits
	}
	s = digits[:1]
	if len(digits) > 1 {
		s += "." + digits[1:]
	}
	if e > 0 {
		return sign + s + "e+" + strconv.Itoa(e)
	}
	return sign + s + "e" + strconv.Itoa(e)
}
