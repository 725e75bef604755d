package plan

import (
	"slices"

	"github.com/paperclipai/syncplan/core"
)

// ReadFetch checks the text of a fetch and returns what is then known of the sandbox. A file
// that was asked for and has other content by now counts as what came: a program that writes
// through a mapping leaves no trace in a file's times, so that no listing would ever tell.
// The request must hold the answer of the survey, and in Fetched what was asked for.
func ReadFetch(r *Request, members []SurveyMember, text string, sum core.Digest) (*Remote, error) {
	body, err := cutTail(text, sum)
	if err != nil {
		return nil, err
	}
	if body != surveyHead+"fetch "+r.Run+"\nend\n" {
		return nil, corrupt("the download answers another run, or has no end record")
	}
	if r.Remote == nil {
		return nil, invalid("request.remote", "field is missing")
	}
	return r.Remote.corrected(r.changed(members)), nil
}

// changed returns the files that were asked for and came with other content, in path order.
func (r *Request) changed(members []SurveyMember) []core.Entry {
	asked := map[core.Digest]bool{}
	for _, d := range r.Fetched {
		asked[d] = true
	}
	var list []core.Entry
	for i := range members {
		m := &members[i]
		e := r.Remote.Snapshot.Entries.Find(m.Name)
		if e == nil || e.Kind != core.KindFile || m.Kind != core.KindFile || m.Fault != "" || m.Digest == e.Digest || !asked[e.Digest] {
			continue
		}
		now := *e
		now.Digest, now.Size = m.Digest, m.Size
		list = append(list, now)
	}
	core.SortEntries(list)
	return slices.CompactFunc(list, func(a, b core.Entry) bool { return a.Path == b.Path })
}

// corrected returns r with other entries for files that it has, and their contents as come.
func (r *Remote) corrected(files []core.Entry) *Remote {
	out := *r
	tree := core.TreeBuilder{Like: r.Snapshot.Entries}
	rest := r.Snapshot.Entries.Cursor()
	out.Bodies = slices.Clone(r.Bodies)
	for i := range files {
		tree.Take(&rest, rest.Before(files[i].Path))
		rest.Skip(1)
		tree.Add(&files[i])
		out.Bodies = append(out.Bodies, files[i].Digest)
	}
	tree.Take(&rest, rest.Left())
	out.Snapshot.Entries = tree.Tree()
	out.sortBodies()
	return &out
}

func (r *Remote) sortBodies() {
	core.Sort(r.Bodies, func(a, b core.Digest) int { return slices.Compare(a[:], b[:]) })
	r.Bodies = slices.Compact(r.Bodies)
}
