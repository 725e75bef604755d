// Package benchtree makes trees for benchmarks and compares them.
package benchtree

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
)

// Sources makes a tree of files of text that compresses about as well as
// sources do. It is the same for the same numbers. The files have half to one
// and a half times the mean size.
func Sources(root string, files int, size int64) error {
	rng := rand.New(rand.NewPCG(1, 1))
	w := newWriter(rng)
	mean := int(size) / files
	for i := range files {
		p := filepath.Join(root, fmt.Sprintf("pkg%02d/part%d/file%04d.go", i%25, i%4, i))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, w.text(mean/2+rng.IntN(mean+1)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writer makes up lines of words. Few words are frequent and most are rare, and
// two lines in three were there before, as it is in sources.
type writer struct {
	rng   *rand.Rand
	zipf  *rand.Zipf
	words []string
	lines [][]byte
}

const (
	vocabulary = 20_000
	remembered = 2_000
)

func newWriter(rng *rand.Rand) *writer {
	w := &writer{rng: rng, zipf: rand.NewZipf(rng, 1.4, 4, vocabulary-1), words: make([]string, vocabulary)}
	for i := range w.words {
		word := make([]byte, 2+rng.IntN(9))
		for k := range word {
			word[k] = "eeettaaooinshrdlcumwfgypbvk"[rng.IntN(27)]
		}
		w.words[i] = string(word)
	}
	return w
}

func (w *writer) text(size int) []byte {
	var b bytes.Buffer
	for b.Len() < size {
		b.Write(w.line())
	}
	return b.Bytes()
}

func (w *writer) line() []byte {
	if len(w.lines) > 0 && w.rng.IntN(3) > 0 {
		return w.lines[w.rng.IntN(len(w.lines))]
	}
	line := bytes.Repeat([]byte("\t"), w.rng.IntN(4))
	for range 1 + w.rng.IntN(8) {
		line = append(line, w.words[w.zipf.Uint64()]...)
		line = append(line, [4]string{" ", ".", "(", ", "}[w.rng.IntN(4)]...)
	}
	line = append(line, '\n')
	if len(w.lines) < remembered {
		w.lines = append(w.lines, line)
	} else {
		w.lines[w.rng.IntN(remembered)] = line
	}
	return line
}

// Equal returns an error that tells how two trees differ, what the planner keeps
// in them aside.
func Equal(a, b string) error {
	out, err := exec.Command("rsync", "-rlnc", "--delete", "--itemize-changes", "--size-only", "--exclude=/.paperclip-runtime", a+"/", b+"/").CombinedOutput()
	if err == nil && len(bytes.TrimSpace(out)) > 0 {
		err = fmt.Errorf("%s", out[:min(len(out), 300)])
	}
	return err
}
