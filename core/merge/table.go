package merge

import "github.com/paperclipai/syncplan/core"

// Row is a row of the decision table (DESIGN section 4), or says what decided in
// place of one.
type Row uint8

// The rows, in the order in which they are tried.
const (
	RowSourceUnknown   Row = iota + 1 // a gap in what we know of the side changes come from
	RowTargetBlocked                  // a change, but what stands at the target is not known
	RowTargetUnknown                  // no change, and what stands at the target is not known
	RowConverged                      // both sides are the same
	RowFirstTakeover                  // no base, only the source has it
	RowFirstKeep                      // no base, only the target has it
	RowFirstConflict                  // no base, and the sides differ
	RowSourceUnchanged                // the source still is what base is
	RowTargetMounted                  // the target is a file that can be neither replaced nor removed
	RowTargetUnchanged                // the target still is what base is: take the change
	RowTextMerge                      // both edited a text file
	RowBothAdded
	RowSourceDeleted // deleted in the source, edited in the target
	RowTargetDeleted // edited in the source, deleted in the target
	RowKindConflict
	RowBothEdited
	RowExecutable // decided apart from content
	RowGit        // decided as one unit
	RowSetAside   // a version that a push moved out of its path
)

var rowWords = []string{"source_unknown", "target_unknown", "target_unknown_keep", "converged", "base_unknown_take", "base_unknown_keep",
	"base_unknown", "source_unchanged", "target_mounted", "target_unchanged", "text_merge", "both_added", "source_deleted", "target_deleted",
	"kind_conflict", "both_edited", "executable_bit", "git_directory", "set_aside"}

// RowWords returns the words for the rows in JSON, in their order.
func RowWords() []string { return rowWords }

// String returns the word for r.
func (r Row) String() string { return core.WordOf(r, rowWords) }

// facts are what the table looks at: one bit each, about one path.
type facts uint16

const (
	baseUnknown facts = 1 << iota
	sourceUnknown
	targetUnknown
	sourceAbsent
	targetAbsent
	baseAbsent
	same            // source and target are the same
	sourceUnchanged // the source is what base is; without a base: it is absent
	targetUnchanged // the target is what base is
	kindsDiffer     // source and target are both present and of different kinds
	mergeable       // three text files whose contents can be had
	targetMounted   // the target is a file at which something is mounted
)

// verdict is what a row decides.
type verdict uint8

const (
	keep verdict = iota
	take
	converge
	block
	mergeText
	reportKeep    // keep the target's, report
	reportRestore // bring the source's back, report
	conflict
)

// tableRow matches where the facts in when hold and those in unless do not.
type tableRow struct {
	row     Row
	when    facts
	unless  facts
	verdict verdict
	kind    ConflictKind // of verdict conflict
}

// decisionTable is DESIGN section 4 as data; the first matching row wins. Rows
// about unknown states come first, so that a gap in a scan can never become a
// destructive step through a later row.
var decisionTable = [...]tableRow{
	{RowSourceUnknown, sourceUnknown, 0, keep, ""},
	{RowTargetBlocked, targetUnknown, sourceUnchanged, block, ConflictBlocked},
	{RowTargetUnknown, targetUnknown, 0, keep, ""},
	{RowConverged, same, 0, converge, ""},
	{RowFirstTakeover, baseUnknown | targetAbsent, 0, take, ""},
	{RowFirstKeep, baseUnknown | sourceAbsent, 0, keep, ""},
	{RowSourceUnchanged, sourceUnchanged, 0, keep, ""},
	{RowTargetMounted, targetMounted | sourceAbsent, 0, reportKeep, ConflictMounted},
	{RowTargetMounted, targetMounted, 0, conflict, ConflictMounted},
	{RowFirstConflict, baseUnknown, 0, conflict, ConflictUnknown},
	{RowTargetUnchanged, targetUnchanged, 0, take, ""},
	{RowTextMerge, mergeable, 0, mergeText, ConflictContent},
	{RowBothAdded, baseAbsent, 0, conflict, ConflictAdded},
	{RowSourceDeleted, sourceAbsent, 0, reportKeep, ""},
	{RowTargetDeleted, targetAbsent, 0, reportRestore, ""},
	{RowKindConflict, kindsDiffer, 0, conflict, ConflictKinds},
	{RowBothEdited, 0, 0, conflict, ConflictContent},
}

// firstRow returns the first row that matches f. The last row matches anything.
func firstRow(f facts) *tableRow {
	for i := range decisionTable {
		r := &decisionTable[i]
		if f&r.when == r.when && f&r.unless == 0 {
			return r
		}
	}
	return &decisionTable[len(decisionTable)-1]
}

// decideBit is the table for the executable bit of two files. Without a file in
// base the bit is set only where both sides set it, which is the same seen from
// either side.
func decideBit(hasBase, base, source, target bool) bool {
	switch {
	case !hasBase:
		return source && target
	case target == base:
		return source
	}
	return target
}
