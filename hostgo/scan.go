package hostgo

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/hostgo/internal/tree"
)

// ScanOptions say how a tree is scanned. The zero value scans everything but
// what is always excluded.
type ScanOptions struct {
	Rules    *core.Rules                  // what is left out; nil is no more than always
	Workers  int                          // directories and files read at a time; 0 is one a processor, at most 8
	Progress func(files int, bytes int64) // called from one goroutine at a time; may be nil
	cache    *scanCache                   // digests of an earlier scan; may be nil
	// nextCache is a file that a cache for the next scan is written to, unless the
	// one given is as good; "" is none.
	nextCache string
	// noDigests leaves files unread, for a first push, which hashes what it sends.
	noDigests bool
	// like returns a tree of which the snapshot shares what is the same, such as
	// base. It is asked once all is read; nil is none.
	like func() core.Tree
	// mounts is the table of what is mounted where; "" is the system's.
	mounts string
}

// Scanned is a tree and the states of the repositories in it.
type Scanned struct {
	Snapshot core.Snapshot
	Repos    []core.Repo   // of each .git directory, by path
	Hashing  time.Duration // reading and hashing files, added up over all workers
}

// maxReads bounds how often a file that changes while it is read is read again.
const maxReads = 3

// Scan reads a tree and hashes its files. A single bad file never fails it:
// what can't be an entry is a problem of the snapshot, what vanishes while it is
// read is absent (promise R1). The error is one of the root itself, of a process that
// can open no more files, or of ctx.
func Scan(ctx context.Context, root string, opts ScanOptions) (*Scanned, error) {
	top, err := tree.Open(root)
	if err != nil {
		e := ioError("the folder can't be read", root, err)
		if errors.Is(err, fs.ErrNotExist) {
			e.Hint = "name an existing folder"
		}
		return nil, e
	}
	if opts.Rules == nil {
		if opts.Rules, err = core.CompileRules(nil, nil); err != nil {
			top.Close()
			return nil, err
		}
	}
	if opts.Workers <= 0 {
		opts.Workers = min(runtime.GOMAXPROCS(0), 8)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &scanner{ctx: ctx, stop: stop, opts: opts, clock: time.Now().UnixNano(), idle: make(chan *reader, opts.Workers-1),
		mounted: mountedBelow(root, cmp.Or(opts.mounts, systemMounts)), repos: map[string][]core.RepoFile{}}
	for range opts.Workers - 1 {
		s.idle <- newReader()
	}
	folder := s.dir(top, "", newReader())
	s.wait.Wait()
	if err := context.Cause(ctx); err != nil {
		var spent *core.Error
		if errors.As(err, &spent) {
			return nil, spent
		}
		return nil, &core.Error{Code: core.CodeCancelled, Message: "stopped while scanning", Err: err}
	}
	if err := s.saveCache(root, folder); err != nil {
		return nil, err
	}
	out := s.result(folder)
	out.Hashing = s.hashing.total()
	return out, nil
}

// scanner walks a tree depth first. A subdirectory goes to another goroutine
// while one is idle, so that few directories are open at a time.
type scanner struct {
	ctx  context.Context
	stop context.CancelCauseFunc
	opts ScanOptions
	// mounted are the directories and files that can be neither removed nor replaced, because something is
	// mounted there.
	mounted map[string]bool
	idle    chan *reader
	wait    sync.WaitGroup

	mu         sync.Mutex
	problems   []core.Problem
	incomplete []string
	occupied   []string
	repos      map[string][]core.RepoFile

	clock                       int64 // when the scan began
	files, bytes, reused, fresh atomic.Int64
	hashing                     stopwatch
}

// folder is one scanned directory: its entries in order, and what is in those
// that are directories.
type folder struct {
	path    string
	entries []core.Entry // each with its name for a path: whole, they would take twice the room
	stamps  []stamp      // of the same; zero where a cache must not hold it
	dev     uint64       // of the files that have one
	below   map[int]*folder
}

// place is the directory that is being scanned, and what a cache knows of it.
type place struct {
	dir   *tree.Dir
	path  string
	known *cachedFolder
}

// reader is what one goroutine hashes with.
type reader struct {
	hash hash.Hash
	buf  []byte
}

func newReader() *reader { return &reader{sha256.New(), make([]byte, 128<<10)} }

// dir scans the directory d, which it closes, at path.
func (s *scanner) dir(d *tree.Dir, path string, r *reader) *folder {
	defer d.Close()
	f, at := &folder{path: path}, &place{d, path, s.opts.cache.folder(path, s.clock)}
	names, err := d.Names()
	if err != nil {
		s.incompleteDir(path, err)
	}
	slices.Sort(names) // within one directory the order of paths is that of names
	if inRepo(path) && slices.ContainsFunc(names, func(name string) bool { return readingRank[name] != 0 }) {
		return s.repoDir(at, names, r)
	}
	f.entries, f.stamps = make([]core.Entry, 0, len(names)), make([]stamp, 0, len(names))
	for _, name := range names {
		s.name(at, f, name, r)
	}
	return f
}

// name adds what stands at a name to f.
func (s *scanner) name(at *place, f *folder, name string, r *reader) {
	if s.ctx.Err() != nil {
		return
	}
	if e, info, ok := s.entry(at, name, r); ok {
		f.add(e, name, info)
		if s.mounted[e.Path] {
			s.occupy(e.Path)
		}
		if e.Kind == core.KindDir {
			s.enter(at.dir, f, e.Path, name, r)
		}
	}
}

// add appends an entry of a name. A file of another device than the one before it, which
// is mounted there, is not for a cache.
func (f *folder) add(e core.Entry, name string, info tree.Info) {
	s := stampOf(info)
	e.Path = name
	switch {
	case info.Kind != core.KindFile:
		s = stamp{}
	case f.dev == 0:
		f.dev = info.Dev
	case f.dev != info.Dev:
		s = stamp{}
	}
	f.entries, f.stamps = append(f.entries, e), append(f.stamps, s)
}

// enter scans a subdirectory, whose entry is the last of f.
func (s *scanner) enter(d *tree.Dir, f *folder, path, name string, r *reader) {
	sub, err := d.OpenDir(name)
	if err != nil {
		// It vanished, or became something else: what is below it is not known.
		s.incompleteDir(path, err)
		return
	}
	if f.below == nil {
		f.below = map[int]*folder{}
	}
	at := len(f.entries) - 1
	if inRepo(path) {
		f.below[at] = s.dir(sub, path, r)
		return
	}
	select {
	case other := <-s.idle:
		child := &folder{}
		f.below[at] = child
		s.wait.Go(func() {
			*child = *s.dir(sub, path, other)
			s.idle <- other
		})
	default:
		f.below[at] = s.dir(sub, path, r)
	}
}

// entry returns what stands at a name, or false where there is no entry for it.
func (s *scanner) entry(at *place, name string, r *reader) (core.Entry, tree.Info, bool) {
	none, unknown := core.Entry{}, tree.Info{}
	d, parent, path := at.dir, at.path, core.Join(at.path, name)
	switch {
	case !utf8.ValidString(name):
		s.problem(core.DisplayPath(path), core.ProblemInvalidName, "the name is not valid UTF-8")
		s.occupy(parent)
		return none, unknown, false
	case len(path) > core.MaxPath:
		s.problem(core.DisplayPath(path[:256])+"...", core.ProblemTooLong, "")
		s.occupy(parent)
		return none, unknown, false
	}
	info, err := d.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return none, unknown, false
	case s.opts.Rules.Excluded(path, err == nil && info.Kind == core.KindDir):
		s.occupy(parent)
		if strings.HasPrefix(name, volumeStaging("")) {
			s.problem(path, core.ProblemStaleStaging, staleDetail)
		}
		return none, unknown, false
	case err != nil:
		s.unreadable(path, err)
		return none, unknown, false
	}
	e := core.Entry{Path: path, Kind: info.Kind, Mode: uint16(info.Mode)}
	switch info.Kind {
	case core.KindDir:
		return e, unknown, true
	case core.KindLink:
		e, ok := s.link(d, name, e)
		return e, unknown, ok
	case core.KindFile:
		return s.file(at, name, e, info, r)
	}
	s.problem(path, core.ProblemSpecial, "a FIFO, socket or device")
	return none, unknown, false
}

