package plan

import (
	"sort"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// Upload is one member of the push archive. A host writes a directory with its
// mode and 0700, so that it can be filled and moved, now and by later pushes.
type Upload struct {
	Number int // among the uploads
	// From is where the content lies in the sandbox already. Such a member is not
	// sent: the apply script makes it there.
	From     string
	Index    int             // of the decision that it carries out
	Decision *merge.Decision // that one
	row      *uploadRow
}

// Name returns the name of the member in the archive.
func (u *Upload) Name() string {
	return u.row.prefix + u.Decision.Path[min(u.row.cut, len(u.Decision.Path)):]
}

// Uploads are the members of the push archive, in order. The zero value is empty.
type Uploads struct {
	rows  []uploadRow
	count int
	from  map[int]string // Upload.From by number; few have one
}

// uploadRow is a row of uploads that carry out decisions in a row. A name is the
// prefix and the path without its first bytes, of which there may be fewer.
type uploadRow struct {
	first  int // number of the first upload
	count  int
	index  int // of the first decision
	cut    int // bytes
	prefix string
}

// Len returns the number of uploads.
func (l *Uploads) Len() int { return l.count }

// add appends an upload.
func (l *Uploads) add(index int, prefix string, cut int) {
	l.count++
	if n := len(l.rows); n > 0 {
		if r := &l.rows[n-1]; r.index+r.count == index && r.cut == cut && r.prefix == prefix {
			r.count++
			return
		}
	}
	l.rows = append(l.rows, uploadRow{first: l.count - 1, count: 1, index: index, cut: cut, prefix: prefix})
}

// row returns the row that holds an upload.
func (l *Uploads) row(upload int) *uploadRow {
	return &l.rows[sort.Search(len(l.rows), func(row int) bool { return l.rows[row].first > upload })-1]
}

// index returns that of the decision that an upload carries out.
func (l *Uploads) index(upload int) int {
	r := l.row(upload)
	return r.index + upload - r.first
}

func (l *Uploads) reuse(upload int, from string) {
	if l.from == nil {
		l.from = map[int]string{}
	}
	l.from[upload] = from
}

// UploadReader reads the uploads of a plan by their number, cheaply where those that
// follow each other are near.
type UploadReader struct {
	of        *Uploads
	decisions *merge.DecisionReader
	upload    Upload
}

// UploadReader returns a reader.
func (p *Plan) UploadReader() *UploadReader {
	return &UploadReader{of: &p.Uploads, decisions: p.Decisions.Reader()}
}

// Len returns the number of uploads.
func (r *UploadReader) Len() int { return r.of.count }

// At returns upload number i, from 0 to Len-1. The next call overwrites it, with all
// that it points to.
func (r *UploadReader) At(i int) *Upload {
	row := r.upload.row
	if row == nil || i < row.first || i >= row.first+row.count {
		row = r.of.row(i)
	}
	index := row.index + i - row.first
	r.upload = Upload{Number: i, From: r.of.from[i], Index: index, Decision: r.decisions.At(index), row: row}
	return &r.upload
}

// uploads names the members of the archive.
//
// Each entry that is written travels as t/<n>/<name>, where n numbers the
// directory that it goes into, so that a whole new directory is one move and
// the entries of one directory are one command (promise D13: what stands is
// replaced by a rename, never unpacked over).
func uploads(list merge.Decisions) (l Uploads) {
	number := map[string]string{} // prefixes of the topmost written entries, by their directory
	top, prefix, cut := "\x00", "", 0
	decisions := list.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		if d.Action != merge.Write {
			continue
		}
		if !core.Under(d.Path, top) {
			parent := core.Parent(d.Path)
			if number[parent] == "" {
				number[parent] = "t/" + itoa(len(number)) + "/"
			}
			if prefix, cut = number[parent], len(parent); cut > 0 {
				cut++ // the slash
			}
			if d.Want.Kind == core.KindDir {
				top = d.Path // the newest directory that moves whole
			}
		}
		l.add(i, prefix, cut)
	}
	return l
}
