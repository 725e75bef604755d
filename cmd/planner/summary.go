package main

import (
	"slices"

	"github.com/paperclipai/syncplan/core/merge"
	"github.com/paperclipai/syncplan/core/plan"
	"github.com/paperclipai/syncplan/hostgo"
)

// summary is the last line of --json.
type summary struct {
	Type            string        `json:"type"`
	Status          string        `json:"status"`
	Exit            int           `json:"exit"`
	CommandExit     *int          `json:"command_exit,omitempty"`
	UploadedFiles   int64         `json:"uploaded_files"`
	UploadedBytes   int64         `json:"uploaded_bytes"`
	DownloadedFiles int64         `json:"downloaded_files"`
	DownloadedBytes int64         `json:"downloaded_bytes"`
	ClientCalls     int64         `json:"client_calls"`
	LocalWrites     int           `json:"local_writes"`
	LocalDeletes    int           `json:"local_deletes"`
	Conflicts       []conflictOut `json:"conflicts"`
	Problems        []problemOut  `json:"problems"`
	Flagged         []string      `json:"flagged"`
	Waived          []string      `json:"waived,omitempty"`
	Lacks           []string      `json:"lacks,omitempty"`
	Guard           *string       `json:"guard"`
	Error           *errorOut     `json:"error"`
	DurationMs      int64         `json:"duration_ms"`

	at map[string]int // where what is listed stands, since a sandbox may have a million problems
}

type conflictOut struct {
	Path   string  `json:"path"`
	Kind   string  `json:"kind"`
	Policy *string `json:"policy"`
	Copy   *string `json:"copy"`
}

type problemOut struct {
	Path   string `json:"path"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

type errorOut struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Hint    *string `json:"hint"`
}

type pathOut struct {
	Type string `json:"type"`
	Op   string `json:"op"`
	Path string `json:"path"`
	Word string `json:"word"`
}

// addTraffic adds what travelled, which also a sync that failed has to say.
func (o *output) addTraffic(r *hostgo.Report) {
	s := &o.sum
	s.UploadedFiles += r.UploadedFiles
	s.UploadedBytes += r.UploadedBytes
	s.DownloadedFiles += r.DownloadedFiles
	s.DownloadedBytes += r.DownloadedBytes
	s.ClientCalls += r.ClientCalls
}

// add merges a report into the summary. Of a run the push comes first; what the
// pull says again is not repeated.
func (o *output) add(r *hostgo.Report) {
	s := &o.sum
	if r.Op == merge.Pull {
		s.LocalWrites += r.Writes
		s.LocalDeletes += r.Deletes
	}
	for i := range r.Conflicts {
		c := &r.Conflicts[i]
		s.addConflict(conflictOut{c.Path, string(c.Kind), orNull(string(c.Policy)), orNull(c.Copy)})
	}
	for _, p := range r.Problems {
		s.addProblem(problemOut{p.Path, string(p.Code), p.Detail})
	}
	for _, p := range r.Flagged {
		s.addFlagged(p)
	}
	s.Waived = r.Waived
	s.addLacks(r.Lacks)
	if r.Guard != "" {
		s.Guard = orNull(string(r.Guard))
	}
	o.worst(r.Status)
}

// worst keeps the status that asks most of the person.
func (o *output) worst(status plan.Status) {
	rank := map[plan.Status]int{plan.StatusOK: exitOK, plan.StatusConflicts: exitConflicts,
		plan.StatusPartial: exitPartial, plan.StatusRefused: exitRefused}
	if n := rank[status]; n > o.exit {
		o.exit, o.sum.Status = n, string(status)
	}
}

// addConflict adds a conflict once. What a pull says of a path tells more than
// the push before it, if it names a copy; there may be several copies of one path.
func (s *summary) addConflict(c conflictOut) {
	key := "conflict\x00" + c.Kind + "\x00" + c.Path
	i, known := s.at[key]
	copied := ""
	if c.Copy != nil {
		copied = *c.Copy
	}
	switch _, again := s.at[key+"\x00"+copied]; {
	case known && (again || copied == ""):
		return
	case known && s.Conflicts[i].Copy == nil:
		s.Conflicts[i] = c
	default:
		s.Conflicts, i = append(s.Conflicts, c), len(s.Conflicts)
	}
	s.at[key], s.at[key+"\x00"+copied] = i, i
}

func (s *summary) addProblem(p problemOut) {
	key := "problem\x00" + p.Code + "\x00" + p.Path
	if _, known := s.at[key]; !known {
		s.at[key], s.Problems = len(s.Problems), append(s.Problems, p)
	}
}

func (s *summary) addFlagged(path string) {
	key := "flagged\x00" + path
	if _, known := s.at[key]; !known {
		s.at[key], s.Flagged = len(s.Flagged), append(s.Flagged, path)
	}
}

func (s *summary) addLacks(list []string) {
	for _, l := range list {
		if !slices.Contains(s.Lacks, l) {
			s.Lacks = append(s.Lacks, l)
		}
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
