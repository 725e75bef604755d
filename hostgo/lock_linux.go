package hostgo

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// acquire binds an abstract unix socket: one bind wins, and the kernel frees the
// name when the process ends. Whoever waits connects to it, learns who holds it
// and sees the connection end with the lock.
func acquire(ctx context.Context, realPath string, waiting func(string)) (func() error, error) {
	name := abstractName(realPath)
	told := false
	tell := func(holder string) {
		if !told {
			told = true
			waiting(holder)
		}
	}
	for {
		l, err := net.Listen("unix", name)
		if err == nil {
			return serve(l), nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, ioError("the workspace's lock can't be taken", realPath, err)
		}
		follow(ctx, name, tell)
		tell(stranger) // unless the holder said who it is
		// Others may wait too, and a name that is taken but does not answer must
		// not be asked in a busy loop.
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// abstractName has the greatest length that an address can: Node, whose host takes
// the same lock, fills a shorter one up with NULs in some versions, and that is
// another name for the kernel.
func abstractName(realPath string) string {
	const length = 107
	name := lockName(realPath)
	return "@" + name + strings.Repeat(".", length-len(name))
}

// maxFollowers bounds the connections of a holder, to which any local user can make some. Whoever loses
// one asks again.
const maxFollowers = 64

// serve holds the lock and tells who does. The kernel keeps connections that
// nobody accepts yet, so a holder that is busy loses none.
func serve(l net.Listener) func() error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var open []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			if open = append(open, c); len(open) > maxFollowers {
				open[0].Close()
				open = open[1:]
			}
			// A waiter that left already need not know.
			_, _ = io.WriteString(c, "process "+strconv.Itoa(os.Getpid())+"\n")
		}
		for _, c := range open {
			c.Close()
		}
	}()
	return func() error {
		err := l.Close()
		<-done
		return err
	}
}

// isHolder reports whether a text is what a process of ours that holds a lock says of itself.
func isHolder(text string) bool {
	id, ours := strings.CutPrefix(text, "process ")
	return ours && id != "" && len(id) <= 20 && strings.Trim(id, "0123456789") == ""
}

// stranger is a holder that does not say who it is.
const stranger = "another process"

// follow waits until the holder of the lock lets go of it, or ctx ends. holds is given what
// the holder says it is.
func follow(ctx context.Context, name string, holds func(string)) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", name)
	if err != nil {
		return
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	if err != nil {
		return
	}
	holder := strings.TrimSpace(string(buf[:n]))
	if !isHolder(holder) {
		holder = stranger // which is none of ours, and chose the text
	}
	holds(holder)
	for err == nil {
		_, err = c.Read(buf)
	}
}
