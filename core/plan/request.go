package plan

import (
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Request is all that a plan depends on.
type Request struct {
	Op      merge.Direction
	Run     string  // 8 to 32 of 0-9 a-z, fresh for each run; part of temporary names
	Root    string  // W: the workspace in the sandbox, absolute and normalised
	Adapter string  // one safe path segment; names the runtime directory
	Dialect Dialect // "" is hardened
	// RemoteCwd is the folder that the caller's own spec names, if any. Classic
	// takes /tmp and /root only where the spec says so itself.
	RemoteCwd string
	Preview   bool          // nothing is going to be applied: the survey leaves no marker behind
	Marker    string        // 32 hexadecimal digits, fresh and random; used where the sandbox has none that counts
	Base      *core.Base    // what the last sync left; nil: there was none, or it is lost
	Local     core.Snapshot // the workspace now
	// LocalRepos holds the state of each .git directory of Local, by path.
	LocalRepos []core.Repo
	Remote     *Remote // nil until the sandbox was surveyed
	Options    Options
	Assets     []Asset
	Contents   []Content // answers to Needs; nil until asked
	// Look says that the sandbox was not as a push assumed: survey it first.
	Look bool
	// Early says that Local is not read yet: [Next] then returns the survey phase of
	// a push, whose one step, if there is any, proves that the sandbox is as it was
	// seen.
	Early bool
	// Checked says that such a step succeeded in this run, so that a push need prove
	// no more than what it touches.
	Checked bool
	// Forget says that what was seen earlier is not to be relied on: compare all.
	Forget bool
	// Fetched lists contents that the host has from an earlier run or a fetch.
	Fetched []core.Digest
	// Part is the longest body of one client call, in bytes, a multiple of
	// [PartUnit]; 0 is no bound. See parts.go.
	Part int64
	// Stream says that the client runs commands with streams as stdin and stdout,
	// so that bodies need not lie in files.
	Stream bool
	// Resume names the runs whose upload may lie in the sandbox, unused.
	Resume []string
}

// Dialect selects the form of remote commands.
type Dialect string

// The dialects. Classic gives the seed's strings exactly, for sandboxes and tests
// that depend on them; what it can't promise is in Plan.Waived.
const (
	Hardened Dialect = "hardened"
	Classic  Dialect = "classic"
)

// Options are the caller's choices. The zero value is the safe default.
type Options struct {
	Exclude     []string          // globs, see core.CompileRules
	SeedExclude []string          // patterns with the seed's meaning, see core.Rules.WithSeed
	Ignores     []core.IgnoreFile // the tree's own ignore files, with git's meaning
	Preserve    []string          // exact relative paths that are never deleted on either side
	Policy      merge.Policy      // "" is keep-both
	Overrides   []merge.Override  // policies of single paths; the first that matches wins
	NoTextMerge bool              // decide edits on both sides as conflicts, without a text merge
	Allow       []Guard           // guards that don't stop this sync
	MaxDelete   *MaxDelete        // nil: over 50 % of the files and at least 20 of them
	Facts       merge.Facts       // of the workspace's file system
}

// Rules compiles all that says what is left out of a sync.
func (o *Options) Rules() (*core.Rules, error) {
	rules, err := core.CompileRules(o.Exclude, o.Ignores)
	if err != nil {
		return nil, err
	}
	return rules.WithSeed(o.SeedExclude)
}

// MaxDelete is a bound on deletions: a number of files, or a percentage of
// those that could be deleted. Exactly one is set.
type MaxDelete struct {
	Files   int64 // more than this is refused
	Percent int64 // 0 to 100; more than this is refused
	ByShare bool  // Percent counts, not Files
}

// Asset is a folder that travels beside the workspace, one way.
type Asset struct {
	Key string // one safe path segment; "workspace" is reserved
}

// Content answers a need. Missing says that the host does not have it.
type Content struct {
	Digest  core.Digest // as the need names it; Data is held to it
	Data    []byte
	Missing bool
}

// Remote is what a survey found in the sandbox.
type Remote struct {
	Marker string // "" if the sandbox has none
	// MarkerHidden says that the marker could not be read, and Marker is a guess:
	// an exclude pattern of classic may have left it out of the archive.
	MarkerHidden bool
	Snapshot     core.Snapshot
	Repos        []core.Repo    // the state of each .git directory of Snapshot, sorted by path
	Aside        []AsideVersion // what pushes set aside there, sorted by path and digest
	// ID names the listing that the survey left there, or found still right; ""
	// is none.
	ID string
	// Left are the names there that are no entries.
	Left []core.Left
	// Partial says that only the contents in Bodies came along, sorted.
	Partial bool
	Bodies  []core.Digest
	// Lacks says what the sandbox could not do, so that more travelled or was looked at; see [LacksText].
	Lacks []string
	// Arrived is what is there of the runs in Request.Resume, sorted by path.
	Arrived []Arrival
}

// Arrival is a content that lies unused in the sandbox's runtime folder.
type Arrival struct {
	Path   string      // relative to the workspace there
	Digest core.Digest // as the sandbox says; the script that uses it proves it first
}

// AsideVersion is a version that an earlier push set aside in the sandbox.
type AsideVersion struct {
	ID      core.Digest  // the name it has in the sandbox
	Path    string       // where it stood
	Entries []core.Entry // the version, with what is below it; paths as they were in the workspace
}

// name is what base remembers of a version that was delivered.
func (v *AsideVersion) name() core.Aside { return core.Aside{Path: v.Path, Digest: v.ID} }

// Validate checks the form of everything in r but the snapshots that its
// decoder or scanner has checked already. Errors name the field.
func (r *Request) Validate() error {
	switch {
	case r.Op != merge.Push && r.Op != merge.Pull:
		return invalid("op", "op is neither push nor pull")
	case !core.ValidRun(r.Run):
		return invalid("run", "a run id is 8 to 32 characters of 0-9 and a-z")
	case !core.ValidMarker(r.Marker):
		return invalid("marker", "a marker is 32 lower-case hexadecimal digits")
	case r.Local.Unread && (r.Op != merge.Push || r.Remote != nil || r.Base != nil && r.Dialect != Classic):
		return invalid("local.unread", "only a push that compares with nothing can do without digests")
	case r.Remote != nil && r.Remote.Snapshot.Unread:
		return invalid("remote.snapshot.unread", "the sandbox's files need digests")
	case r.Early && r.Op != merge.Push:
		return invalid("early", "only a push has something to prove before the workspace is read")
	case r.Dialect != Hardened && r.Dialect != Classic && r.Dialect != "":
		return invalid("dialect", "unknown dialect")
	}
	if err := r.validateTransfer(); err != nil {
		return err
	}
	if err := ValidateRoot(r.Root); err != nil {
		return err
	}
	if err := ValidateSegment("adapter", r.Adapter); err != nil {
		return err
	}
	for i := range r.Assets {
		field := "assets[" + itoa(i) + "].key"
		if err := ValidateSegment(field, r.Assets[i].Key); err != nil {
			return err
		}
		for j := range r.Assets[:i] {
			if r.Assets[j].Key == r.Assets[i].Key {
				return invalid(field, "asset key is used twice")
			}
		}
	}
	if r.Dialect == Classic {
		if err := r.validateClassic(); err != nil {
			return err
		}
	}
	if err := r.Remote.validate(); err != nil {
		return err
	}
	return r.Options.validate()
}

func (o *Options) validate() error {
	if _, err := merge.ParsePolicy(string(o.Policy)); err != nil {
		return err
	}
	for i := range o.Overrides {
		if _, err := merge.ParsePolicy(string(o.Overrides[i].Policy)); err != nil {
			return err
		}
	}
	for i, p := range o.Preserve {
		if err := core.ValidatePath(p); err != nil {
			return &core.Error{Code: core.CodeInvalidPath, Field: "preserve[" + itoa(i) + "]", Path: p,
				Message: "a preserved name is an exact relative path", Err: err}
		}
	}
	for i, g := range o.Allow {
		if !g.known() {
			return &core.Error{Code: core.CodeInvalidRequest, Field: "allow[" + itoa(i) + "]",
				Message: "unknown guard \"" + core.DisplayPath(string(g)) + "\"",
				Hint:    "the guards that can be allowed are sandbox_replaced, sandbox_emptied and mass_delete"}
		}
	}
	if m := o.MaxDelete; m != nil && (m.Files < 0 || m.Percent < 0 || m.Percent > 100) {
		return invalid("max_delete", "not a number of files or a percentage of 0 to 100")
	}
	return nil
}

func invalid(field, why string) error {
	return &core.Error{Code: core.CodeInvalidRequest, Field: field, Message: why}
}

// Names in the runtime folder, here and in the sandbox, that no key may take.
var (
	reservedNames    = [...]string{"displaced", "kept", "marker", "lock", "staging", "sums", "synced", "synced.new"}
	reservedPrefixes = [...]string{"in-", "up-", "down-", "run-", "seen-", "script-", "why-"}
)

// ValidateSegment checks an adapter or asset key (promise S4): one path segment
// of letters, digits, "_", "-" and ".", at most 64 bytes, not beginning with "."
// or "-", not "workspace", and not a name that syncplan uses itself.
func ValidateSegment(field, s string) error {
	why := ""
	switch {
	case s == "":
		why = "key is empty"
	case len(s) > 64:
		why = "key is longer than 64 bytes"
	case s[0] == '.' || s[0] == '-':
		why = "key begins with \".\" or \"-\""
	case s == "workspace":
		why = "\"workspace\" is reserved"
	case slices.Contains(reservedNames[:], s) || slices.ContainsFunc(reservedPrefixes[:], func(p string) bool { return strings.HasPrefix(s, p) }):
		why = "key is a name that syncplan uses itself"
	}
	for i := 0; i < len(s) && why == ""; i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' && c != '.' {
			why = "key holds something other than letters, digits, \"_\", \"-\" and \".\""
		}
	}
	if why == "" {
		return nil
	}
	return &core.Error{Code: core.CodeInvalidRequest, Field: field, Message: why, Hint: "use one short name such as \"planner\""}
}

