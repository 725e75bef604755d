package hostgo

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// maxKeptMember bounds a member whose bytes are kept in memory, maxKept all of them. A
// repository file beyond them counts as unreadable, which leaves its repository alone.
const (
	maxKeptMember = 64 << 20
	maxKept       = 128 << 20
)

// maxSurveyText bounds the text of a download: some 200 bytes for each of the
// entries that a tree may have.
const maxSurveyText = 2 << 30

// survey asks for a survey and returns what is known of the sandbox. Where the
// answer can't be relied on, because the script or the listing that an earlier
// run left there is gone, altered or contradicts what was told then, it asks
// again for everything.
func (s *session) survey(ctx context.Context, stage *stage) (*plan.Remote, error) {
	for {
		p, err := plan.Next(s.request)
		if err != nil {
			return nil, err
		}
		var remote *plan.Remote
		err = s.look(ctx, p, func(give func(io.Writer) error) (err error) {
			remote, err = s.download(ctx, give, stage)
			return err
		})
		if err == nil || s.request.Forget || !s.mayForget(ctx, err) {
			return remote, err
		}
		s.request.Forget = true
	}
}

// mayForget reports whether an error is one that a full survey would not have.
func (s *session) mayForget(ctx context.Context, err error) bool {
	var known *core.Error
	if errors.As(err, &known) && known.Code == core.CodeCorrupt {
		return known.Field == plan.FieldSeen
	}
	why := s.why(ctx, err) // in a survey nothing else refuses
	return why == "script" || why == "stale"
}

// why returns the reason that a script left when it refused. A client need not
// report an exit status; where that says all, nothing is read, since something else may
// stand there by now, of any length.
func (s *session) why(ctx context.Context, err error) string {
	var known *core.Error
	if s.opts.Dialect == plan.Classic || !errors.As(err, &known) || known.Code != core.CodeClient || ctx.Err() != nil {
		return ""
	}
	path, why := plan.WhyFile(s.request), ""
	var exit *ExitError
	if errors.As(err, &exit) && exit.Status != plan.ExitStuck {
		why = refusals[exit.Status]
	} else if text, err := s.client.ReadFile(ctx, path); err == nil {
		why = string(bytes.TrimSpace(text))
	}
	if why != "" { // else the command failed before or after the script's own checks
		_ = s.client.Remove(ctx, path) // it is swept later if this fails
	}
	return why
}

var refusals = map[int]string{plan.ExitStale: "stale", plan.ExitBusy: "busy"}

