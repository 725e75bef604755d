package core

// Attached is what stands beside a JSON document: bytes that are too large for
// it, and values that an earlier call kept. In the document {"section":N} and
// {"kept":KEY} name them.
type Attached struct {
	Sections [][]byte       // of what is read
	Written  []Section      // of what is written
	Kept     map[string]any // pointers
	// Borrow says that what is read may be made of parts of the sections, since it
	// is not used once they change.
	Borrow bool
	// Known is a tree: where it is valid, what stands in a section again is not
	// checked again.
	Known Tree
	// Write says that what is written may become a section.
	Write bool
}

// Section is what stands beside a document under one number, in parts that follow
// each other: put together, a large tree would be in memory twice.
type Section [][]byte

func (s Section) size() (n int) {
	for _, part := range s {
		n += len(part)
	}
	return n
}

// Borrow sets [Attached.Borrow] for what is read from now on.
func (o *Object) Borrow(on bool) {
	if o.with != nil {
		o.with.Borrow = on
	}
}

// number writes the number of a new section as the field of o.
func (o *Object) number(s Section) {
	n := int64(len(o.with.Written))
	o.with.Written = append(o.with.Written, s)
	o.Int("section", &n, true, 0, MaxSize)
}

// add writes {"section":N} for s under a name.
func (o *Object) add(name string, s Section) {
	o.key(name)
	o.nested(func(n *Object) { n.number(s) })
}

func (o *Object) attaches() bool { return !o.Reading() && o.with != nil && o.with.Write }

// section returns the bytes that {"section":N} at r names; false where
// something else stands there.
func (o *Object) section(name string, r *reader) ([]byte, bool) {
	if o.with == nil || r.peek() != '{' {
		return nil, false
	}
	var data []byte
	readObject(r, joinField(o.path, name), o.with, o.err, func(n *Object) { data = n.ownSection() })
	return data, true
}

func (o *Object) ownSection() []byte {
	i := int64(0)
	o.Int("section", &i, true, 0, MaxSize)
	if !o.Failed() && i >= int64(len(o.with.Sections)) {
		o.Fail("section", "there is no such section")
	}
	if o.Failed() {
		return nil
	}
	return o.with.Sections[i]
}

// names reports whether o, being read, has this field alone.
func (o *Object) names(field string) bool {
	return o.Reading() && o.with != nil && len(o.spans) == 1 && o.spans[0].name == field
}

// kept returns the kept value that o names, or nil.
func (o *Object) kept() any {
	key := ""
	o.Str("kept", &key)
	return o.with.Kept[key]
}

// binary reads or writes the binary form of s where the document has that.
func (o *Object) binary(s *Snapshot) bool {
	if o.attaches() {
		o.number(binaryParts(s))
		return true
	}
	if !o.names("section") {
		return false
	}
	data := o.ownSection()
	if o.Failed() {
		return true
	}
	read, err := decodeBinary(data, o.with)
	if o.FailWith(err); err == nil {
		*s = *read
		o.with.Known = s.Entries
	}
	return true
}

// entrySection reads or writes a tree as a section with a snapshot of entries
// alone, and reports false where something else stands under the name.
func (o *Object) entrySection(name string, t *Tree) bool {
	if o.attaches() {
		o.add(name, binaryParts(&Snapshot{Entries: *t}))
		return true
	}
	if !o.Reading() {
		return false
	}
	r := o.find(name, false)
	if r == nil {
		return o.Failed()
	}
	data, ok := o.section(name, r)
	if !ok || o.Failed() {
		return ok
	}
	s, invalid, err := readBinary(data, o.with)
	switch {
	case err != nil:
		o.FailWith(inField(err, name))
	case s.Unread || len(s.Problems)+len(s.Incomplete)+len(s.Occupied) > 0:
		o.Fail(name, "the section holds more than entries")
	default:
		*t = s.Entries
		o.FailWith(invalid)
		o.with.Known = *t
	}
	return true
}

// Blob is [Object.Bytes] that is written as a section where that is allowed.
func (o *Object) Blob(name string, p *[]byte) {
	if o.attaches() && *p != nil {
		o.add(name, Section{*p})
		return
	}
	o.Bytes(name, p)
}

// Text is a string that is written as a section where that is allowed, and may
// then hold any bytes.
func (o *Object) Text(name string, p *[]byte) {
	if o.attaches() {
		o.Blob(name, p)
		return
	}
	s := string(*p)
	o.Str(name, &s)
	*p = []byte(s)
}
