package merge

import "github.com/paperclipai/syncplan/core"

// Action is what a host does about one decision.
type Action string

// The actions.
const (
	// Write makes Dest be Want: create, update or change of kind. Expect stands
	// there now. Where Expect is a directory its known content has been deleted
	// by earlier decisions.
	Write Action = "write"
	// Delete removes Expect from Path. A directory is removed only if empty.
	Delete Action = "delete"
	// Chmod gives the file at Path the executable bit of Want; the content stays.
	Chmod Action = "chmod"
	// Copy writes Want beside Path, at Dest, where nothing stands.
	Copy Action = "copy"
	// Aside keeps Want where displaced versions go and leaves Path alone.
	Aside Action = "aside"
	// Keep changes no file. It reports something, or advances base alone.
	Keep Action = "keep"
)

// Decision is what happens at one path. Decisions are sorted by Path; a path
// may have two when its content and its executable bit are decided apart, or
// when a copy is written beside it.
type Decision struct {
	Path   string
	Row    Row    // the row of the table that matched
	Action Action // what to do
	// Dest is where Want is written; equal to Path but for Copy, and for names
	// moved by a collision.
	Dest   string
	Expect *core.Entry // what stands at Dest now; nil means nothing
	Want   *core.Entry // what shall stand at Dest; nil for Delete and Keep
	// Displace keeps what stands at Dest where displaced versions go.
	Displace bool
	// Merged is the content of Want where a text merge made it; else nil, and
	// the host takes the content with Want's digest from the other side.
	Merged []byte
	// Advance says that base takes Base at Path once this decision is done; a
	// nil Base means that base forgets the path and all below it.
	Advance bool
	Base    *core.Entry
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
	ConflictSetAside  ConflictKind = "set_aside"          // a push set the sandbox's version aside
	ConflictSlipped   ConflictKind = "edited_meanwhile"   // somebody saved it while the plan was applied
)

// ConflictKindList returns the closed list in a fixed order.
func ConflictKindList() []ConflictKind {
	return []ConflictKind{ConflictContent, ConflictAdded, ConflictUnknown, ConflictKinds, ConflictDeletedR, ConflictDeletedL,
		ConflictCollision, ConflictBlocked, ConflictSetAside, ConflictSlipped}
}

// Conflict is one entry of the result's conflict list.
type Conflict struct {
	Path   string
	Kind   ConflictKind
	Policy Policy // the policy that decided it; empty where none is involved
	Copy   string // where the version that is not at Path lies, relative to the workspace; may be empty
}

// Need is a content that a text merge asks the host for. Base is the content
// of the last sync, which the host keeps for small text files.
type Need struct {
	Path   string
	Base   core.Digest
	Local  core.Digest
	Remote core.Digest
}

// Status says how a decision ended.
type Status string

// The statuses a host reports.
const (
	Done    Status = "done"             // as decided
	Failed  Status = "failed"           // nothing changed; Code and Detail say why
	Slipped Status = "edited_meanwhile" // an edit slipped in; both versions are kept, Copy says where the other is
)

// Result reports the outcome of the decision with the same index.
type Result struct {
	Status Status
	Code   core.ProblemCode // of a failure
	Detail string           // one sentence for people; may be empty
	Copy   string           // of a slipped edit: where the displaced version lies, relative to the workspace
	Digest core.Digest      // of what was really sent, where a push sent a file; else zero
	Size   int64            // of what was really sent, in bytes
}
