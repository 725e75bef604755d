package merge

// Row names a row of the decision table.
type Row string

// The rows that decide content, in the order in which they are tried.
const (
	RowBaseUnknown   Row = "base_unknown"
	RowSourceUnknown Row = "source_unknown"
	RowTargetUnknown Row = "target_unknown"
	RowConverged     Row = "converged"
	RowSourceSame    Row = "source_unchanged"
	RowTargetSame    Row = "target_unchanged"
)
