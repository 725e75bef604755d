package merge

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
)

// maxName is the longest name in bytes that common file systems take.
const maxName = 255

// CopyName returns the path of the conflict copy of path for a version with
// the given digest: stem.conflict-<8 hex digits>.ext, with "-2", "-3", … after
// the digits while taken says that the name stands for something else. The
// stem is cut, never inside a character, so that the name fits 255 bytes.
func CopyName(path string, digest core.Digest, taken func(path string) bool) string {
	dir, name := core.Parent(path), core.Name(path)
	stem, ext := name, ""
	if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= 32 {
		stem, ext = name[:i], name[i:]
	}
	for n := 1; ; n++ {
		tail := ".conflict-" + digest.String()[:8]
		if n > 1 {
			tail += "-" + itoa(n)
		}
		tail += ext
		cut := stem
		if len(cut)+len(tail) > maxName {
			cut = cut[:maxName-len(tail)]
			for len(cut) > 0 && stem[len(cut)]&0xc0 == 0x80 {
				cut = cut[:len(cut)-1]
			}
		}
		if p := core.Join(dir, cut+tail); !taken(p) {
			return p
		}
	}
}
