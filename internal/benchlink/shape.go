//go:build linux

package main

import "time"

// shaper is one direction of a link: packets leave one after the other at its
// rate, and arrive a while later. Where too many wait, the newest is dropped.
type shaper struct {
	rate  int64         // bits a second
	queue time.Duration // the longest wait before a packet leaves
	free  time.Time     // when the last packet has left
}

// admit returns when a packet of size bytes that came now arrives on the other
// side, or false if it is dropped.
func (s *shaper) admit(now time.Time, size int, delay time.Duration) (time.Time, bool) {
	start := s.free
	if start.Before(now) {
		start = now
	}
	if start.Sub(now) > s.queue {
		return time.Time{}, false
	}
	s.free = start.Add(time.Duration(int64(size) * 8 * int64(time.Second) / s.rate))
	return s.free.Add(delay), true
}
