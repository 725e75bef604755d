//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The two ends of a link.
const (
	peersEnd = iota
	boxEnd
)

// addresses of the two ends, known in their namespaces only.
var addresses = [2]string{"10.77.0.1", "10.77.0.2"}

// link is a pair of network namespaces whose only way to each other is this
// program, which carries every packet.
type link struct {
	names   [2]string // of the namespaces
	ends    [2]*os.File
	roundTo atomic.Int64 // the round trip in nanoseconds
}

// newLink makes a link of rate bits a second. Its queues hold what the rate
// brings in one round trip of the longest that will be set.
func newLink(rate int64, longest time.Duration) (*link, error) {
	l := &link{}
	for i, name := range [2]string{"peers", "box"} {
		if err := l.makeEnd(i, fmt.Sprintf("benchlink-%s-%d", name, os.Getpid())); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	for i := range l.ends {
		go l.carry(l.ends[i], l.ends[1-i], &shaper{rate: rate, queue: longest})
	}
	return l, nil
}

func (l *link) makeEnd(i int, name string) error {
	if err := ip("netns", "add", name); err != nil {
		return err
	}
	l.names[i] = name
	device := fmt.Sprintf("blink%d", i)
	err := l.within(i, func() (err error) {
		l.ends[i], err = openTUN(device)
		return err
	})
	if err != nil {
		return fmt.Errorf("no TUN device can be made: %w", err)
	}
	return errors.Join(
		ip("-n", name, "link", "set", "lo", "up"),
		ip("-n", name, "addr", "add", addresses[i], "peer", addresses[1-i], "dev", device),
		ip("-n", name, "link", "set", device, "up"),
		// Else a connection starts with what the one before learned of the link.
		l.within(i, func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_no_metrics_save", []byte("1"), 0) }))
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

// within calls f on a thread that is in the namespace of one end. Sockets that
// are opened and processes that are started by that goroutine are there too.
func (l *link) within(end int, f func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked, so that the thread ends with the goroutine.
		runtime.LockOSThread()
		done <- func() error {
			ns, err := os.Open("/run/netns/" + l.names[end])
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			return f()
		}()
	}()
	return <-done
}

func (l *link) setRoundTrip(d time.Duration) { l.roundTo.Store(int64(d)) }

type packet struct {
	data []byte
	at   time.Time
}

// maxPackets bounds a direction's packets on their way, of whatever size.
const maxPackets = 1 << 15

// carry takes the packets of one direction until the device is closed.
func (l *link) carry(from, to *os.File, s *shaper) {
	way := make(chan packet, maxPackets)
	defer close(way)
	go deliver(way, to)
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return // the link is closed
		}
		if at, ok := s.admit(time.Now(), n, time.Duration(l.roundTo.Load()/2)); ok {
			way <- packet{append([]byte(nil), buf[:n]...), at}
		}
	}
}

func deliver(way <-chan packet, to *os.File) {
	for p := range way {
		// The runtime's own timers are late by up to a millisecond.
		for wait := time.Until(p.at); wait > 0; wait = time.Until(p.at) {
			t := unix.NsecToTimespec(int64(wait))
			_ = unix.Nanosleep(&t, nil) // a signal may end it early
		}
		_, _ = to.Write(p.data) // a device that is closed or full loses it, as a wire would
	}
}

// close ends every process in the namespaces and removes them.
func (l *link) close() error {
	var errs []error
	for i, name := range l.names {
		if name == "" {
			continue
		}
		if l.ends[i] != nil {
			errs = append(errs, l.ends[i].Close())
		}
		errs = append(errs, killAll(name), ip("netns", "del", name))
	}
	return errors.Join(errs...)
}

// killAll ends what runs in one of our namespaces, where nobody else's
// processes are.
func killAll(name string) error {
	out, err := exec.Command("ip", "netns", "pids", name).Output()
	for _, word := range strings.Fields(string(out)) {
		if pid, e := strconv.Atoi(word); e == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended meanwhile
		}
	}
	return err
}