// systemFolders are never a workspace (promise S5).
var systemFolders = [...]string{"/", "/bin", "/boot", "/dev", "/etc", "/home", "/opt", "/proc", "/run", "/sbin", "/sys", "/usr", "/var"}

// SystemFolder reports whether an absolute, normalised path is that of a system folder.
func SystemFolder(path string) bool {
	return slices.Contains(systemFolders[:], path) || strings.HasPrefix(path, "/lib") && !strings.Contains(path[1:], "/")
}

// ValidateRoot checks the workspace's path in the sandbox (promise S5):
// absolute, normalised, valid UTF-8 without control characters, and not a
// system folder. The error has [core.CodeUnsafeRoot].
func ValidateRoot(root string) error {
	why := ""
	switch {
	case root == "":
		why = "the sandbox's workspace path is empty"
	case root[0] != '/':
		why = "the sandbox's workspace path is not absolute"
	case root != "/" && core.ValidatePath(root[1:]) != nil:
		why = "the sandbox's workspace path is not normalised, or no valid UTF-8"
	case SystemFolder(root):
		why = "the sandbox's workspace path is a system folder"
	}
	for i := 0; i < len(root) && why == ""; i++ {
		if root[i] < 0x20 || root[i] == 0x7f {
			why = "the sandbox's workspace path holds a control character"
		}
	}
	if why == "" {
		return nil
	}
	return &core.Error{Code: core.CodeUnsafeRoot, Path: root, Field: "root", Message: why,
		Hint: "name a folder of its own, such as /workspace or /home/user/project"}
}

// RuntimeDir returns RT, the folder in the sandbox that belongs to one adapter.
func RuntimeDir(root, adapter string) string {
	return root + "/" + core.RuntimeDir + "/" + adapter
}
