package core

// Versions of what crosses a boundary, compared as integers. A reader accepts
// its own version and older ones that it knows, and refuses newer ones with
// [CodeNewerVersion]: a newer base is never downgraded.
const (
	// ModuleVersion is the release of this module.
	ModuleVersion = "0.1.0"
	// ABIMajor changes when an existing call of the WebAssembly module changes.
	ABIMajor = 1
	// ABIMinor grows when a call is added.
	ABIMinor = 0
	// PlanFormat is the format_version of requests and plans.
	PlanFormat = 1
	// BaseFormat is the format_version of a stored base.
	BaseFormat = 1
)

// CheckFormat returns nil if a document of the given format version can be
// read by code that knows versions 1 to known, and an error of
// [CodeNewerVersion] or [CodeInvalidRequest] otherwise.
func CheckFormat(field string, got, known int64) error {
	switch {
	case got > known:
		return &Error{Code: CodeNewerVersion, Field: field,
			Message: "format version " + itoa(got) + " is newer than the newest known one, " + itoa(known),
			Hint:    "use a release of syncplan at least as new as the one that wrote it"}
	case got < 1:
		return &Error{Code: CodeInvalidRequest, Field: field,
			Message: "format version must be between 1 and " + itoa(known)}
	}
	return nil
}