func (s *scanner) link(d *tree.Dir, name string, e core.Entry) (core.Entry, bool) {
	target, err := d.Readlink(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return e, false
	case err != nil:
		s.unreadable(e.Path, err)
		return e, false
	case target == "" || len(target) > core.MaxTarget || !utf8.ValidString(target):
		s.problem(e.Path, core.ProblemSpecial, "the link's text is not valid UTF-8, empty or too long")
		return e, false
	}
	e.Target, e.Mode = target, 0o777
	return e, true
}

// file hashes a file, again if it changed meanwhile, unless an earlier scan did
// and nothing speaks of a change. The state of a repository needs the content of
// some of its files, which are always read.
func (s *scanner) file(at *place, name string, e core.Entry, info tree.Info, r *reader) (core.Entry, tree.Info, bool) {
	keep := keptInRepo(e.Path)
	if !keep {
		if digest, ok := at.known.find(name, info.Dev, stampOf(info)); ok {
			e.Digest, e.Size = digest, info.Size
			s.reused.Add(1)
			s.count(e.Size)
			return e, info, true
		}
		s.fresh.Add(1)
		if s.opts.noDigests {
			e.Size = info.Size
			s.count(e.Size)
			return e, tree.Info{}, true
		}
	}
	for range maxReads {
		start := time.Now().UnixNano()
		info, steady, err := s.read(at.dir, name, &e, r)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return e, info, false
		case err != nil && s.ctx.Err() != nil:
			return e, info, false
		case err != nil:
			s.unreadable(e.Path, err)
			return e, info, false
		case steady:
			s.count(e.Size)
			if keep || !stampOf(info).settled(start) {
				info = tree.Info{} // not for a cache
			}
			return e, info, true
		}
	}
	s.problem(e.Path, core.ProblemChanging, "it changed each time it was read")
	return e, info, false
}

func keptInRepo(path string) bool {
	repo, below := core.RepoPath(path)
	return repo != "" && core.RepoStateName(below)
}

