package hostgo

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// What several goroutines do of one kind adds up.
func TestWorkAddsUp(t *testing.T) {
	times := &Times{}
	times.work(WorkHash, 1)
	times.work(WorkPack, 2)
	times.work(WorkHash, 4)
	require.Empty(t, cmp.Diff([]StageTime{{WorkHash, 5}, {WorkPack, 2}}, times.Work))
}

// Each end of a pipe is told of without its waits for the other.
func TestAPipeKnowsWhoWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTimedPipe()
		require.Zero(t, p.sinceFirstWrite(), "nothing was written yet")
		go func() {
			time.Sleep(8 * time.Second) // before it begins
			for range 2 {
				_, err := p.Write([]byte("x"))
				require.NoError(t, err)
				time.Sleep(4 * time.Second)
			}
			p.w.Close()
		}()
		time.Sleep(9 * time.Second)
		data, err := io.ReadAll(p)
		require.NoError(t, err)
		require.Equal(t, "xx", string(data))
		require.Equal(t, time.Second, p.writes.total(), "it came before the reader")
		require.Equal(t, 8*time.Second, p.reads.total())
		require.Equal(t, 8*time.Second, p.sinceFirstWrite())
		require.Equal(t, time.Now().UnixNano(), p.end.Load())
	})
}

// A stage lasts until the next one begins.
func TestStagesFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		s := &session{report: &Report{}, opts: Options{Progress: func(e Event) { seen = append(seen, e.Stage) }}}
		for i, stage := range []string{StageLock, StageScan, StageSend, StageScan, ""} {
			s.enter(stage)
			time.Sleep(time.Duration(i+1) * time.Second)
		}
		want := []StageTime{{StageLock, time.Second}, {StageScan, 2 * time.Second}, {StageSend, 3 * time.Second}, {StageScan, 4 * time.Second}}
		require.Empty(t, cmp.Diff(want, s.report.Stages))
		require.Equal(t, []string{StageLock, StageScan, StageSend, StageScan}, seen, "the end is none")
	})
}
