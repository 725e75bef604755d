package merge

import "github.com/paperclipai/syncplan/core"

// Action is what a host does about one decision.
type Action uint8

// The actions.
const (
	// Write makes Dest be Want: create, update or change of kind. Expect stands
	// there now. Where Expect is a directory its known content has been deleted
	// by earlier decisions.
	Write Action = iota + 1
	// Delete removes Expect from Path. A directory is removed only if empty.
	Delete
	// Chmod gives the file at Path the executable bit of Want; the content stays.
	Chmod
	// Copy writes Want beside Path, at Dest, where nothing stands.
	Copy
	// Aside keeps Want where displaced versions go and leaves Path alone.
	Aside
	// Keep changes no file. It reports something, or advances base alone.
	Keep
)

var actionWords = []string{"write", "delete", "chmod", "copy", "aside", "keep"}

// ActionWords returns the words for the actions in JSON, in their order.
func ActionWords() []string { return actionWords }

// String returns the word for a.
func (a Action) String() string { return core.WordOf(a, actionWords) }

// Decision is what happens at one path. Decisions are sorted by Path; a path
// may have two when its content and its executable bit are decided apart, or
// when a copy is written beside it.
type Decision struct {
	Path string // in the workspace; what is decided is about this path
	// Dest is where Want is written; equal to Path but for Copy, and for names
	// moved by a collision.
	Dest   string
	Expect *core.Entry // what stands at Dest now; nil means nothing
	Want   *core.Entry // what shall stand at Dest; nil for Delete and Keep
	Base   *core.Entry // see Advance
	// Merged is the content of Want where a text merge made it; else nil, and
	// the host takes the content with Want's digest from the other side.
	Merged []byte
	Row    Row    // the row of the table that matched
	Action Action // what to do
	// Displace keeps what a Write replaces where displaced versions go.
	Displace bool
	// Advance says that base takes Base at Path once this decision is done; a
	// nil Base means that base forgets the path and all below it.
	Advance bool
}

// ConflictKind says what a conflict is about.
type ConflictKind string

// The kinds of conflict. All are data in the result; none is an error.
const (
	ConflictContent   ConflictKind = "content"            // both sides changed the same file or link
	ConflictAdded     ConflictKind = "both_added"         // both sides added it, differently
	ConflictUnknown   ConflictKind = "unknown_base"       // the sides differ and no base says which is newer
	ConflictKinds     ConflictKind = "kind"               // one side changed its kind, the other edited it
	ConflictDeletedR  ConflictKind = "deleted_in_sandbox" // deleted there, edited here: kept
	ConflictDeletedL  ConflictKind = "deleted_locally"    // deleted here, edited there: restored
	ConflictCollision ConflictKind = "collision"          // two names that are one on this host's file system
	ConflictBlocked   ConflictKind = "blocked"            // what stands here is unknown, so nothing was written
	ConflictMounted   ConflictKind = "mounted"            // changed there, but mounted here: it can be neither replaced nor removed
	ConflictSetAside  ConflictKind = "set_aside"          // a push set the sandbox's version aside
	ConflictSlipped   ConflictKind = "edited_meanwhile"   // somebody saved it while the plan was applied
)

// ConflictKindList returns the closed list in a fixed order.
func ConflictKindList() []ConflictKind {
	return []ConflictKind{ConflictContent, ConflictAdded, ConflictUnknown, ConflictKinds, ConflictDeletedR, ConflictDeletedL,
		ConflictCollision, ConflictBlocked, ConflictMounted, ConflictSetAside, ConflictSlipped}
}

// Conflict is one entry of the result's conflict list.
type Conflict struct {
	Path   string // where both versions belong
	Kind   ConflictKind
	Policy Policy // the policy that decided it; empty where none does, unless it is [Fail]
	Copy   string // where the version that is not at Path lies, relative to the workspace; may be empty
	// NoFile says that what stands at Path is no file, or what lies at Copy a directory:
	// there mv would move the one into the other, or through a link.
	NoFile bool
}

// Need is a content that a text merge asks the host for. Base is the content
// of the last sync, which the host keeps for small text files.
type Need struct {
	Path   string      // where the text stands
	Base   core.Digest // of the three contents to supply
	Local  core.Digest
	Remote core.Digest
}

// Status says how a decision ended.
type Status uint8

// The statuses a host reports.
const (
	Done    Status = iota + 1 // as decided
	Failed                    // nothing changed; the note says why
	Slipped                   // an edit slipped in; both versions are kept, the note says where the other is
)

var statusWords = []string{"done", "failed", "edited_meanwhile"}

// StatusWords returns the words for the statuses in JSON, in their order.
func StatusWords() []string { return statusWords }

// String returns the word for s.
func (s Status) String() string { return core.WordOf(s, statusWords) }

// Result reports the outcome of the decision with the same index.
type Result struct {
	Digest core.Digest // of what was really sent, where a push sent a file; else zero
	Size   int64       // of what was really sent, in bytes
	Status Status
	Note   *Note // nil where there is nothing to say, as nearly always
}

// Note is what a result says beyond its status.
type Note struct {
	Code   core.ProblemCode // of a failure
	Detail string           // one sentence for people; may be empty
	Copy   string           // where the displaced version lies, relative to the workspace
}

// Failure is the result of a decision that could not be carried out.
func Failure(code core.ProblemCode, detail string) Result {
	return Result{Status: Failed, Note: &Note{Code: code, Detail: detail}}
}

// Moved is a result that says where the other version lies.
func Moved(s Status, copied string) Result { return Result{Status: s, Note: &Note{Copy: copied}} }

// Noted returns the note of r, empty if there is none.
func (r *Result) Noted() Note {
	if r.Note == nil {
		return Note{}
	}
	return *r.Note
}
