package main

import (
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/paperclipai/syncplan/hostgo"
)

// progress is one line on stderr, only where that is a terminal that can
// rewrite it.
type progress struct {
	a  *app
	on bool

	mu    sync.Mutex
	event hostgo.Event // the newest
	since time.Time    // when its stage began
	next  *time.Timer  // draws it; nil: it is drawn already, or nothing came since clear
	drawn bool
}

// drawEvery bounds how often the line is drawn, and what is over sooner draws
// none. An event waits for its turn, since a stage may tell nothing but that it
// began, and then take long.
const drawEvery = 100 * time.Millisecond

func newProgress(a *app, f *syncFlags) *progress {
	file, ok := a.stderr.(*os.File)
	return &progress{a: a, on: ok && !a.out.json && !f.noProgress && !f.quiet && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))}
}

func (p *progress) show(e hostgo.Event) {
	if !p.on {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Stage != p.event.Stage {
		p.since = time.Now()
	}
	p.event = e
	if p.next == nil {
		p.next = time.AfterFunc(drawEvery, p.draw)
	}
}

func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		return // cleared meanwhile
	}
	p.next, p.drawn = nil, true
	p.a.out.write(p.a.stderr, "\r\x1b[K"+progressLine(p.event, time.Since(p.since)))
}

// progressLine tells of files, bytes and their rate, as far as there is something to tell.
func progressLine(e hostgo.Event, spent time.Duration) string {
	text := e.Stage
	if e.Files > 0 || e.Bytes > 0 {
		text += ": " + strconv.Itoa(e.Files) + " files, " + megabytes(e.Bytes)
		if s := spent.Seconds(); s > 0.5 {
			text += ", " + megabytes(int64(float64(e.Bytes)/s)) + "/s"
		}
	}
	return text
}

// clear removes the line before something else is written.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next != nil {
		p.next.Stop()
		p.next = nil
	}
	if p.drawn {
		p.drawn = false
		p.a.out.write(p.a.stderr, "\r\x1b[K")
	}
}

func megabytes(n int64) string {
	return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB"
}
