// Package clienttest checks that a sandbox client keeps the promises of
// [hostgo.Client], in the manner of testing/fstest. A client's own test calls
// [TestClient] in one line.
package clienttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// TestClient runs every check on a fresh client, each in a subtest. newClient
// returns a client and an empty directory in its sandbox, absolute, and cleans
// up with t.Cleanup.
func TestClient(t *testing.T, newClient func(t testing.TB) (c hostgo.Client, root string)) {
	t.Helper()
	for _, k := range checks {
		t.Run(k.name, func(t *testing.T) {
			c, root := newClient(t)
			if err := k.run(&env{t.Context(), c, root}); err != nil {
				t.Error(err)
			}
		})
	}
}

// Check runs every check on one client, in the directory root of its sandbox,
// and returns what it found. It may take half a minute.
func Check(ctx context.Context, c hostgo.Client, root string) []error {
	var errs []error
	for i, k := range checks {
		e := &env{ctx, c, fmt.Sprintf("%s/check%d", root, i)}
		err := c.MakeDir(ctx, e.root)
		if err == nil {
			err = k.run(e)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k.name, err))
		}
	}
	return errs
}

type env struct {
	ctx  context.Context
	c    hostgo.Client
	root string
}

type check struct {
	name string
	run  func(*env) error
}

var checks = []check{
	{"bodies", checkBodies}, {"names", checkNames}, {"overwrite", checkOverwrite}, {"missing", checkMissing},
	{"special", checkSpecial}, {"make_dir", checkMakeDir}, {"list", checkList}, {"remove", checkRemove}, {"run", checkRun}, {"quoting", checkQuoting},
	{"stderr", checkStderr}, {"timeout", checkTimeout}, {"cancel", checkCancel}, {"done_context", checkDone},
	{"streams", checkStreams}, {"concurrency", checkConcurrency}, {"exec", checkExec}, {"identity", checkIdentity},
}

func (e *env) at(name string) string { return e.root + "/" + name }

func (e *env) write(name string, data []byte) error {
	if err := e.c.WriteFile(e.ctx, e.at(name), data); err != nil {
		return fmt.Errorf("calling WriteFile %q: %w", name, err)
	}
	return nil
}

