package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is committed is what the generator writes, every time.
func TestTheCommittedTablesAreCurrent(t *testing.T) {
	want, err := os.ReadFile("../../core/merge/fold_tables.go")
	require.NoError(t, err)
	for range 2 {
		got, err := tables()
		require.NoError(t, err)
		require.True(t, string(want) == string(got), "run: go generate ./core/merge")
	}
}
