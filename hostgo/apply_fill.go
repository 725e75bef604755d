package hostgo

import (
	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// fill makes what comes below a directory that displaces something while that directory lies in staging, and
// returns how many decisions those are. A run that is killed then leaves the old version or all of the new one: of
// a part the next plan would take what is missing for deleted here (invariant 6).
func (a *applier) fill(i int) (below int) {
	list := a.req.decisions
	d := &list[i]
	if !d.Displace || d.Want.Kind != core.KindDir || a.results[i].Status != 0 {
		return 0
	}
	dir, err := a.staging(i).OpenDir(stagedName(i))
	if err != nil {
		return 0 // the change itself reports it
	}
	defer dir.Close()
	a.leave()
	a.filled, a.fills = dir, d.Dest
	for j := i + 1; j < len(list) && core.Under(list[j].Dest, d.Dest); j++ {
		if below++; list[j].Action == merge.Write {
			a.change(j, a.write)
		}
	}
	a.leave()
	a.filled = nil
	return below
}

// settleBelow gives what was filled into the directory of decision i the failure of that, and returns how many
// decisions those are.
func (a *applier) settleBelow(i, below int) int {
	if r := &a.results[i]; r.Status == merge.Failed {
		for j := i + 1; j <= i+below; j++ {
			if a.results[j].Status == merge.Done {
				a.results[j] = merge.Failure(r.Note.Code, r.Note.Detail)
			}
		}
	}
	return below
}
