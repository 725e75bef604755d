package merge

import "github.com/paperclipai/syncplan/core"

// flag notes the change of a file that makes tools run code (promise S3).
func (w *walker) flag(path string) {
	if w.in.Direction == Pull && core.Flagged(path) {
		w.out.Flagged = append(w.out.Flagged, path)
	}
}

// flagThroughLinks notes what is such a file by a link alone: what changes where a link
// of such a name leads, and a new link to one. Else a sandbox brings the link once, and its
// changes unseen ever after.
func (w *walker) flagThroughLinks() {
	names, brought := w.flaggedLinks()
	if len(names)+len(brought) == 0 {
		return
	}
	after := PlannedOf(w.target.Entries, w.out.Decisions).spelled(w.in.Facts)
	for _, d := range brought {
		if to, inside := after.resolve(d.Dest, d.Want.Target, w.in.Facts, nil); inside && core.Flagged(to) {
			w.out.Flagged = append(w.out.Flagged, d.Dest)
		}
	}
	leads := map[string]string{} // where such a link leads → the link
	for _, path := range names {
		e := after.At(path)
		if e == nil || e.Kind != core.KindLink {
			continue
		}
		if to, inside := after.resolve(path, e.Target, w.in.Facts, nil); inside {
			leads[to] = path
		}
	}
	decisions := w.out.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		if d.Action == Keep || d.Action == Aside {
			continue
		}
		for at := d.Dest; ; at = core.Parent(at) {
			if link, ok := leads[at]; ok && core.Flagged(link+d.Dest[len(at):]) {
				w.out.Flagged = append(w.out.Flagged, d.Dest)
			}
			if at == "" {
				break
			}
		}
	}
}

// flaggedLinks returns the links of such names that may stand in the end, and the
// decisions that bring a link.
func (w *walker) flaggedLinks() (names []string, brought []Decision) {
	changes := false
	decisions := w.out.Decisions.Reader()
	for i := range decisions.Len() {
		d := decisions.At(i)
		changes = changes || d.Action != Keep
		if puts(d) && d.Want.Kind == core.KindLink {
			if brought = append(brought, *d); core.Flagged(d.Dest) {
				names = append(names, d.Dest)
			}
		}
	}
	if !changes {
		return nil, nil
	}
	for e := range w.target.Entries.Links() {
		if core.Flagged(e.Path) {
			names = append(names, e.Path)
		}
	}
	return names, brought
}
