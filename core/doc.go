// Package core holds what travels between the parts of syncplan: paths,
// entries, snapshots, the base, exclude rules, error codes and their JSON form.
//
// The package is pure. It performs no I/O, reads no clock and starts no
// goroutine, so that the same input gives the same bytes natively and in
// WebAssembly. The imports that this allows are listed in purity_test.go; fmt,
// encoding/json, regexp and crypto/sha256 are not among them, because each
// would pull package os into the module and grow it by half a megabyte or more.
package core