// look executes the steps of a survey or a fetch. read is given what writes the
// download.
func (s *session) look(ctx context.Context, p *plan.Plan, read func(give func(io.Writer) error) error) error {
	for _, step := range p.Steps {
		var err error
		switch step.Do {
		case plan.StepMakeDir:
			err = s.client.MakeDir(ctx, step.Path)
		case plan.StepWrite:
			err = s.client.WriteFile(ctx, step.Path, []byte(step.Data))
		case plan.StepRun:
			s.enter(StageSurvey)
			err = s.client.Run(ctx, step.Command, s.opts.Timeout)
		case plan.StepRead:
			err = read(func(w io.Writer) error { return s.readParts(ctx, step.Path, w) })
		case plan.StepReceive:
			s.enter(StageSurvey)
			var in io.Reader // none is sooner there than an empty one
			if step.Data != "" {
				in = strings.NewReader(step.Data)
			}
			err = read(func(w io.Writer) error { return s.runStream(ctx, step.Command, in, w) })
		case plan.StepRemove:
			// What stays there is swept by a later push; it is not worth failing for.
			_ = s.client.Remove(ctx, step.Path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fetch brings the contents that a survey did not.
func (s *session) fetch(ctx context.Context, p *plan.Plan, stage *stage) error {
	for _, f := range p.Fetch {
		s.request.Fetched = append(s.request.Fetched, f.Digest)
	}
	return s.look(ctx, p, func(give func(io.Writer) error) error {
		members, text, sum, err := s.receive(ctx, give, stage)
		if err != nil {
			return err
		}
		remote, err := plan.ReadFetch(s.request, members, text, sum)
		if err != nil {
			return err
		}
		s.request.Remote = remote
		return nil
	})
}

// download reads one survey from the sandbox.
func (s *session) download(ctx context.Context, give func(io.Writer) error, stage *stage) (*plan.Remote, error) {
	if s.opts.Dialect == plan.Classic {
		return s.downloadClassic(ctx, give, stage)
	}
	members, text, sum, err := s.receive(ctx, give, stage)
	if err != nil {
		return nil, err
	}
	return plan.ReadSurvey(s.request, members, text, sum)
}

// downloadClassic reads the one archive of the whole workspace.
func (s *session) downloadClassic(ctx context.Context, give func(io.Writer) error, stage *stage) (*plan.Remote, error) {
	if err := s.scanned(); err != nil {
		return nil, err
	}
	s.enter(StageReceive)
	src, finish := s.openRemote(ctx, give)
	c := newCollector(s, stage)
	_, err := readArchives(ctx, src, archiveLimits{Single: true}, c.member)
	if err := finish(err); err != nil {
		return nil, err
	}
	return plan.ReadSurvey(s.request, c.members, "", core.Digest{})
}

// receive reads one download: the members of its archives, the text after them,
// and the digest of all but the tail.
func (s *session) receive(ctx context.Context, give func(io.Writer) error, stage *stage) ([]plan.SurveyMember, string, core.Digest, error) {
	src, finish := s.openRemote(ctx, give)
	begun := bufio.NewReaderSize(src, 4096)
	_, _ = begun.Peek(1) // waits; an error comes again with the next read
	if err := s.scanned(); err != nil {
		_ = finish(err) // it returns err
		return nil, "", core.Digest{}, err
	}
	s.enter(StageReceive)
	tail := newTailReader(unzipped(begun), plan.SurveyTail)
	c := newCollector(s, stage)
	rest, err := readArchives(ctx, tail, archiveLimits{Text: plan.SurveyText}, c.member)
	text := ""
	if err == nil {
		text, err = boundedText(rest, maxSurveyText)
	}
	if e := finish(err); e != nil {
		return nil, "", core.Digest{}, e
	}
	return c.members, text + tail.tail(), tail.digest(), nil
}

// boundedText reads the text of a download, of at most so many bytes.
func boundedText(r io.Reader, most int64) (string, error) {
	var text strings.Builder
	n, err := io.Copy(&text, io.LimitReader(r, most+1))
	if n > most {
		return "", &core.Error{Code: core.CodeLimit, Message: "the sandbox's listing is too long"}
	}
	return text.String(), err
}

// openRemote reads a download while it arrives. finish returns the error that
// came first in time: one of the transport explains a truncated archive, not the
// other way round.
func (s *session) openRemote(ctx context.Context, give func(io.Writer) error) (io.Reader, func(error) error) {
	pipe := newTimedPipe()
	done := make(chan error, 1)
	go func() {
		err := give(pipe)
		pipe.w.CloseWithError(err)
		s.report.work(WorkTransfer, pipe.sinceFirstWrite())
		done <- err
	}()
	return pipe, func(later error) error {
		pipe.r.CloseWithError(io.ErrClosedPipe)
		if err := <-done; err != nil && later == nil {
			return err
		} else if err != nil && ctx.Err() != nil {
			return err
		}
		return later
	}
}

// collector turns archive members into survey members.
type collector struct {
	session *session
	stage   *stage // nil: bodies are hashed and dropped
	members []plan.SurveyMember
	first   map[string]int // the members that are files by name, for hard links
	kept    int64          // bytes of members that are kept in memory
	meter   meter
}

func newCollector(s *session, stage *stage) *collector {
	return &collector{session: s, stage: stage, first: map[string]int{}, meter: meter{session: s}}
}

func (c *collector) member(raw rawMember, body io.Reader) error {
	m := plan.SurveyMember{Name: raw.Name, Mode: raw.Mode, Size: raw.Size, Target: raw.Target, Fault: raw.Fault}
	var err error
	switch {
	case raw.Fault != "":
	case raw.Kind == rawDir:
		m.Kind = core.KindDir
	case raw.Kind == rawLink:
		m.Kind = core.KindLink
	case raw.Kind == rawHardlink:
		err = c.hardlink(&m, raw)
	case raw.Kind == rawFile:
		m.Kind = core.KindFile
		err = c.file(&m, body)
	}
	c.members = append(c.members, m)
	return err
}

// hardlink gives a second name of a file the content of the first, which is staged now if it was only kept in memory.
func (c *collector) hardlink(m *plan.SurveyMember, raw rawMember) (err error) {
	i, ok := c.first[raw.Target]
	if !ok {
		m.Fault = "a hard link to something outside the workspace"
		return nil
	}
	first := &c.members[i]
	m.Kind, m.Digest, m.Size, m.Target = core.KindFile, first.Digest, first.Size, ""
	if first.Data != nil && c.stage != nil {
		_, _, err = c.stage.PutUnless(bytes.NewReader(first.Data), first.Size, func(d core.Digest) bool { return c.localHas(m.Name, d) })
	}
	return err
}

func (c *collector) file(m *plan.SurveyMember, body io.Reader) error {
	body = meteredReader{body, &c.meter}
	var err error
	switch {
	case plan.KeepsData(m.Name) && (m.Size > maxKeptMember || c.kept+m.Size > maxKept):
		m.Fault = "too large to be looked at"
		return nil
	case plan.KeepsData(m.Name):
		c.kept += m.Size
		if m.Data, err = io.ReadAll(body); err == nil {
			m.Digest = sha256.Sum256(m.Data)
		}
	case c.stage == nil:
		h := sha256.New()
		if _, err = io.Copy(h, body); err == nil {
			m.Digest = core.Digest(h.Sum(nil))
		}
	default:
		var staged bool
		m.Digest, staged, err = c.stage.PutUnless(body, m.Size, func(d core.Digest) bool { return c.localHas(m.Name, d) })
		if staged {
			c.session.report.DownloadedFiles++
		}
	}
	if err != nil {
		return err
	}
	c.first[m.Name] = len(c.members) // where it comes to stand
	c.meter.over()
	return nil
}

// localHas reports whether the workspace has this content under this name, so
// that no decision can need the body.
func (c *collector) localHas(name string, d core.Digest) bool {
	e := c.session.request.Local.Entries.Find(name)
	return e != nil && e.Digest == d
}

// tailReader keeps back the last n bytes of a stream and hashes all before.
type tailReader struct {
	src  io.Reader
	n    int
	buf  []byte
	hash hash.Hash
	err  error
}

func newTailReader(src io.Reader, n int) *tailReader {
	return &tailReader{src: src, n: n, buf: make([]byte, 0, 64<<10), hash: sha256.New()}
}

// Read hands out bytes only once n more have been seen.
func (t *tailReader) Read(p []byte) (int, error) {
	for len(t.buf) <= t.n && t.err == nil {
		var n int
		n, t.err = t.src.Read(t.buf[len(t.buf):cap(t.buf)])
		t.buf = t.buf[:len(t.buf)+n]
	}
	if len(t.buf) <= t.n {
		return 0, t.err
	}
	n := copy(p, t.buf[:len(t.buf)-t.n])
	t.hash.Write(p[:n])
	t.buf = t.buf[:copy(t.buf, t.buf[n:])]
	return n, nil
}

func (t *tailReader) tail() string        { return string(t.buf) }
func (t *tailReader) digest() core.Digest { return core.Digest(t.hash.Sum(nil)) }
