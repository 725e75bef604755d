package hostgo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/hostgo"
)

// What is under way is told of in files and bytes, also while one large file travels, and the
// report says what each stage and each kind of work took.
func TestProgressAndTimes(t *testing.T) {
	b := newPair(t)
	write(t, b.local, "a", "1")
	var events []hostgo.Event
	b.opts.Progress = func(e hostgo.Event) { events = append(events, e) }
	shows := func(stage string, files int, bytes int64) {
		t.Helper()
		require.True(t, slices.ContainsFunc(events, func(e hostgo.Event) bool { return e.Stage == stage && e.Files >= files && e.Bytes >= bytes }),
			"%s of %d files and %d bytes in %v", stage, files, bytes, events)
		events = nil
	}
	tells := func(r *hostgo.Report, stages, work []string) {
		t.Helper()
		for list, names := range map[*[]hostgo.StageTime][]string{&r.Stages: stages, &r.Work: work} {
			for _, name := range names {
				require.True(t, slices.ContainsFunc(*list, func(s hostgo.StageTime) bool { return s.Stage == name }), "%s in %v", name, *list)
			}
		}
	}
	large := func(root, end string) { write(t, root, "large", strings.Repeat("x", 20<<20)+end) }
	large(b.local, "")
	r := b.push()
	shows(hostgo.StageSend, 0, 16<<20)
	tells(r, []string{hostgo.StageScan, hostgo.StageSend, hostgo.StageRemote}, []string{hostgo.WorkHash, hostgo.WorkPack, hostgo.WorkTransfer})
	large(b.sandbox, "edited")
	r = b.pull()
	shows(hostgo.StageReceive, 0, 16<<20)
	tells(r, []string{hostgo.StageSurvey, hostgo.StageReceive, hostgo.StageApply}, []string{hostgo.WorkTransfer})

	for i := range 200 {
		write(t, b.local, fmt.Sprint("small/", i), "content")
	}
	b.push()
	shows(hostgo.StageSend, 128, 128)
}
