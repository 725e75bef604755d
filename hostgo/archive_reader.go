package hostgo

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// rawKind is what an archive says that a member is.
type rawKind uint8

// The kinds that can be told apart. Anything else has a fault.
const (
	rawFile rawKind = iota + 1
	rawDir
	rawLink
	rawHardlink
)

// rawMember is one member of an archive that a sandbox made. Nothing in it is
// to be trusted; it names where a body belongs, never where it is put.
type rawMember struct {
	Name   string  // without a leading "./" and a trailing "/"; may hold any bytes
	Kind   rawKind // what it wants to become
	Mode   uint16  // permission bits alone: set-user-id and the like are dropped (promise S7)
	Size   int64   // bytes, of a file
	Target string  // of a link; of a hard link the name of the first one
	Fault  string  // why it is refused; "" is good
}

// archiveLimits bound an archive from a sandbox. Zero values are the defaults.
type archiveLimits struct {
	Members int    // default [core.MaxEntries] and some lists
	Bytes   int64  // of all bodies; default 16 TiB
	Path    int    // bytes of a name; default 32 KiB: longer ones can't be made by any tool
	Names   int64  // bytes of all names and link texts, which are kept in memory; default 1 GiB
	Text    string // what begins the text after the archives, where there may be one
	Single  bool   // one archive with its end record and nothing after it but zeros
}

func (l *archiveLimits) defaults() {
	if l.Members == 0 {
		l.Members = core.MaxEntries + 64
	}
	if l.Bytes == 0 {
		l.Bytes = 16 << 40
	}
	if l.Path == 0 {
		l.Path = 32 << 10
	}
	if l.Names == 0 {
		l.Names = 1 << 30
	}
}

// readArchives calls fn for each member of one or more tar archives, one after
// another in r, as find makes them with "-exec tar -cf - {} +". body is valid
// during the call. It returns what follows the archives, which is nothing unless
// limits.Text allows it. Bytes that are no archive are an error of [core.CodeCorrupt],
// too many of them one of [core.CodeLimit]; errors of r and fn come back as they
// are.
func readArchives(ctx context.Context, r io.Reader, limits archiveLimits, fn func(m rawMember, body io.Reader) error) (io.Reader, error) {
	limits.defaults()
	src := &source{r: r}
	br := bufio.NewReaderSize(src, 256<<10)
	for archives := 0; ; {
		more, err := skipZeros(br, limits.Text)
		if head, _ := br.Peek(len(limits.Text)); limits.Text != "" && string(head) == limits.Text {
			return br, nil
		}
		if err == nil && more && limits.Single && archives > 0 {
			err = brokenArchive(errors.New("something follows its end"))
		} else if err == nil && more {
			archives++
			err = readArchive(ctx, br, &limits, fn)
		}
		if src.err != nil {
			return br, src.err
		}
		if err == nil && !more && limits.Single && archives == 0 {
			err = brokenArchive(io.ErrUnexpectedEOF)
		}
		if err != nil || !more {
			return br, err
		}
	}
}

// source remembers the error of the transport, which explains a broken archive.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

const tarBlock = 512

// maxPadding is more than any record, in blocks; what has no end is no padding.
const maxPadding = 16 << 20 / tarBlock

// skipZeros skips what pads an archive to a whole record, and reports whether
// another one follows.
func skipZeros(br *bufio.Reader, text string) (bool, error) {
	for range maxPadding {
		if head, _ := br.Peek(len(text)); text != "" && string(head) == text {
			return true, nil
		}
		block, err := br.Peek(tarBlock)
		if len(block) == 0 && err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, brokenArchive(io.ErrUnexpectedEOF)
		}
		for _, b := range block {
			if b != 0 {
				return true, nil
			}
		}
		if _, err := br.Discard(tarBlock); err != nil {
			return false, brokenArchive(err)
		}
	}
	return false, brokenArchive(errors.New("its padding has no end"))
}

