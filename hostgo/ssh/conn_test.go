package ssh

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/paperclipai/syncplan/hostgo"
)

// What a hostile server can make the client hold is bounded (R4).

func TestR4_ALineWithoutEndIsNotKept(t *testing.T) {
	w := &markedWriter{}
	for range 100 {
		_, err := w.Write([]byte(strings.Repeat("1", 1000)))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(w.unmarked()), 2*hostgo.MaxStderr)
}

func TestR4_AWindowOfGigabytesIsRefused(t *testing.T) {
	for window, want := range map[int]bool{maxWindow: true, 4 * maxWindow: false} {
		var packed bytes.Buffer
		w, err := zstd.NewWriter(&packed, zstd.WithWindowSize(window), zstd.WithSingleSegment(false))
		require.NoError(t, err)
		_, err = w.Write(make([]byte, 5*maxWindow))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		r, err := packers["zstd"].reader(&packed)
		if err == nil {
			_, err = bytes.NewBuffer(nil).ReadFrom(r)
		}
		require.Equal(t, want, err == nil, "%v", err)
	}
}

// A signal goes to the group that a command said it is. "kill -1" would reach everything.
func TestAGroupIsANumberAboveOne(t *testing.T) {
	for text, want := range map[string]string{"": "", "x": "", "0": "", "1": "", "-1": "", "-17": "", "2 3": "", "$(id)": "", "99999999999999999999": "", "2": "2", "0017": "17"} {
		g := group{known: make(chan struct{})}
		g.tell(text)
		require.Equal(t, want, g.id, text)
		select {
		case <-g.known:
			require.NotEmpty(t, want, text)
		default:
			require.Empty(t, want, text)
		}
	}
}

// What stands before the mark is of the shell's set-up; it is told only where no mark comes.
func TestTheMark(t *testing.T) {
	for _, row := range []struct{ said, passed, told, unmarked string }{
		{"", "", "", ""},
		{"a tip\nhalf", "", "", "a tip\nhalf"},
		{mark + "\n", "", "", ""},
		{"a tip\n" + mark + " 17 \nout\n" + mark + " 18\n", "out\n" + mark + " 18\n", "17", ""},
		{"half" + mark + "\nout", "", "", "half" + mark + "\nout"},
	} {
		for size := 1; size <= len(row.said)+1; size++ { // however it is cut
			var passed strings.Builder
			var told []string
			w := &markedWriter{to: &passed, told: func(text string) { told = append(told, text) }}
			for rest := row.said; rest != ""; {
				n := min(size, len(rest))
				got, err := w.Write([]byte(rest[:n]))
				require.NoError(t, err)
				require.Equal(t, n, got)
				rest = rest[n:]
			}
			require.Equal(t, row.passed, passed.String(), row.said)
			require.Equal(t, row.unmarked, w.unmarked(), row.said)
			require.Equal(t, row.told, strings.Join(told, ","), row.said)
		}
	}
}

// Half a download, or one that is packed in a way that nobody asked for, is none.
func TestWhatComesPacked(t *testing.T) {
	for packed, want := range map[string]string{"cat\nbody\n": "body\n", "cat\n": "", "": "unexpected EOF", "zst": "unexpected EOF", "xz\nbody": "compresses in a way that is not known",
		"gzip\nbody body body": "gzip: invalid header", "zstd\nbody": "magic number", "gzip\n\x1f\x8b\x08": "EOF"} {
		var out strings.Builder
		in, finish := unpacked(&out)
		_, _ = io.WriteString(in, packed) // its end tells
		if err := finish(); strings.HasPrefix(packed, "cat\n") {
			require.NoError(t, err)
			require.Equal(t, want, out.String())
		} else {
			require.ErrorContains(t, err, want, packed)
			require.Empty(t, out.String())
		}
	}
}

// A command need not read all of its input. What compresses the rest goes on no longer than the command: one that a
// push leaves behind would cost a service megabytes each time. The bubble says what is left behind.
func TestR4_NothingCompressesForACommandThatEnded(t *testing.T) {
	for name, p := range packers {
		for _, reads := range []int64{0, 1, 1 << 20} {
			t.Run(fmt.Sprint(name, " read ", reads), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := &conn{packing: packing{measured: make(chan struct{}), known: make(chan struct{}), far: true, chosen: p}}
					close(c.packing.measured)
					close(c.packing.known)
					j, finish := c.compress(t.Context(), job{command: "true", stdin: rand.Reader, stdout: io.Discard})
					_, err := io.CopyN(io.Discard, j.stdin, reads)
					require.NoError(t, err)
					_, err = io.WriteString(j.stdout, "cat\n")
					require.NoError(t, err)
					require.NoError(t, finish())
				})
			})
		}
	}
}

