package core

import "bytes"

// Base is the state that both sides shared at the last completed sync, bound
// to one sandbox by a random marker that was written into it (promise D4).
//
// A path that is not listed was not known to be in the sandbox, so nothing is
// ever deleted locally on the strength of its absence there.
type Base struct {
	Marker  string // 32 lower-case hexadecimal digits
	Entries Tree   // as in Snapshot
	Repos   []Repo // sorted by path
	// Delivered lists versions that a push set aside in the sandbox and a later
	// pull brought home, so that another pull does not bring them again.
	Delivered []Aside // sorted by path, then digest
	// Seen is what the sandbox was last known to hold; nil where that is not
	// known, and the next look compares everything.
	Seen *Seen
}

// Repo is the state of one .git directory as a person understands it; see
// [RepoState].
type Repo struct {
	Path  string // of the .git directory
	State Digest
}

// Aside is a version that a push moved out of its path in the sandbox.
type Aside struct {
	Path   string // where it stood
	Digest Digest // of its content; for a directory, of its listing
}

// Same reports whether storing one of two bases in place of the other would change
// nothing.
func (b *Base) Same(other *Base) bool {
	if !b.Entries.Equal(other.Entries) {
		return false
	}
	x, y := *b, *other
	x.Entries, y.Entries = Tree{}, Tree{}
	return bytes.Equal(EncodeBase(&x), EncodeBase(&y))
}

// MarkerLen is the length of a marker in hexadecimal digits.
const MarkerLen = 32

// ValidMarker reports whether s has the form of a marker.
func ValidMarker(s string) bool {
	if len(s) != MarkerLen {
		return false
	}
	for i := 0; i < len(s); i++ {
		if unhex(s[i]) > 15 {
			return false
		}
	}
	return true
}

// Validate checks the form of b.
func (b *Base) Validate() error {
	if !ValidMarker(b.Marker) {
		return &Error{Code: CodeInvalidRequest, Field: "marker", Message: "a marker is 32 lower-case hexadecimal digits"}
	}
	if err := b.Entries.validate(false, Tree{}); err != nil {
		return err
	}
	if err := validateRepos(b.Repos); err != nil {
		return err
	}
	for i := range b.Delivered {
		a := &b.Delivered[i]
		field := "delivered[" + itoa(int64(i)) + "]"
		if err := ValidatePath(a.Path); err != nil {
			return inField(err, field+".path")
		}
		if i > 0 && CompareAsides(b.Delivered[i-1], *a) >= 0 {
			return &Error{Code: CodeInvalidRequest, Field: field, Message: "delivered versions are not sorted, or repeat"}
		}
	}
	if b.Seen != nil {
		return b.Seen.validate()
	}
	return nil
}

// validateRepos checks that repos are sorted by path and well formed.
func validateRepos(repos []Repo) error {
	for i := range repos {
		field := "repos[" + itoa(int64(i)) + "]"
		if err := ValidatePath(repos[i].Path); err != nil {
			return inField(err, field+".path")
		}
		if i > 0 && ComparePaths(repos[i-1].Path, repos[i].Path) >= 0 {
			return &Error{Code: CodeInvalidRequest, Field: field, Message: "repositories are not in path order, or repeat"}
		}
	}
	return nil
}

// CompareAsides orders by path, then digest.
func CompareAsides(a, b Aside) int {
	if c := ComparePaths(a.Path, b.Path); c != 0 {
		return c
	}
	for i := range a.Digest {
		switch {
		case a.Digest[i] < b.Digest[i]:
			return -1
		case a.Digest[i] > b.Digest[i]:
			return 1
		}
	}
	return 0
}
