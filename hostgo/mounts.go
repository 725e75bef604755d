package hostgo

import (
	"os"
	"strings"
)

// systemMounts is the table of what is mounted where; only Linux has it.
const systemMounts = "/proc/self/mounts"

// mountEscapes are the bytes for which a table has octal numbers.
var mountEscapes = strings.NewReplacer(`\011`, "\t", `\012`, "\n", `\040`, " ", `\043`, "#", `\134`, `\`)

// mountedBelow returns the paths below a real one at which something is mounted, relative to it,
// as a table tells. The numbers of file systems would not do: one that is mounted twice has one.
func mountedBelow(root, table string) map[string]bool {
	data, err := os.ReadFile(table)
	if err != nil {
		return nil
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		if words := strings.Fields(line); len(words) > 1 {
			if path, below := strings.CutPrefix(mountEscapes.Replace(words[1]), root+"/"); below {
				found[path] = true
			}
		}
	}
	return found
}