func readArchive(ctx context.Context, br *bufio.Reader, limits *archiveLimits, fn func(rawMember, io.Reader) error) error {
	last := &lastBlock{r: br}
	t := tar.NewReader(last)
	for {
		if err := ctx.Err(); err != nil {
			return &core.Error{Code: core.CodeCancelled, Message: "stopped while an archive was read", Err: err}
		}
		h, err := t.Next()
		if err == io.EOF && limits.Single && last.eof {
			return brokenArchive(io.ErrUnexpectedEOF)
		}
		if err == io.EOF || errors.Is(err, tar.ErrHeader) && last.isEnd() {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return brokenArchive(err)
		}
		limits.Members--
		if !hasHoles(h) {
			limits.Bytes -= h.Size
		}
		limits.Names -= int64(len(h.Name) + len(h.Linkname))
		switch {
		case limits.Members < 0:
			return &core.Error{Code: core.CodeLimit, Message: "the sandbox's archive has too many members"}
		case limits.Bytes < 0:
			return &core.Error{Code: core.CodeLimit, Message: "the sandbox's archive is too large"}
		case limits.Names < 0:
			return &core.Error{Code: core.CodeLimit, Message: "the sandbox's archive has too many long names"}
		case len(h.Name) > limits.Path || len(h.Linkname) > limits.Path:
			return &core.Error{Code: core.CodeLimit,
				Message: "the sandbox's archive has a name of more than " + strconv.Itoa(limits.Path) + " bytes"}
		}
		body := &bodyReader{r: t}
		if err := fn(memberOf(h), body); err != nil {
			if body.err != nil {
				return brokenArchive(body.err)
			}
			return err
		}
	}
}

// lastBlock remembers the last block that was read, and whether the end of the
// stream was met, which a whole archive keeps its reader from.
type lastBlock struct {
	r     io.Reader
	block [tarBlock]byte
	eof   bool
}

func (l *lastBlock) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.eof = l.eof || err == io.EOF
	if n >= tarBlock {
		copy(l.block[:], p[n-tarBlock:n])
	} else {
		copy(l.block[:], l.block[n:])
		copy(l.block[tarBlock-n:], p[:n])
	}
	return n, err
}

// isEnd holds for a block without a checksum and without a magic number, which
// no header is: toybox leaves bytes of the last body in the block of zeros that
// ends an archive.
func (l *lastBlock) isEnd() bool {
	for _, b := range append(bytes.Clone(l.block[148:156]), l.block[257:263]...) {
		if b != 0 {
			return false
		}
	}
	return true
}

// bodyReader tells an archive that ends early from a failure of the callback.
type bodyReader struct {
	r   io.Reader
	err error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

func brokenArchive(err error) error {
	return &core.Error{Code: core.CodeCorrupt, Message: "the sandbox's archive is damaged or incomplete",
		Hint: "nothing was written; run it again", Err: err}
}

func memberOf(h *tar.Header) rawMember {
	m := rawMember{Name: cleanName(h.Name), Mode: uint16(h.Mode) & core.MaxMode, Target: h.Linkname}
	kind := h.Typeflag
	if hasHoles(h) {
		kind = tar.TypeGNUSparse
	}
	switch kind {
	case tar.TypeReg:
		m.Kind, m.Size = rawFile, h.Size
	case tar.TypeDir:
		m.Kind = rawDir
	case tar.TypeSymlink:
		m.Kind = rawLink
	case tar.TypeLink:
		m.Kind, m.Target = rawHardlink, cleanName(h.Linkname)
	default:
		m.Fault = "a device, FIFO or something unknown"
	}
	if strings.HasPrefix(m.Name, "/") || strings.Contains("/"+m.Name+"/", "/../") {
		m.Fault = "its name leads out of the archive"
	}
	return m
}

// hasHoles reports whether a few bytes of a member stand for a file of any size. The scripts
// ask for none, and no bound would hold.
func hasHoles(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

func cleanName(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
}
