package hostgo

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"

	"github.com/paperclipai/syncplan/core/plan"
)

// unzipped is a download as it was before the sandbox compressed it, if it did. More than the
// bound is cut off, and then it has no end record.
func unzipped(r *bufio.Reader) io.Reader {
	if head, _ := r.Peek(2); string(head) != "\x1f\x8b" { // the next read has the error again
		return r
	}
	return io.LimitReader(&unzipper{packed: r}, plan.SurveyUnpacked)
}

// unzipper reads gzip. What is no gzip is a damaged archive, not an error of the transport.
type unzipper struct {
	packed *bufio.Reader
	zip    *gzip.Reader
}

func (u *unzipper) Read(p []byte) (n int, err error) {
	if u.zip == nil {
		u.zip, err = gzip.NewReader(u.packed)
	}
	if err == nil {
		n, err = u.zip.Read(p)
	}
	var flaw flate.CorruptInputError
	if err == gzip.ErrHeader || err == gzip.ErrChecksum || err == io.ErrUnexpectedEOF || errors.As(err, &flaw) {
		err = brokenArchive(err)
	}
	return n, err
}
