//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A packet of 1,250 bytes takes 100 µs at 100 Mbit/s.
func TestShaper(t *testing.T) {
	now := time.Unix(1000, 0)
	s := &shaper{rate: 100_000_000, queue: 250 * time.Microsecond}
	const delay = 25 * time.Millisecond
	arrive := func(at time.Time) time.Duration {
		got, ok := s.admit(at, 1250, delay)
		if !ok {
			return -1
		}
		return got.Sub(now)
	}
	require.Equal(t, delay+100*time.Microsecond, arrive(now), "alone")
	require.Equal(t, delay+200*time.Microsecond, arrive(now), "behind another")
	require.Equal(t, delay+300*time.Microsecond, arrive(now), "behind two")
	require.Equal(t, time.Duration(-1), arrive(now), "the queue is full")
	later := now.Add(time.Second)
	require.Equal(t, time.Second+delay+100*time.Microsecond, arrive(later), "the queue is empty again")
}
