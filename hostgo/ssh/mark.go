package ssh

import (
	"io"
	"strconv"
	"strings"

	"github.com/paperclipai/syncplan/hostgo"
)

// mark begins the line by which a command of ours says on both streams that it starts.
// What comes before it is of the user's own shell: its set-up may say something in each
// session, or it may be one that takes no commands.
const mark = "syncplan-starts"

// markedWriter passes on what follows the mark.
type markedWriter struct {
	to    io.Writer    // nil: it is dropped
	told  func(string) // is given the rest of the mark's line; may be nil
	found bool
	line  strings.Builder // so far
	early hostgo.Tail     // the lines before the mark
}

// Write never fails before the mark.
func (w *markedWriter) Write(b []byte) (int, error) {
	n := len(b)
	for i := 0; !w.found && i < len(b); i++ {
		if b[i] != '\n' && w.line.Len() < hostgo.MaxStderr {
			w.line.WriteByte(b[i])
			continue
		}
		if w.endLine(); w.found {
			b = b[i+1:]
		}
	}
	if !w.found || w.to == nil || len(b) == 0 {
		return n, nil
	}
	_, err := w.to.Write(b)
	return n, err
}

func (w *markedWriter) endLine() {
	rest, ok := strings.CutPrefix(w.line.String(), mark)
	if w.found = ok; !ok {
		_, _ = io.WriteString(&w.early, w.line.String()+"\n") // it never fails
	} else if w.told != nil {
		w.told(strings.TrimSpace(rest))
	}
	w.line.Reset()
}

// unmarked returns all that came where no mark did.
func (w *markedWriter) unmarked() string {
	if w.found {
		return ""
	}
	return w.early.String() + w.line.String()
}

// group is the id of a process group, once it is known.
type group struct {
	id    string
	known chan struct{}
}

// tell accepts nothing but a number above 1: "kill -1" would reach everything.
func (g *group) tell(text string) {
	if id, err := strconv.Atoi(text); err == nil && id > 1 {
		g.id = strconv.Itoa(id)
		close(g.known)
	}
}
