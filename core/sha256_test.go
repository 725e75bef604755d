package core

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSumAgreesWithTheStandardLibrary(t *testing.T) {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 12)
	for n := range len(text) {
		want := Digest(sha256.Sum256([]byte(text[:n])))
		require.Equal(t, want, Sum(text[:n]), "length %d", n)
		require.Equal(t, want, Sum(text[:n/3], "", text[n/3:n]), "length %d in parts", n)
	}
}
