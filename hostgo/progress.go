package hostgo

import "time"

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

func (s *session) progress(files int, bytes int64) { s.show(s.stage, files, bytes) }

func (s *session) show(stage string, files int, bytes int64) {
	if s.opts.Progress != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.opts.Progress(Event{Stage: stage, Files: files, Bytes: bytes})
	}
}
