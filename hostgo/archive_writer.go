package hostgo

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"iter"
	"strconv"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// member is one entry under the name that it has in an archive.
type member struct {
	Name  string     // relative, "/"-separated
	Entry core.Entry // Path is where it is read from, relative to the root
}

// sentMember says what an archive really holds of a member.
type sentMember struct {
	Name    string           // of the good copy; another than the member's where that one is torn
	Digest  core.Digest      // of the bytes that were sent; zero for what is no file
	Size    int64            // of the content, in bytes
	Problem core.ProblemCode // "" is success; else the archive has no good copy, or with a Digest a torn one
	Detail  string           // one sentence for people about Problem; may be empty
	info    tree.Info        // of the file as it was read
	settled bool             // whether a cache may hold it
}

// archiveWriter writes a tar archive of exactly the members it is told: no "."
// member, no owners, no extended attributes, whole seconds. The GNU form of
// long names is used because busybox and toybox read it too.
type archiveWriter struct {
	// Overwrite gives a file that is read again, because it changed, the same name
	// again: whoever unpacks the archive as it is keeps the last.
	Overwrite bool

	w       *tar.Writer
	tries   int
	buf     []byte
	hashing stopwatch // reading and hashing files
}

// streamBuffer is what is read of a large file at a time, in bytes.
const streamBuffer = 256 << 10

// newArchiveWriter returns a writer to w. Close ends the archive.
func newArchiveWriter(w io.Writer) *archiveWriter { return &archiveWriter{w: tar.NewWriter(w)} }

// Close writes the end of the archive.
func (a *archiveWriter) Close() error { return archiveError(a.w.Close()) }

// AddAll adds members of a tree in order, each with a number of the caller's.
// done reports each; a member that can't be read or keeps changing is reported,
// not an error. keep, if not nil, is given the content of each small file; like
// the member given to done it holds only until the call returns.
// members is used from another goroutine while AddAll runs.
func (a *archiveWriter) AddAll(ctx context.Context, root string, members iter.Seq2[int, member],
	keep func(core.Digest, []byte) error, done func(i int, m *member, s sentMember)) error {
	top, err := tree.Open(root)
	if err != nil {
		return ioError("the folder can't be read", root, err)
	}
	defer top.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for job := range readAhead(ctx, top, members, &a.hashing) {
		if err := ctx.Err(); err != nil {
			return &core.Error{Code: core.CodeCancelled, Message: "stopped while the archive was made", Err: err}
		}
		m, ahead := &job.member, &job.file
		sent, err := a.add(ctx, m, ahead, func() (*tree.File, error) { return openIn(top, m.Entry.Path) })
		if err != nil {
			return err
		}
		if ahead.data != nil && sent.Problem == "" && keep != nil {
			if err := keep(sent.Digest, ahead.data); err != nil {
				return err
			}
		}
		done(job.number, m, sent)
	}
	return nil
}

// AddFrom adds one member from a path of its own, links in it resolved by the
// caller.
func (a *archiveWriter) AddFrom(ctx context.Context, source string, m member) (sentMember, error) {
	return a.add(ctx, &m, nil, func() (*tree.File, error) { return tree.OpenFile(source) })
}

// AddBytes adds a file with the given content.
func (a *archiveWriter) AddBytes(name string, mode uint16, data []byte) error {
	if err := a.header(name, core.KindFile, mode, int64(len(data)), "", 0); err != nil {
		return err
	}
	_, err := a.w.Write(data)
	return archiveError(err)
}

func (a *archiveWriter) header(name string, kind core.Kind, mode uint16, size int64, target string, mtimeNs int64) error {
	h := &tar.Header{Name: name, Mode: int64(mode), Size: size, Linkname: target, Typeflag: tar.TypeReg,
		ModTime: time.Unix(max(0, mtimeNs/1e9), 0), Format: tar.FormatGNU}
	switch kind {
	case core.KindDir:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case core.KindLink:
		h.Typeflag = tar.TypeSymlink
	}
	return archiveError(a.w.WriteHeader(h))
}