// A server that falls silent ends the calls that wait for it. One that answers late, and always, is never given up.
func TestAServerIsGivenUpWhereItFallsSilent(t *testing.T) {
	const never = 1000 * time.Hour
	for _, row := range []struct {
		every  time.Duration
		misses int
		answer time.Duration
		lost   time.Duration // from the beginning; 0 if it is not
	}{
		{every: time.Second, misses: 3, answer: 0},
		{every: time.Second, misses: 3, answer: 2500 * time.Millisecond},
		{every: time.Second, misses: 3, answer: never, lost: 4 * time.Second},
		{every: time.Second, misses: 1, answer: never, lost: 2 * time.Second},
		{every: time.Minute, misses: 2, answer: never, lost: 3 * time.Minute},
		{every: 0, misses: 3, answer: never}, // nobody asked for it
	} {
		t.Run(fmt.Sprint(row), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				over := make(chan struct{})
				defer close(over)
				server := &fake{lives: func() {
					select {
					case <-time.After(row.answer):
					case <-over:
					}
				}}
				c, began := &conn{client: server.connect(t), lost: make(chan struct{})}, time.Now()
				defer c.close()
				go c.keepAlive(row.every, row.misses)
				select {
				case <-c.lost:
					require.Equal(t, row.lost, time.Since(began))
				case <-time.After(time.Hour):
					require.Zero(t, row.lost)
				}
			})
		})
	}
}

// A server that has just let somebody in answers late. Where the connection was made at once it is asked again, three
// times, and the shortest way counts.
func TestALinkIsFarByItsAnswers(t *testing.T) {
	const ms = time.Millisecond
	for _, row := range []struct {
		answers []time.Duration
		dialed  time.Duration
		far     bool
	}{
		{[]time.Duration{0}, 0, false},
		{[]time.Duration{2 * ms}, 0, false},
		{[]time.Duration{3 * ms, 0}, 0, true},
		{[]time.Duration{3 * ms, 0}, 3 * ms, true},
		{[]time.Duration{3 * ms, 0}, 2 * ms, false},
		{[]time.Duration{9 * ms, 9 * ms, 9 * ms, 2 * ms}, ms, false},
		{[]time.Duration{9 * ms, 9 * ms, 9 * ms, 9 * ms, 0}, ms, true},
	} {
		t.Run(fmt.Sprint(row), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &fake{lives: func() {
					time.Sleep(row.answers[0])
					row.answers = row.answers[1:]
				}, run: func(c ssh.Channel, _ string) { ends(c, 0) }}
				c := probed(t, server, farAway, row.dialed)
				require.Equal(t, row.far, c.isFar(t.Context()))
				require.Equal(t, !row.far, c.packing.isNear())
			})
		})
	}
}

// probed connects to a server and asks it what it is asked at the beginning.
func probed(t *testing.T, server *fake, far, dialed time.Duration) *conn {
	t.Helper()
	c := &conn{client: server.connect(t), lost: make(chan struct{}), packing: packing{measured: make(chan struct{}), known: make(chan struct{})}}
	t.Cleanup(c.close)
	require.False(t, c.packing.isNear(), "nothing is known yet")
	c.probe(far, dialed)
	return c
}

// What a server packs with is the first that it has of what is known here. Where it can't tell, nothing is packed.
func TestAPackerIsOneThatBothSidesHave(t *testing.T) {
	for said, want := range map[string]string{"zstd\ngzip\n": "zstd", "gzip\n": "gzip", "": "", "xz\n": ""} {
		for _, status := range []uint32{0, 1} {
			synctest.Test(t, func(t *testing.T) {
				c := probed(t, &fake{run: func(c ssh.Channel, _ string) {
					starts(c)
					_, _ = io.WriteString(c, said)
					ends(c, status)
				}}, 0, 0)
				require.Same(t, packers[want], c.packer(t.Context()), said)
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		require.Nil(t, probed(t, &fake{}, 0, 0).packer(t.Context()), "it does not answer")
	})
}

// A server asks in a channel whether this side lives, and ends the connection where it gets no answer.
func TestAServerIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fake{run: func(c ssh.Channel, line string) {
			if _, err := c.SendRequest("keepalive@openssh.com", true, nil); err == nil {
				ends(c, 7)
			}
		}}
		c := newConn(server.connect(t), &settings{far: farAway})
		defer c.close()
		status, err := c.run(t.Context(), job{command: "true"})
		require.NoError(t, err)
		require.Equal(t, 7, status)
	})
}

// An input that breaks off does not end as a whole one does: the command is killed before it sees an end, and what broke
// is told.
func TestAnInputThatBreaksEndsTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, seen := errors.New("the stream broke"), make(chan string, 3)
		server := &fake{run: func(c ssh.Channel, line string) {
			if strings.HasPrefix(line, "kill") {
				seen <- line
				ends(c, 0)
				return
			}
			starts(c)
			if data, _ := io.ReadAll(c); len(data) > 0 { // else it is the shell that waits for the next command
				seen <- string(data)
			}
		}}
		c := newConn(server.connect(t), &settings{far: farAway})
		defer c.close()
		_, err := c.run(t.Context(), job{command: "cat", stdin: io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))})
		require.ErrorIs(t, err, broken)
		require.Equal(t, "kill -KILL -17", <-seen)
		require.Equal(t, "cat\nhalf", <-seen)
	})
}

// Whoever waits for a channel learns of the end of the context, and of the connection.
func TestAWaitForAChannelEnds(t *testing.T) {
	for name, taken := range map[string]bool{"as many commands run as may": true, "no channel is open yet": false} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " lost=", lost), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := &conn{slots: make(chan struct{}, 1), idle: make(chan opened, 1), lost: make(chan struct{}), why: errLost}
					if taken {
						c.slots <- struct{}{}
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					want := context.DeadlineExceeded
					if lost {
						want = errLost
						time.AfterFunc(time.Millisecond, func() { close(c.lost) })
					}
					status, err := c.run(ctx, job{command: "true"})
					require.ErrorIs(t, err, want)
					require.Equal(t, -1, status)
				})
			})
		}
	}
}
