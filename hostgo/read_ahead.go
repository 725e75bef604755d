package hostgo

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// Small files are read ahead into memory in batches, since a hand-over to another
// goroutine costs as much as reading such a file. They are small, so that a room is
// used again while it is still in the processor's cache. All batches together hold
// at most 6 MiB.
const (
	smallFile    = 256 << 10 // bytes; a larger one is streamed
	batchBytes   = 128 << 10 // that end a batch
	batchMembers = 32
	batchesAhead = 8
	aheadReads   = 4 // batches read at a time
)

// readFile is a small file that was read ahead. data is nil for a member that
// is none, or that grew too large: it is streamed.
type readFile struct {
	data    []byte
	digest  core.Digest
	mtimeNs int64
	info    tree.Info
	settled bool // as of a sentMember
	err     error
}

var errChanging = errors.New("it changed each time it was read")

// aheadJob is a member on its way through readAhead, with a number of the caller's.
type aheadJob struct {
	number int
	member member
	file   readFile
}

// batch is a row of members that are read by one goroutine.
type batch struct {
	jobs  []aheadJob
	bytes int64
	room  []byte        // that the contents lie in
	ready chan struct{} // holds one when all is read
}

func (b *batch) full() bool { return len(b.jobs) == batchMembers || b.bytes >= batchBytes }

// add appends a member, which is read ahead if it is a small file.
func (b *batch) add(number int, m *member) {
	b.jobs = append(b.jobs, aheadJob{number: number, member: *m})
	if readsAhead(&m.Entry) {
		b.bytes += m.Entry.Size
	}
}

func readsAhead(e *core.Entry) bool { return e.Kind == core.KindFile && e.Size <= smallFile }

// take returns n bytes that stay the caller's until the batch is used again.
func (b *batch) take(n int) []byte {
	if cap(b.room)-len(b.room) < n {
		b.room = make([]byte, 0, max(n, batchBytes+smallFile))
	}
	from := len(b.room)
	b.room = b.room[:from+n]
	return b.room[from : from+n : from+n]
}

// ahead is one readAhead at work.
type ahead struct {
	top     *tree.Dir
	hashing *stopwatch
	free    chan *batch // to be used again
	jobs    chan *batch // to be read
	order   chan *batch // the same, in the order of the members
}

// readAhead yields each member and the file that was read for it, while the next
// ones are being read. What is yielded holds until the next one is asked for. It
// ends early when ctx does.
func readAhead(ctx context.Context, top *tree.Dir, members iter.Seq2[int, member], hashing *stopwatch) iter.Seq[*aheadJob] {
	return func(yield func(*aheadJob) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wait sync.WaitGroup
		defer wait.Wait() // top must not be closed while anybody reads in it
		defer cancel()
		a := &ahead{top: top, hashing: hashing, free: make(chan *batch, 2*batchesAhead),
			jobs: make(chan *batch, batchesAhead), order: make(chan *batch, batchesAhead)}
		for range aheadReads {
			wait.Go(func() { a.read(ctx) })
		}
		wait.Go(func() { a.fill(ctx, members) })
		for b := range a.order {
			<-b.ready
			for i := range b.jobs {
				if !yield(&b.jobs[i]) {
					return
				}
			}
			select {
			case a.free <- b:
			default:
			}
		}
	}
}

// fill makes batches of the members until they or ctx end.
func (a *ahead) fill(ctx context.Context, members iter.Seq2[int, member]) {
	defer close(a.order)
	defer close(a.jobs)
	b := a.empty()
	hand := func() bool {
		a.jobs <- b // the readers take all there is
		select {
		case a.order <- b:
			b = a.empty()
			return true
		case <-ctx.Done():
			return false
		}
	}
	for number, m := range members {
		if b.add(number, &m); b.full() && !hand() {
			return
		}
	}
	if len(b.jobs) > 0 {
		hand()
	}
}

func (a *ahead) empty() *batch {
	select {
	case b := <-a.free:
		b.jobs, b.bytes, b.room = b.jobs[:0], 0, b.room[:0]
		return b
	default:
		return &batch{jobs: make([]aheadJob, 0, batchMembers), ready: make(chan struct{}, 1)}
	}
}

// read reads batches, none any more once ctx is done.
func (a *ahead) read(ctx context.Context) {
	r := &pathReader{top: a.top}
	defer r.close()
	for b := range a.jobs {
		start := time.Now()
		for i := range b.jobs {
			if j := &b.jobs[i]; ctx.Err() == nil && readsAhead(&j.member.Entry) {
				j.file = r.read(&j.member.Entry, b)
			}
		}
		a.hashing.since(start)
		b.ready <- struct{}{}
	}
}

// pathReader reads small files, and keeps the directory of the last one open.
type pathReader struct {
	top  *tree.Dir
	dir  *tree.Dir
	path string
}

func (r *pathReader) close() {
	if r.dir != nil {
		r.dir.Close()
		r.dir = nil
	}
}

func (r *pathReader) read(e *core.Entry, b *batch) readFile {
	if parent := core.Parent(e.Path); r.dir == nil || parent != r.path {
		r.close()
		d, err := r.top.Walk(parent)
		if err != nil {
			return readFile{err: err}
		}
		r.dir, r.path = d, parent
	}
	for range maxReads {
		if f, steady := r.once(core.Name(e.Path), b); steady {
			return f
		}
	}
	return readFile{err: errChanging}
}

// once reads a file. It reports false if that changed meanwhile.
func (r *pathReader) once(name string, b *batch) (readFile, bool) {
	f, err := r.dir.OpenFile(name)
	if err != nil {
		return readFile{err: err}, true
	}
	defer f.Close()
	start := time.Now().UnixNano()
	before, err := f.Stat()
	if err != nil {
		return readFile{err: err}, true
	}
	if before.Size > smallFile {
		return readFile{}, true
	}
	data := b.take(int(before.Size) + 1)
	n, err := readWhole(f, data)
	if err != nil {
		return readFile{err: err}, true
	}
	after, err := f.Stat()
	if err != nil || int64(n) != before.Size || !before.Same(after) {
		return readFile{}, false
	}
	data = data[:n:n]
	return readFile{data: data, digest: sha256.Sum256(data), mtimeNs: before.MtimeNs, info: before, settled: stampOf(before).settled(start)}, true
}

// readWhole reads a file into a buffer of one byte more than it should have. A
// read that ends just there is the last: what grows later has another time.
func readWhole(f io.Reader, buf []byte) (int, error) {
	for n := 0; ; {
		got, err := f.Read(buf[n:])
		n += got
		switch {
		case err == io.EOF || n == len(buf) || got > 0 && n == len(buf)-1:
			return n, nil
		case err != nil:
			return n, err
		}
	}
}
