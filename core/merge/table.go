package merge

// Row names a row of the decision table (DESIGN section 4).
type Row string

// The rows, in the order in which they are tried.
const (
	RowSourceUnknown   Row = "source_unknown"      // a gap in what we know of the side changes come from
	RowTargetBlocked   Row = "target_unknown"      // a change, but what stands at the target is not known
	RowTargetUnknown   Row = "target_unknown_keep" // no change, and what stands at the target is not known
	RowConverged       Row = "converged"           // both sides are the same
	RowFirstTakeover   Row = "base_unknown_take"   // no base, only the source has it
	RowFirstKeep       Row = "base_unknown_keep"   // no base, only the target has it
	RowFirstConflict   Row = "base_unknown"        // no base, and the sides differ
	RowSourceUnchanged Row = "source_unchanged"    // the source still is what base is
	RowTargetUnchanged Row = "target_unchanged"    // the target still is what base is: take the change
	RowTextMerge       Row = "text_merge"          // both edited a text file
	RowBothAdded       Row = "both_added"
	RowSourceDeleted   Row = "source_deleted" // deleted in the source, edited in the target
	RowTargetDeleted   Row = "target_deleted" // edited in the source, deleted in the target
	RowKindConflict    Row = "kind_conflict"
	RowBothEdited      Row = "both_edited"
	RowExecutable      Row = "executable_bit" // decided apart from content
	RowGit             Row = "git_directory"  // decided as one unit
	RowSetAside        Row = "set_aside"      // a version that a push moved out of its path
)

// Rows returns the names of all rows in a fixed order.
func Rows() []Row {
	return []Row{RowSourceUnknown, RowTargetBlocked, RowTargetUnknown, RowConverged, RowFirstTakeover, RowFirstKeep, RowFirstConflict,
		RowSourceUnchanged, RowTargetUnchanged, RowTextMerge, RowBothAdded, RowSourceDeleted, RowTargetDeleted, RowKindConflict,
		RowBothEdited, RowExecutable, RowGit, RowSetAside}
}

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
	{RowFirstConflict, baseUnknown, 0, conflict, ConflictUnknown},
	{RowSourceUnchanged, sourceUnchanged, 0, keep, ""},
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
