//go:build unix

package hostgo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// replayer answers some calls with what an earlier one was answered, of any run and of another workspace, as it came or
// made to fit the run that asks; and it says that a call was done which was not.
type replayer struct {
	hostgo.Client
	rng     *rand.Rand
	answers *[][]byte // all that were given
	lying   bool
	did     []string
}

func (c *replayer) lies(call string) bool {
	if !c.lying || c.rng.IntN(4) > 0 {
		return false
	}
	c.did = append(c.did, call)
	return true
}

var (
	askedBy    = regexp.MustCompile(`(?:ID='|down-|run-)([0-9a-f]{16})`)
	surveyLine = regexp.MustCompile(`syncplan-survey 2 (?:push|pull|fetch) [0-9a-f]+\n`)
)

// answer returns what was given or, in a lie, something that was given before.
func (c *replayer) answer(call, asked string, got []byte) []byte {
	*c.answers = append(*c.answers, got)
	if !c.lies(call) {
		return got
	}
	old := (*c.answers)[c.rng.IntN(len(*c.answers))]
	id := askedBy.FindStringSubmatch(asked)
	if id == nil || len(old) < plan.SurveyTail || c.rng.IntN(3) == 0 {
		return old
	}
	op := []string{"push", "pull", "fetch"}[c.rng.IntN(3)]
	if line := surveyLine.Find(got); line != nil && c.rng.IntN(4) > 0 {
		op = strings.Fields(string(line))[2]
	}
	old = surveyLine.ReplaceAll(old, []byte("syncplan-survey 2 "+op+" "+id[1]+"\n"))
	return append(bytes.Clone(old[:len(old)-plan.SurveyTail]), strings.Repeat("0", 64)+"\n"...)
}

func (c *replayer) Run(ctx context.Context, command string, timeout time.Duration) error {
	if c.lies("run") {
		return nil
	}
	return c.Client.Run(ctx, command, timeout)
}

func (c *replayer) WriteFile(ctx context.Context, path string, data []byte) error {
	if c.lies("write") {
		return nil
	}
	return c.Client.WriteFile(ctx, path, data)
}

func (c *replayer) ReadFile(ctx context.Context, path string) ([]byte, error) {
	data, err := c.Client.ReadFile(ctx, path)
	if err != nil {
		return nil, err
	}
	return c.answer("read", path, data), nil
}

// streamingReplayer is one that can stream.
type streamingReplayer struct{ replayer }

func (c *streamingReplayer) RunStream(ctx context.Context, command string, in io.Reader, out io.Writer, timeout time.Duration) error {
	var got bytes.Buffer
	if out == nil {
		if c.lies("stream in") {
			_, err := io.Copy(io.Discard, in)
			return err
		}
		return c.Client.(hostgo.Streamer).RunStream(ctx, command, in, nil, timeout)
	}
	if err := c.Client.(hostgo.Streamer).RunStream(ctx, command, in, &got, timeout); err != nil {
		return err
	}
	_, err := out.Write(c.answer("stream out", command, got.Bytes()))
	return err
}

// TestAnswersOfOtherRuns holds whatever a client gives back: an answer can't make a sync lose
// what was written here and is not known to have arrived, nor reach .git, what is excluded or a
// path outside.
func TestAnswersOfOtherRuns(t *testing.T) {
	for seed := range uint64(*toolHistories) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			b, other := newPair(t), newPair(t)
			streams := rng.IntN(2) == 0
			answers := [][]byte{}
			var clients []*replayer
			for _, p := range []*pair{other, b} {
				p.opts.Identity, p.opts.Plan.Exclude = "the same sandbox", []string{"skip"}
				c := &streamingReplayer{replayer{Client: p.opts.Client, rng: rng, answers: &answers}}
				clients = append(clients, &c.replayer)
				if p.opts.Client = c; !streams {
					p.opts.Client = &c.replayer
				}
			}
			for i := range 3 {
				write(t, other.local, "a", "another workspace")
				write(t, other.local, ".git/HEAD", "another\n")
				write(t, other.sandbox, fmt.Sprint("d/", i), "another sandbox")
				other.push()
				other.pull()
			}
			guarded := guard(b)
			o := &ours{b: b, rng: rng, at: map[string]string{}}
			liar := clients[1]
			for step := range 8 {
				o.editBoth()
				pull := rng.IntN(2) == 0 && step > 0
				liar.lying, liar.did = rng.IntN(4) > 0, nil
				err := o.sync(pull)
				o.story = append(o.story, fmt.Sprintf("pull=%v %v", pull, liar.did))
				if known := new(core.Error); err != nil {
					require.ErrorAs(t, err, &known, o.words())
				}
				o.check(guarded)
			}
			liar.lying = false
			for path, what := range listing(t, b.sandbox) {
				if what == "special" {
					remove(t, b.sandbox, path)
				}
			}
			b.opts.Plan.Allow = []plan.Guard{plan.GuardReplaced, plan.GuardEmptied, plan.GuardMassDelete}
			for i := range 4 {
				require.NoError(t, o.sync(i%2 == 0), o.words())
				o.check(guarded)
			}
		})
	}
}

// forger is a client of a sandbox that tells of a file which is not there, once.
type forger struct {
	hostgo.Client
	content string
	done    bool
}

func (c *forger) ReadFile(ctx context.Context, path string) ([]byte, error) {
	data, err := c.Client.ReadFile(ctx, path)
	if nothing := []byte("\n.\n.\n.\n"); err == nil && !c.done && bytes.Contains(data, nothing) {
		c.done = true
		data = bytes.Replace(data, nothing, []byte("\n\t1.0 1.0 9 1 f644 ./ghost\n.\n"+core.Sum(c.content).String()+"  ./ghost\n.\n.\n"), 1)
		data = append(data[:len(data)-plan.SurveyTail], strings.Repeat("0", 64)+"\n"...)
	}
	return data, err
}

// What a sandbox once told of itself keeps no later push from ending.
func TestR1_APushIntoASandboxThatIsNotAsItSaid(t *testing.T) {
	b := newPair(t)
	c := &forger{Client: b.opts.Client, content: "1"}
	b.opts.Client, b.opts.Identity = c, "the same sandbox"
	write(t, b.local, "a", "1")
	b.push()
	b.pull()
	require.True(t, c.done)
	require.Equal(t, "1", read(t, b.local, "ghost"))
	write(t, b.local, "ghost", "mine")
	b.push()
	require.Equal(t, "mine", read(t, b.sandbox, "ghost"))
}