// read fills in the size, mode and digest of a file. steady says that it was
// the same before and after.
func (s *scanner) read(d *tree.Dir, name string, e *core.Entry, r *reader) (info tree.Info, steady bool, err error) {
	defer s.hashing.since(time.Now())
	f, err := d.OpenFile(name)
	if err != nil {
		return info, false, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return info, false, err
	}
	e.Mode, e.Size = uint16(before.Mode), before.Size
	repo, below := core.RepoPath(e.Path)
	keep := repo != "" && core.RepoStateName(below) && before.Size <= maxKeptMember
	var data []byte
	r.hash.Reset()
	size := int64(0)
	for {
		if err := s.ctx.Err(); err != nil {
			return info, false, err
		}
		n, err := f.Read(r.buf)
		r.hash.Write(r.buf[:n])
		if size += int64(n); keep {
			data = append(data, r.buf[:n]...)
		}
		if err == io.EOF || err == nil && n < len(r.buf) && size == before.Size {
			break
		}
		if err != nil {
			return info, false, err
		}
	}
	after, err := f.Stat()
	if err != nil || size != before.Size || !before.Same(after) {
		return info, false, err
	}
	r.hash.Sum(e.Digest[:0])
	if keep {
		s.mu.Lock()
		s.repos[repo] = append(s.repos[repo], core.RepoFile{Name: below, Data: data})
		s.mu.Unlock()
	}
	return after, true, nil
}

func (s *scanner) count(size int64) {
	files, bytes := s.files.Add(1), s.bytes.Add(size)
	if s.opts.Progress != nil && files%256 == 0 {
		s.mu.Lock()
		s.opts.Progress(int(files), bytes)
		s.mu.Unlock()
	}
}

func (s *scanner) problem(path string, code core.ProblemCode, detail string) {
	s.mu.Lock()
	s.problems = append(s.problems, core.Problem{Path: path, Code: code, Detail: detail})
	s.mu.Unlock()
}

func (s *scanner) unreadable(path string, err error) {
	s.endIfSpent(path, err)
	s.problem(path, core.ProblemUnreadable, reason(err))
}

// endIfSpent ends the scan where no more files can be opened: the sandbox would be sent
// whatever happened to be read before.
func (s *scanner) endIfSpent(path string, err error) {
	if isSpent(err) {
		s.stop(ioError("the workspace can't be read", path, err))
	}
}

func (s *scanner) incompleteDir(path string, err error) {
	s.endIfSpent(path, err)
	s.mu.Lock()
	s.incomplete = append(s.incomplete, path)
	s.mu.Unlock()
}

func (s *scanner) occupy(path string) {
	s.mu.Lock()
	s.occupied = append(s.occupied, path)
	s.mu.Unlock()
}

func (s *scanner) result(top *folder) *Scanned {
	out := &Scanned{Snapshot: core.Snapshot{Unread: s.opts.noDigests}}
	var tree core.TreeBuilder
	if s.opts.like != nil {
		tree.Like = s.opts.like()
	}
	top.addTo(&tree)
	out.Snapshot.Entries = tree.Tree()
	out.Snapshot.Problems = core.SortProblems(s.problems)
	out.Snapshot.Incomplete, out.Snapshot.Occupied = sortedDirs(s.incomplete), sortedDirs(s.occupied)
	for path := range out.Snapshot.Entries.Dirs(".git") {
		files := s.repos[path]
		slices.SortFunc(files, func(a, b core.RepoFile) int { return strings.Compare(a.Name, b.Name) })
		out.Repos = append(out.Repos, core.Repo{Path: path, State: core.RepoState(files)})
	}
	return out
}

func (f *folder) addTo(tree *core.TreeBuilder) {
	entries := f.entries
	f.entries, f.stamps = nil, nil // so that no tree is held twice
	for i := range entries {
		tree.AddIn(f.path, &entries[i])
		if sub := f.below[i]; sub != nil {
			sub.addTo(tree)
		}
	}
}

// saveCache writes what the next scan may rely on, unless that is what this one
// was given, which is let go: it is as large as the snapshot.
func (s *scanner) saveCache(root string, top *folder) error {
	old := s.opts.cache
	s.opts.cache = nil
	if s.opts.nextCache == "" || s.opts.noDigests || old != nil && s.fresh.Load() == 0 && s.reused.Load() == int64(old.files) {
		return nil
	}
	c, err := newCacheWriter(s.opts.nextCache, root, s.clock)
	if err != nil {
		return err
	}
	top.remember(c)
	return c.close()
}

func (f *folder) remember(c *cacheWriter) {
	for i := range f.entries {
		if f.stamps[i] != (stamp{}) {
			c.add(f.path, f.entries[i].Path, f.dev, f.stamps[i], f.entries[i].Digest)
		}
		if sub := f.below[i]; sub != nil {
			sub.remember(c)
		}
	}
}

func sortedDirs(dirs []string) []string {
	slices.SortFunc(dirs, core.ComparePaths)
	return slices.Compact(dirs)
}

// reason is the system's own word for a failure, without the path, which the
// problem names.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}
