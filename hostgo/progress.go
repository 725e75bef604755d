package hostgo

import (
	"io"
	"time"
)

// The stages of a sync, in the order in which they come.
const (
	StageLock    = "waiting"
	StageBase    = "reading what was synced last"
	StageScan    = "scanning"
	StageSurvey  = "surveying"
	StageReceive = "receiving"
	StageSend    = "sending"
	StageRemote  = "applying in the sandbox"
	StageApply   = "applying"
)

// Event is one step of progress on long work.
type Event struct {
	Stage string // one of the Stage constants
	Files int    // done so far in this stage
	Bytes int64  // done so far in this stage
}

// enter begins a stage and notes how long the one before took.
func (s *session) enter(stage string) { s.enterAt(stage, time.Now()) }

// enterAt is enter for a stage that began a while ago.
func (s *session) enterAt(stage string, now time.Time) {
	if s.stage != "" {
		s.report.Stages = append(s.report.Stages, StageTime{s.stage, now.Sub(s.since)})
	}
	s.stage, s.since = stage, now
	if stage != "" {
		s.progress(0, 0)
	}
}

// showEvery is how many bytes of one body pass before they are shown.
const showEvery = 4 << 20

// meter shows what passed of a body, so that a large file does not look like a standstill.
type meter struct {
	session *session
	files   int   // that are over
	bytes   int64 // of all
	shown   int64
}

func (m *meter) pass(n int) {
	if m.bytes += int64(n); m.bytes-m.shown >= showEvery {
		m.show()
	}
}

// over counts a file.
func (m *meter) over() {
	if m.files++; m.files%64 == 0 {
		m.show()
	}
}

func (m *meter) show() {
	m.shown = m.bytes
	m.session.progress(m.files, m.bytes)
}

// meteredReader is a body whose bytes pass a meter.
type meteredReader struct {
	io.Reader
	meter *meter
}

func (r meteredReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.meter.pass(n)
	return n, err
}

// meteredWriter is an archive whose bytes pass a meter.
type meteredWriter struct {
	io.Writer
	meter *meter
}

func (w meteredWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.meter.pass(n)
	return n, err
}

func (s *session) progress(files int, bytes int64) { s.show(s.stage, files, bytes) }

func (s *session) show(stage string, files int, bytes int64) {
	if s.opts.Progress != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.opts.Progress(Event{Stage: stage, Files: files, Bytes: bytes})
	}
}
