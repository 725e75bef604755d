// Package merge decides, path by path, what becomes of three trees: base, the
// side that changes flow from (source) and the side they flow into (target).
//
// A pull flows from the sandbox into the workspace, a push the other way, and
// both use the one decision table in table.go. Nothing here performs I/O; where
// a text merge needs contents the outcome asks for them.
package merge

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }
