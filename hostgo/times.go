package hostgo

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Times say where the time of one sync went.
type Times struct {
	Stages []StageTime // one after another; a stage may come more than once
	Work   []StageTime // what went on beside the stages, added up over all threads

	mu sync.Mutex // of Work
}

// StageTime says how long something took.
type StageTime struct {
	Stage    string // one of the Stage or Work constants
	Duration time.Duration
}

// The kinds of work.
const (
	WorkHash     = "hashing"      // reading and hashing files of the workspace
	WorkPack     = "packing"      // making archives, hashing not counted where it runs ahead
	WorkTransfer = "transferring" // inside the client's calls that move bodies
)

// work adds to the time of one kind of work.
func (t *Times) work(kind string, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.Work {
		if t.Work[i].Stage == kind {
			t.Work[i].Duration += d
			return
		}
	}
	t.Work = append(t.Work, StageTime{kind, d})
}

// stopwatch adds up time that several goroutines spend.
type stopwatch struct{ spent atomic.Int64 }

func (w *stopwatch) since(start time.Time) { w.spent.Add(int64(time.Since(start))) }

func (w *stopwatch) total() time.Duration { return time.Duration(w.spent.Load()) }

// timedPipe is a pipe that knows how long each end waited for the other.
type timedPipe struct {
	r             *io.PipeReader
	w             *io.PipeWriter
	reads, writes stopwatch
	first, end    atomic.Int64 // when the writer began and the reader had all, in Unix nanoseconds; 0 if not yet
}

func newTimedPipe() *timedPipe {
	r, w := io.Pipe()
	return &timedPipe{r: r, w: w}
}

func (p *timedPipe) Read(b []byte) (int, error) {
	defer p.reads.since(time.Now())
	n, err := p.r.Read(b)
	if err == io.EOF {
		p.end.Store(time.Now().UnixNano())
	}
	return n, err
}

func (p *timedPipe) Write(b []byte) (int, error) {
	now := time.Now()
	p.first.CompareAndSwap(0, now.UnixNano())
	defer p.writes.since(now)
	return p.w.Write(b)
}

// sinceFirstWrite returns the time since the writer began, less what it waited
// for the reader.
func (p *timedPipe) sinceFirstWrite() time.Duration {
	if p.first.Load() == 0 {
		return 0
	}
	return time.Since(time.Unix(0, p.first.Load())) - p.writes.total()
}
