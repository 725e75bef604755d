package plan

// What a survey may lack, in the order of [Remote.Lacks].
const (
	lacksDigests  = "digests"
	lacksListings = "listings"
	lacksEarlier  = "earlier"
)

// LacksText says what it means that a sandbox lacks something: a fallback costs time and bytes,
// and the person who waits for it can often mend the cause.
func LacksText(what string) string {
	switch what {
	case lacksDigests:
		return "has no sha256sum, so what may have changed there travelled to be compared here"
	case lacksListings:
		return "has no comm, or neither GNU find nor stat, so all of it was compared and not only what changed"
	case lacksEarlier:
		return "has no listing of the last sync that can be relied on, so all of it was compared"
	}
	return "lacks " + what
}

// lacks returns what made this survey one of everything. A sandbox that was never listed has no
// earlier listing to lack.
func (s *surveyReader) lacks() (list []string) {
	if !s.text.hashes {
		list = append(list, lacksDigests)
	}
	base := s.req.Base
	switch {
	case !s.text.compares:
		list = append(list, lacksListings)
	case s.text.with == "" && base != nil && base.Marker == s.text.marker && base.Seen != nil && base.Seen.ID != "" && base.Seen.Rules == rulesDigest(&s.req.Options):
		list = append(list, lacksEarlier)
	}
	return list
}