func (e *env) holds(name string, want []byte) error {
	got, err := e.c.ReadFile(e.ctx, e.at(name))
	if err != nil {
		return fmt.Errorf("calling ReadFile %q: %w", name, err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("calling ReadFile %q: got %d bytes, want %d; they differ at byte %d", name, len(got), len(want), firstDifference(got, want))
	}
	return nil
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// pattern makes a body of every byte value, NUL and newline among them.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return data
}

func checkBodies(e *env) error {
	for _, n := range []int{0, 1, 4096, 65536, 131073, 5 << 20} {
		name := fmt.Sprint("body", n)
		if err := e.write(name, pattern(n)); err != nil {
			return err
		}
		if err := e.holds(name, pattern(n)); err != nil {
			return err
		}
	}
	return nil
}

var oddNames = []string{"new\nline", " space ", "it's", `"q"`, "-rf", `back\slash`, "*?[a]", "$(x)`y`", "ünï😀", "~", "#", "%s", strings.Repeat("n", 255)}

func checkNames(e *env) error {
	for _, n := range oddNames {
		if err := e.write(n, []byte(n)); err != nil {
			return err
		}
	}
	for _, n := range oddNames {
		if err := e.holds(n, []byte(n)); err != nil {
			return err
		}
	}
	names, err := e.c.ListFiles(e.ctx, e.root)
	if err != nil {
		return fmt.Errorf("calling ListFiles: %w", err)
	}
	if len(names) != len(oddNames) {
		return fmt.Errorf("calling ListFiles: got %d names, want %d: %q", len(names), len(oddNames), names)
	}
	return nil
}

func checkOverwrite(e *env) error {
	return errors.Join(e.write("f", pattern(10000)), e.write("f", []byte("short")), e.holds("f", []byte("short")))
}

func checkMissing(e *env) error {
	if data, err := e.c.ReadFile(e.ctx, e.at("missing")); err == nil {
		return fmt.Errorf("calling ReadFile of a missing file returned %d bytes and no error", len(data))
	} else if err := typed(err, core.CodeClient); err != nil {
		return err
	}
	if _, err := e.c.ListFiles(e.ctx, e.at("missing")); err == nil {
		return errors.New("calling ListFiles of a missing directory returned no error: it would read as \"all gone\"")
	}
	if err := e.c.WriteFile(e.ctx, e.at("missing/f"), nil); err == nil {
		return errors.New("calling WriteFile into a missing directory returned no error")
	}
	return nil
}

func checkSpecial(e *env) error {
	if err := e.c.Run(e.ctx, "cd "+plan.Quote(e.root)+" && mkfifo pipe && ln -s /dev/zero zero", 0); err != nil {
		return fmt.Errorf("calling Run: %w", err)
	}
	ctx, cancel := context.WithTimeout(e.ctx, longest)
	defer cancel()
	// The pipe first: a client that waits for it reads the other, too, and that has no end.
	for _, name := range []string{"pipe", "zero"} {
		if err := e.readSpecial(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// readSpecial does not wait for a call that hears of no ctx, which is just what reading a FIFO as a file is.
func (e *env) readSpecial(ctx context.Context, name string) error {
	done := make(chan error, 1)
	go func() {
		data, err := e.c.ReadFile(ctx, e.at(name))
		if err == nil {
			done <- fmt.Errorf("calling ReadFile of what is no file returned %d bytes and no error", len(data))
			return
		}
		done <- typed(err, core.CodeClient)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("calling ReadFile of what is no file (%s) did not return: look at what it is before it is read", name)
	}
}

// typed checks that an error is one of this project, of the code and length
// that it must have.
func typed(err error, code core.Code) error {
	var known *core.Error
	switch {
	case !errors.As(err, &known):
		return fmt.Errorf("the error is no *core.Error: %w", err)
	case known.Code != code:
		return fmt.Errorf("the error has code %s, want %s: %w", known.Code, code, err)
	case len(err.Error()) > core.MaxMessage:
		return fmt.Errorf("the error's text is %d bytes long, more than %d", len(err.Error()), core.MaxMessage)
	}
	return nil
}

func checkMakeDir(e *env) error {
	for range 2 {
		if err := e.c.MakeDir(e.ctx, e.at("a/b/c")); err != nil {
			return fmt.Errorf("calling MakeDir: %w", err)
		}
	}
	return errors.Join(e.write("a/b/c/f", []byte("x")), e.holds("a/b/c/f", []byte("x")))
}

func checkList(e *env) error {
	if err := errors.Join(e.c.MakeDir(e.ctx, e.at("d/sub")), e.write("d/b", nil), e.write("d/.a", nil)); err != nil {
		return err
	}
	if err := e.c.Run(e.ctx, "ln -s nowhere "+plan.Quote(e.at("d/link")), 0); err != nil {
		return err
	}
	names, err := e.c.ListFiles(e.ctx, e.at("d"))
	if err != nil {
		return err
	}
	if strings.Join(names, " ") != ".a b link" {
		return fmt.Errorf("calling ListFiles: got %q, want the files and links in byte order", names)
	}
	return nil
}

func checkRemove(e *env) error {
	if err := errors.Join(e.c.MakeDir(e.ctx, e.at("d/sub")), e.write("d/sub/f", nil), e.write("target", []byte("kept"))); err != nil {
		return err
	}
	if err := e.c.Run(e.ctx, "ln -s "+plan.Quote(e.at("target"))+" "+plan.Quote(e.at("link")), 0); err != nil {
		return err
	}
	for _, n := range []string{"d", "link", "never-there", "d"} {
		if err := e.c.Remove(e.ctx, e.at(n)); err != nil {
			return fmt.Errorf("calling Remove %s: %w", n, err)
		}
	}
	if _, err := e.c.ListFiles(e.ctx, e.at("d")); err == nil {
		return errors.New("calling Remove left a directory")
	}
	return e.holds("target", []byte("kept"))
}

func checkRun(e *env) error {
	if err := e.c.Run(e.ctx, "printf ok >"+plan.Quote(e.at("out")), 0); err != nil {
		return fmt.Errorf("calling Run: %w", err)
	}
	if err := e.holds("out", []byte("ok")); err != nil {
		return err
	}
	for _, status := range []int{1, 9, 75} {
		err := e.c.Run(e.ctx, fmt.Sprintf("exit %d", status), 0)
		if err == nil {
			return fmt.Errorf("calling Run returned no error for exit status %d", status)
		}
		var exit *hostgo.ExitError
		if !errors.As(err, &exit) || exit.Status != status {
			return fmt.Errorf("calling Run does not report exit status %d: %w", status, err)
		}
	}
	return nil
}

func checkQuoting(e *env) error {
	want := strings.Join(oddNames, "\x01")
	// A long command, though shorter than one argument may be.
	word := plan.Quote(want + strings.Repeat("x", 100_000))
	if err := e.c.Run(e.ctx, "printf %s "+word+" >"+plan.Quote(e.at("out")), 0); err != nil {
		return err
	}
	return e.holds("out", []byte(want+strings.Repeat("x", 100_000)))
}

func checkStderr(e *env) error {
	err := e.c.Run(e.ctx, "i=0; while [ $i -lt 3000 ]; do echo 'noise noise noise' >&2; i=$((i+1)); done; echo the-end >&2; exit 3", 0)
	if err == nil {
		return errors.New("calling Run returned no error")
	}
	if e := typed(err, core.CodeClient); e != nil {
		return e
	}
	if !strings.Contains(err.Error(), "the-end") {
		return fmt.Errorf("the end of stderr is not in the error: %w", err)
	}
	return nil
}

// longest is what a call that has to end at once may take on the busiest machine.
const longest = time.Minute

// checkTimeout has a child of a child hold everything open. It answers for a minute, as long
// as it lives.
func checkTimeout(e *env) error {
	answer := "i=0; while cd " + plan.Quote(e.root) + " && [ $i -lt 60 ]; do [ ! -e ping ] || mv ping pong; sleep 1; i=$((i+1)); done"
	start := time.Now()
	err := e.c.Run(e.ctx, "("+answer+") & sleep 120", time.Second)
	if err == nil {
		return errors.New("calling Run returned no error after its timeout")
	}
	if spent := time.Since(start); spent > longest {
		return fmt.Errorf("calling Run returned %s after a timeout of one second", spent)
	}
	if err := typed(err, core.CodeTimeout); err != nil {
		return err
	}
	for range 15 { // a busy machine may need more than one for the end of the child
		if err := errors.Join(e.write("ping", nil), e.c.Run(e.ctx, "sleep 3", 0)); err != nil {
			return err
		}
		if _, err := e.c.ReadFile(e.ctx, e.at("ping")); err == nil {
			return nil // nobody took it
		}
	}
	return errors.New("a child outlived the timeout")
}

func checkCancel(e *env) error {
	ctx, cancel := context.WithCancel(e.ctx)
	time.AfterFunc(200*time.Millisecond, cancel)
	start := time.Now()
	err := e.c.Run(ctx, "sleep 120", 0)
	if err == nil {
		return errors.New("calling Run returned no error after it was cancelled")
	}
	if spent := time.Since(start); spent > longest {
		return fmt.Errorf("calling Run returned %s after it was cancelled", spent)
	}
	return typed(err, core.CodeCancelled)
}

func checkDone(e *env) error {
	if err := e.write("kept", nil); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	for _, call := range []struct {
		name string
		err  error
	}{
		{"MakeDir", e.c.MakeDir(ctx, e.at("d"))},
		{"WriteFile", e.c.WriteFile(ctx, e.at("f"), []byte("x"))},
		{"ReadFile", second(e.c.ReadFile(ctx, e.at("kept")))},
		{"ListFiles", second(e.c.ListFiles(ctx, e.root))},
		{"Remove", e.c.Remove(ctx, e.at("kept"))},
		{"Run", e.c.Run(ctx, "touch "+plan.Quote(e.at("g")), 0)},
	} {
		if call.err == nil {
			return fmt.Errorf("calling %s with a context that is done returned no error", call.name)
		}
		if err := typed(call.err, core.CodeCancelled); err != nil {
			return err
		}
	}
	if _, err := e.c.ListFiles(e.ctx, e.at("d")); err == nil {
		return errors.New("calling MakeDir with a context that is done made a folder")
	}
	names, err := e.c.ListFiles(e.ctx, e.root)
	if err == nil && strings.Join(names, " ") != "kept" {
		err = fmt.Errorf("calls with a context that is done left %q", names)
	}
	return err
}

func second[T any](_ T, err error) error { return err }

func checkStreams(e *env) error {
	s, ok := e.c.(hostgo.Streamer)
	if !ok {
		return nil // an optional promise
	}
	data := pattern(3 << 20)
	q := plan.Quote(e.at("stream"))
	if err := s.RunStream(e.ctx, "cat >"+q, bytes.NewReader(data), nil, time.Minute); err != nil {
		return fmt.Errorf("calling RunStream with an input: %w", err)
	}
	if err := e.holds("stream", data); err != nil {
		return err
	}
	var got bytes.Buffer
	if err := s.RunStream(e.ctx, "echo noise >&2; cat "+q+" -", strings.NewReader("and\x00more"), &got, time.Minute); err != nil {
		return fmt.Errorf("calling RunStream with both streams: %w", err)
	}
	if !bytes.Equal(got.Bytes(), append(data, "and\x00more"...)) {
		return fmt.Errorf("RunStream gave %d bytes that are not what the command wrote", got.Len())
	}
	for _, out := range []io.Writer{nil, io.Discard} {
		for _, in := range []io.Reader{nil, bytes.NewReader(data)} {
			err := s.RunStream(e.ctx, "echo some; exit 9", in, out, time.Minute)
			var exit *hostgo.ExitError
			if !errors.As(err, &exit) || exit.Status != 9 {
				return fmt.Errorf("calling RunStream with a command that exits 9 returned %v", err)
			}
		}
	}
	slow := &slowWriter{}
	if err := s.RunStream(e.ctx, "head -c 60000 "+q, nil, slow, time.Minute); err != nil || !bytes.Equal(slow.got.Bytes(), data[:60000]) {
		return fmt.Errorf("RunStream gave %d bytes of 60000 to a writer that takes its time, and error %v", slow.got.Len(), err)
	}
	return checkBrokenStreams(e, s)
}

// slowWriter takes so long for its first bytes that the command has ended before it asks
// for the others.
type slowWriter struct{ got bytes.Buffer }

func (w *slowWriter) Write(b []byte) (int, error) {
	if w.got.Len() == 0 {
		time.Sleep(4 * time.Second)
	}
	return w.got.Write(b)
}

// checkBrokenStreams wants a command killed before it can take half an input for
// a whole one.
func checkBrokenStreams(e *env, s hostgo.Streamer) error {
	boom := errors.New("the stream broke")
	after := plan.Quote(e.at("after"))
	err := s.RunStream(e.ctx, "cat >/dev/null; sleep 1; echo done >"+after, io.MultiReader(bytes.NewReader(pattern(1<<20)), &brokenReader{boom}), nil, time.Minute)
	if !errors.Is(err, boom) {
		return fmt.Errorf("calling RunStream hides an error of its input: %v", err)
	}
	if err := s.RunStream(e.ctx, "echo short", nil, &brokenWriter{boom}, time.Minute); !errors.Is(err, boom) {
		return fmt.Errorf("calling RunStream hides an error of its output at the end: %v", err)
	}
	noise := "n=noise; for i in 0 1 2 3 4 5 6 7 8 9; do n=$n$n; done; while :; do echo $n; done" // much at a time, since a compressor waits for megabytes
	if err := s.RunStream(e.ctx, noise, nil, &brokenWriter{boom}, time.Minute); !errors.Is(err, boom) {
		return fmt.Errorf("calling RunStream hides an error of its output: %v", err)
	}
	if err := s.RunStream(e.ctx, "sleep 60", nil, io.Discard, time.Second); !errors.Is(err, core.CodeTimeout) {
		return fmt.Errorf("calling RunStream with a command that is silent for too long returned %v", err)
	}
	if _, err := e.c.ReadFile(e.ctx, e.at("after")); err == nil {
		return errors.New("a command went on after RunStream could not give it all of its input")
	}
	return nil
}

type brokenWriter struct{ err error }

func (w *brokenWriter) Write([]byte) (int, error) { return 0, w.err }

type brokenReader struct{ err error }

func (r *brokenReader) Read([]byte) (int, error) { return 0, r.err }

func checkConcurrency(e *env) error {
	if hostgo.CapabilitiesOf(e.c).NoConcurrency {
		return nil
	}
	errs := make([]error, 8)
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() {
			name, data := fmt.Sprint("c", i), pattern(10000+i)
			errs[i] = errors.Join(e.write(name, data), e.holds(name, data), e.c.Run(e.ctx, "true", 0))
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func checkExec(e *env) error {
	x, ok := e.c.(hostgo.Commander)
	if !ok {
		return nil // an optional promise
	}
	var out bytes.Buffer
	argv := append([]string{"sh", "-c", `cat; for a do printf '%s\001' "$a"; done; pwd; printf %s "$V"; exit 7`, "sh"}, oddNames...)
	exit, err := x.Exec(e.ctx, hostgo.ExecRequest{Dir: e.root, Argv: argv, Env: []string{"V=val"}, Stdin: strings.NewReader("in\n"), Stdout: &out})
	if err != nil || exit != 7 {
		return fmt.Errorf("calling Exec: exit %d, error %v; want 7 and none", exit, err)
	}
	want := "in\n" + strings.Join(oddNames, "\x01") + "\x01" + e.root + "\nval"
	if out.String() != want {
		return fmt.Errorf("calling Exec: the command saw %q, want %q", out.String(), want)
	}
	if err := errors.Join(checkLeftBehind(e, x), checkExecCancel(e, x)); err != nil {
		return err
	}
	for _, status := range []int{126, 127} {
		var stderr bytes.Buffer
		argv := []string{"sh", "-c", fmt.Sprint("echo >&2; echo why >&2; exit ", status)}
		if exit, err := x.Exec(e.ctx, hostgo.ExecRequest{Argv: argv, Stderr: &stderr}); err != nil || exit != status || stderr.String() != "\nwhy\n" {
			return fmt.Errorf("calling Exec of a command that exits %d: exit %d, error %v, stderr %q", status, exit, err, stderr.String())
		}
	}
	if exit, err := x.Exec(e.ctx, hostgo.ExecRequest{Argv: []string{"/no/such/program"}}); err == nil {
		return fmt.Errorf("calling Exec of a program that does not exist: exit %d and no error", exit)
	}
	return nil
}

// checkLeftBehind runs a command that leaves another one behind, which holds its output
// open.
func checkLeftBehind(e *env, x hostgo.Commander) error {
	for _, want := range []int{0, 5} {
		ctx, cancel := context.WithTimeout(e.ctx, longest)
		defer cancel()
		var out bytes.Buffer
		exit, err := x.Exec(ctx, hostgo.ExecRequest{Argv: []string{"sh", "-c", fmt.Sprint("sleep 120 & echo $!; exit ", want)}, Stdout: &out, Stderr: io.Discard})
		id, atoi := strconv.Atoi(strings.TrimSpace(out.String()))
		if err != nil || exit != want || atoi != nil {
			return fmt.Errorf("calling Exec of a command that leaves another behind: exit %d, error %v, output %q", exit, err, out.String())
		}
		if err := e.c.Run(e.ctx, fmt.Sprint("kill ", id), 0); err != nil {
			return err
		}
	}
	return nil
}

// checkExecCancel wants a command and its children killed with the context.
func checkExecCancel(e *env, x hostgo.Commander) error {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	ready := &cancelWriter{cancel}
	argv := []string{"sh", "-c", "n=0; while sleep 0.1 && [ $((n += 1)) -lt 600 ]; do echo x >>grows; done & echo ready; wait"}
	exit, err := x.Exec(ctx, hostgo.ExecRequest{Argv: argv, Dir: e.root, Stdout: ready, Stderr: io.Discard})
	if err == nil {
		return fmt.Errorf("calling Exec returned exit %d and no error after it was cancelled", exit)
	}
	if err := typed(err, core.CodeCancelled); err != nil {
		return err
	}
	for range 10 {
		// What ends the child may be on its way yet.
		if err = e.c.Run(e.ctx, "cd "+plan.Quote(e.root)+" && touch grows && cat grows >before && sleep 2 && test $(wc -c <before) -eq $(wc -c <grows)", 0); err == nil {
			return nil
		}
	}
	return fmt.Errorf("a child outlived the cancelled command: %w", err)
}

// cancelWriter cancels at the first write.
type cancelWriter struct{ cancel func() }

func (w *cancelWriter) Write(b []byte) (int, error) {
	w.cancel()
	return len(b), nil
}

func checkIdentity(e *env) error {
	i, ok := e.c.(hostgo.Identified)
	if !ok {
		return nil // an optional promise
	}
	first, second := i.Identity(), i.Identity()
	if first == "" || first != second {
		return fmt.Errorf("the identity is %q, then %q", first, second)
	}
	return nil
}
