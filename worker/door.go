package worker

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lookAgain is how long after the accept queue was found empty it is looked
	// at once more: a handshake that was under way has arrived by then.
	lookAgain = 100 * time.Millisecond
	// sweepBound ends the sweep of a queue that fills as fast as it is emptied:
	// who still fills it is served by the other workers.
	sweepBound = 250 * time.Millisecond
)

// socket is a *net.TCPListener or a *net.UnixListener.
type socket interface {
	net.Listener
	syscall.Conn
	SetDeadline(t time.Time) error
}

// door is a listener that can be left without leaving anybody standing in it:
// after shut it accepts what is in the queue, and then ends its http.Server's
// accept loop with net.ErrClosed. Accept is called by that loop alone.
type door struct {
	socket
	server *server
	back   *backDoor // nil in clear without siblings, where nobody is parked
	label  string

	context func() context.Context // the user's for both ways in, made once; nil: there is none

	place *place    // nil: woken for every connection, as net does it
	until time.Time // when the sweep ends at the latest; zero before it
	again bool      // the queue was found empty once
}

// shut ends the waiting in Accept. The server is draining already.
func (d *door) shut() error {
	if d.place != nil {
		return d.place.file.SetReadDeadline(past)
	}
	return d.SetDeadline(past)
}

// Close closes the worker's hold on the socket.
func (d *door) Close() error {
	err := d.socket.Close()
	if d.place != nil {
		_ = d.place.file.Close() // said once is enough
	}
	return err
}

func (d *door) Accept() (net.Conn, error) {
	for d.until.IsZero() {
		accepted, err := d.next()
		switch {
		case err == nil:
			c := d.server.admit(accepted, d)
			if d.server.siblings != nil {
				d.server.siblings.me.Accepted()
				if d.server.pass(c) {
					continue
				}
			}
			if d.server.tooMany(c) {
				continue
			}
			return c, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		}
		d.until = time.Now().Add(sweepBound)
	}
	return d.sweep()
}

// name is what a sibling calls the same socket.
func (d *door) name() string { return d.label }

// next waits for a connection and accepts it.
func (d *door) next() (net.Conn, error) {
	if d.place == nil {
		return d.socket.Accept()
	}
	fd, err := d.place.accept(func() bool { return d.server.siblings.over(1, 0) })
	if err != nil {
		// As net says it, so that http.Server knows what passes.
		return nil, &net.OpError{Op: "accept", Net: d.Addr().Network(), Addr: d.Addr(), Err: err}
	}
	return d.server.connection(fd)
}

func (d *door) sweep() (net.Conn, error) {
	for d.server.base.Err() == nil && time.Now().Before(d.until) {
		c, err := d.take()
		switch {
		case err == nil:
			return d.server.admit(c, d), nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case !errors.Is(err, unix.EAGAIN):
			d.server.logger.Warn("the accept queue was not emptied", "addr", d.Addr().String(), "error", err)
			return nil, d.leave()
		case d.again:
			return nil, d.leave()
		}
		d.again = true
		timer := time.NewTimer(lookAgain)
		select {
		case <-timer.C:
		case <-d.server.base.Done():
			timer.Stop()
		}
	}
	return nil, d.leave()
}

func (d *door) leave() error {
	if err := d.Close(); err != nil {
		return err
	}
	return net.ErrClosed
}

// take accepts one connection without waiting. Accept cannot: with its deadline
// in the past it gives up before it looks.
func (d *door) take() (net.Conn, error) {
	raw, err := d.SyscallConn()
	if err != nil {
		return nil, err
	}
	accepted := -1
	var failed error
	if err := raw.Control(func(fd uintptr) {
		// The description is shared, and another process may have made it
		// blocking: this call would then never come back.
		if failed = unix.SetNonblock(int(fd), true); failed == nil {
			accepted, _, failed = unix.Accept4(int(fd), unix.SOCK_CLOEXEC)
		}
	}); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	liftMinHops(accepted)
	return d.server.connection(accepted)
}

// connection makes a net.Conn of an accepted descriptor, which it consumes. One
// that blocks costs less: the file around it is not polled. The duplicate that
// net.FileConn makes does not block. It needs a second descriptor for a moment:
// where there is none it waits for one, for what is accepted is not given up.
func (s *server) connection(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "accepted")
	defer func() { _ = file.Close() }()
	for {
		c, err := net.FileConn(file)
		if !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENFILE) || !s.pause(descriptorPause) {
			return c, err
		}
	}
}

// liftMinHops makes a connection hear its client again. At a stop the supervisor
// may keep new connections out by a minimum hop limit on the listening socket,
// which a connection whose handshake ends just then inherits. On any other
// connection, and on any other kind of socket, it changes nothing.
func liftMinHops(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, 0)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, 0)
}
