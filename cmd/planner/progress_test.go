package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/hostgo"
)

// terminal keeps what was drawn on it.
type terminal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *terminal) drawn() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

func progressOn(t *terminal) *progress {
	a := &app{stderr: t}
	a.out = newOutput(a, false)
	return &progress{a: a, on: true}
}

// A stage that only says that it began may take long: what stands on the
// terminal is that one, not the one before it.
func TestProgressShowsTheNewestStage(t *testing.T) {
	var screen terminal
	p := progressOn(&screen)
	p.show(hostgo.Event{Stage: hostgo.StageLock})
	p.show(hostgo.Event{Stage: hostgo.StageSurvey})
	require.Eventually(t, func() bool { return screen.drawn() != "" }, time.Minute, time.Millisecond)
	require.Equal(t, "\r\x1b[K"+hostgo.StageSurvey, screen.drawn())
	p.clear()
	require.Equal(t, "\r\x1b[K"+hostgo.StageSurvey+"\r\x1b[K", screen.drawn())
}

// What is drawn after it was cleared would stand in front of the result.
func TestProgressIsOverOnceCleared(t *testing.T) {
	var screen terminal
	p := progressOn(&screen)
	p.show(hostgo.Event{Stage: hostgo.StageScan, Files: 3})
	p.clear()
	p.draw() // as a timer that fires just then
	require.Empty(t, screen.drawn())
}

func TestProgressTellsOfFilesBytesAndRate(t *testing.T) {
	for _, c := range []struct {
		event hostgo.Event
		spent time.Duration
		line  string
	}{
		{hostgo.Event{Stage: hostgo.StageSend}, time.Minute, "sending"},
		{hostgo.Event{Stage: hostgo.StageSend, Files: 3, Bytes: 5_000_000}, time.Millisecond, "sending: 3 files, 5.0 MB"},
		{hostgo.Event{Stage: hostgo.StageScan, Files: 64, Bytes: 5_000_000}, 2 * time.Second, "scanning: 64 files, 5.0 MB, 2.5 MB/s"},
		{hostgo.Event{Stage: hostgo.StageReceive, Bytes: 8_000_000}, 2 * time.Second, "receiving: 0 files, 8.0 MB, 4.0 MB/s"},
	} {
		require.Equal(t, c.line, progressLine(c.event, c.spent))
	}
}
