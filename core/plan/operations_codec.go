package plan

import (
	"bytes"

	"github.com/paperclipai/syncplan/core"
)

// The calls that turn a snapshot or a base from one form into another.

func (c *call) snapshotItself() (answer, error) {
	s := c.snapshot
	return answer{func(o *core.Object) { core.SnapshotFields(o, s) }, s}, need("snapshot", s)
}

func (c *call) encodeSnapshot() (answer, error) {
	if err := need("snapshot", c.snapshot); err != nil {
		return answer{}, err
	}
	data := core.EncodeBinary(c.snapshot)
	return answer{fields: func(o *core.Object) { o.Blob("data", &data) }}, nil
}

// ownData returns data as what is kept may be made of.
func (c *call) ownData() []byte {
	if c.keep == "" {
		return c.data
	}
	return bytes.Clone(c.data)
}

func (c *call) decodeSnapshot() (answer, error) {
	s, err := core.DecodeBinary(c.ownData())
	return answer{func(o *core.Object) { core.SnapshotFields(o, s) }, s}, err
}

func (c *call) baseItself() (answer, error) {
	b := c.base
	return answer{func(o *core.Object) { core.BaseFields(o, b) }, b}, need("base", b)
}

func (c *call) encodeBase() (answer, error) {
	if err := need("base", c.base); err != nil {
		return answer{}, err
	}
	data := core.EncodeBase(c.base)
	return answer{fields: func(o *core.Object) { o.Blob("data", &data) }}, nil
}

func (c *call) decodeBase() (answer, error) {
	b, err := core.DecodeBase(c.ownData())
	return answer{func(o *core.Object) { core.BaseFields(o, b) }, b}, err
}

// sameBase tells whether storing the other base would change anything.
func (c *call) sameBase() (answer, error) {
	same := c.base == c.other
	if c.base != nil && c.other != nil {
		same = c.base.Same(c.other)
	}
	return answer{fields: func(o *core.Object) { o.Bool("same", &same) }}, nil
}