func archiveError(err error) error {
	var known *core.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	return &core.Error{Code: core.CodeIO, Message: "the archive can't be written", Err: err}
}

func (a *archiveWriter) add(ctx context.Context, m *member, ahead *readFile, open func() (*tree.File, error)) (sentMember, error) {
	e := &m.Entry
	if e.Kind != core.KindFile {
		return sentMember{}, a.header(m.Name, e.Kind, e.Mode, 0, e.Target, 0)
	}
	if ahead != nil && ahead.err != nil {
		return failedRead(e.Path, ahead.err)
	}
	if ahead != nil && ahead.data != nil {
		if err := a.header(m.Name, core.KindFile, e.Mode, int64(len(ahead.data)), "", ahead.mtimeNs); err != nil {
			return sentMember{}, err
		}
		_, err := a.w.Write(ahead.data)
		return sentMember{Digest: ahead.digest, Size: int64(len(ahead.data)), info: ahead.info, settled: ahead.settled}, archiveError(err)
	}
	name, last := m.Name, sentMember{}
	for range maxReads {
		sent, steady, err := a.stream(ctx, name, e, open)
		if err != nil || steady || sent.Problem != "" {
			if name != m.Name {
				sent.Name = name
			}
			return sent, err
		}
		if a.Overwrite {
			last = sent
			continue
		}
		a.tries++
		name = "r" + strconv.Itoa(a.tries)
	}
	last.Problem, last.Detail = core.ProblemChanging, "it changed each time it was read"
	return last, nil
}

// stream adds one large file. A member has the size that its header gives, so a
// file that shrank meanwhile is filled up with zeros, and is not steady.
func (a *archiveWriter) stream(ctx context.Context, name string, e *core.Entry, open func() (*tree.File, error)) (sentMember, bool, error) {
	f, err := open()
	if err != nil {
		sent, err := failedRead(e.Path, err)
		return sent, false, err
	}
	defer f.Close()
	start := time.Now().UnixNano()
	before, err := f.Stat()
	if err == nil && before.Kind != core.KindFile {
		err = tree.ErrNotFile
	}
	if err != nil {
		sent, err := failedRead(e.Path, err)
		return sent, false, err
	}
	if err := a.header(name, core.KindFile, e.Mode, before.Size, "", before.MtimeNs); err != nil {
		return sentMember{}, false, err
	}
	if a.buf == nil {
		a.buf = make([]byte, streamBuffer)
	}
	h, left, torn := sha256.New(), before.Size, false
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return sentMember{}, false, &core.Error{Code: core.CodeCancelled, Message: "stopped while the archive was made", Err: err}
		}
		part, start := a.buf[:min(left, int64(len(a.buf)))], time.Now()
		n, err := io.ReadFull(f, part)
		if err != nil {
			torn = true
			clear(part[n:])
		}
		h.Write(part)
		a.hashing.since(start)
		if _, err := a.w.Write(part); err != nil {
			return sentMember{}, false, archiveError(err)
		}
		left -= int64(len(part))
	}
	after, err := f.Stat()
	return sentMember{Digest: core.Digest(h.Sum(nil)), Size: before.Size, info: before, settled: stampOf(before).settled(start)}, err == nil && !torn && before.Same(after), nil
}

// failedRead says why a file was not sent. That no more files can be opened says nothing of it, and ends
// the archive.
func failedRead(path string, err error) (sentMember, error) {
	switch {
	case isSpent(err):
		return sentMember{}, ioError("the workspace can't be read", path, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, tree.ErrNotFile), errors.Is(err, tree.ErrNotDir), errors.Is(err, errChanging):
		return sentMember{Problem: core.ProblemChanging, Detail: "it changed while it was sent; the next push sends it"}, nil
	}
	return sentMember{Problem: core.ProblemUnreadable, Detail: reason(err)}, nil
}

// openIn opens the file at a path below top without following links.
func openIn(top *tree.Dir, path string) (*tree.File, error) {
	d, err := top.Walk(core.Parent(path))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.OpenFile(core.Name(path))
}
