package hostgo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// journal is what the next run needs to recover from a crash of this one. It is
// written whole before the first change: what was done of it can be read off
// the disk, since every name in staging says what it is.
type journal struct {
	Run     string          `json:"run"`
	Volumes []string        `json:"volumes,omitempty"` // see volume
	Records []journalRecord `json:"records"`
}

// journalRecord is one decision that takes something from its path.
type journalRecord struct {
	Index    int           `json:"index"`
	Path     string        `json:"path"`
	Old      *journalEntry `json:"old"`
	New      *journalEntry `json:"new"` // nil: deleted
	Displace bool          `json:"displace"`
}

type journalEntry struct {
	Kind   string `json:"kind"`
	Size   int64  `json:"size"`
	Digest string `json:"digest"`
	Target string `json:"target"`
}

// record adds the decisions that take something from its path.
func (j *journal) record(decisions []merge.Decision) {
	for i := range decisions {
		d := &decisions[i]
		if (d.Action == merge.Write || d.Action == merge.Delete) && d.Expect != nil {
			j.Records = append(j.Records, journalRecord{i, d.Dest, toJournal(d.Expect), toJournal(d.Want), d.Displace})
		}
	}
}

func toJournal(e *core.Entry) *journalEntry {
	if e == nil {
		return nil
	}
	return &journalEntry{e.Kind.String(), e.Size, e.Digest.String(), e.Target}
}

// entry returns nil for something that no journal of ours holds.
func (e *journalEntry) entry() *core.Entry {
	if e == nil {
		return nil
	}
	d, ok := core.ParseDigest(e.Digest)
	if !ok {
		return nil
	}
	return &core.Entry{Kind: core.KindOf(e.Kind), Size: e.Size, Digest: d, Target: e.Target}
}

const journalHead = "syncplan-journal 1 "

func journalPath(stateDir string) string { return filepath.Join(stateDir, "journal") }

// writeJournal replaces the journal, whole or not at all, and flushes it.
func writeJournal(stateDir string, j *journal) error {
	body, err := json.Marshal(j)
	if err != nil {
		return &core.Error{Code: core.CodeIO, Message: "the journal can't be written", Err: err}
	}
	sum := sha256.Sum256(body)
	return writeFileAtomic(journalPath(stateDir), []byte(journalHead+hex.EncodeToString(sum[:])+"\n"), body)
}

func removeJournal(stateDir string) error {
	if err := os.Remove(journalPath(stateDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ioError("the journal can't be removed", journalPath(stateDir), err)
	}
	return nil
}

// readJournal returns the journal of a run that did not end, or nil. A damaged
// one is an error of [core.CodeCorrupt].
func readJournal(stateDir string) (*journal, error) {
	path := journalPath(stateDir)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, ioError("the journal can't be read", path, err)
	}
	head, body, _ := bytes.Cut(data, []byte("\n"))
	sum := sha256.Sum256(body)
	j := &journal{}
	if string(head) != journalHead+hex.EncodeToString(sum[:]) || json.Unmarshal(body, j) != nil || core.ValidatePath(j.Run) != nil {
		return nil, &core.Error{Code: core.CodeCorrupt, Path: path, Message: "the journal of an interrupted run is damaged"}
	}
	for _, p := range j.Volumes {
		if p != "" && core.ValidatePath(p) != nil {
			return nil, &core.Error{Code: core.CodeCorrupt, Path: path, Message: "the journal of an interrupted run is damaged"}
		}
	}
	for i := range j.Records {
		if core.ValidatePath(j.Records[i].Path) != nil || j.Records[i].Old.entry() == nil {
			return nil, &core.Error{Code: core.CodeCorrupt, Path: path, Message: "the journal of an interrupted run is damaged"}
		}
	}
	return j, nil
}
