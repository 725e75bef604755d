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
	require.Eventually(t, func() bool { return screen.drawn() != "" }, 10*time.Second, time.Millisecond)
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
