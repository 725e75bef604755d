package main

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/term"

	"github.com/paperclipai/syncplan/hostgo"
)

// progress is one line on stderr, only where that is a terminal that can
// rewrite it.
type progress struct {
	a     *app
	on    bool
	drawn bool
	stage string
	since time.Time
	last  time.Time
}

// drawEvery bounds how often the line is drawn.
const drawEvery = 100 * time.Millisecond

func newProgress(a *app, f *syncFlags) *progress {
	file, ok := a.stderr.(*os.File)
	return &progress{a: a, on: ok && !a.out.json && !f.noProgress && !f.quiet && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))}
}

func (p *progress) show(e hostgo.Event) {
	now := time.Now()
	if e.Stage != p.stage {
		p.stage, p.since = e.Stage, now
	}
	if !p.on || now.Sub(p.last) < drawEvery {
		return
	}
	p.last, p.drawn = now, true
	text := "\r\x1b[K" + e.Stage
	if e.Files > 0 {
		text += ": " + strconv.Itoa(e.Files) + " files, " + megabytes(e.Bytes)
		if spent := now.Sub(p.since).Seconds(); spent > 0.5 {
			text += ", " + megabytes(int64(float64(e.Bytes)/spent)) + "/s"
		}
	}
	p.a.out.write(p.a.stderr, text)
}

// clear removes the line before something else is written.
func (p *progress) clear() {
	if p.drawn {
		p.drawn = false
		p.a.out.write(p.a.stderr, "\r\x1b[K")
	}
}

func megabytes(n int64) string {
	return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB"
}
