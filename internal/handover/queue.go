package handover

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrFull is Send's error when nothing more fits for now: see [Queue.Room].
var ErrFull = errors.New("the queue is full")

// ErrBroken is in Send's error when no connection can be sent any more. Any other
// error but ErrFull is of the one connection.
var ErrBroken = errors.New("the queue takes nothing any more")

// ErrEmpty is Receive's error when a sibling was quicker.
var ErrEmpty = errors.New("the queue is empty")

// ErrRecord is in Receive's error when what came is not a connection or not
// understood. It is gone and closed, and the queue goes on.
var ErrRecord = errors.New("not a connection that can be served")

// ErrNoDescriptor is Receive's error when this process has no descriptor left.
// The connection stays in the queue, for a sibling.
var ErrNoDescriptor = errors.New("no descriptor left")

// Pair makes the two ends: what is sent into out is received from in. They are
// raw, close-on-exec and non-blocking, and the caller's.
func Pair() (in, out int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("make a queue for connections: socketpair: %w", err)
	}
	return fds[0], fds[1], nil
}

// Check says why these two are not the ends of a queue, and makes them
// non-blocking if they are.
func Check(in, out int) error {
	for _, fd := range []int{in, out} {
		kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil {
			return fmt.Errorf("open the queue for connections: descriptor %d is not a socket: %w", fd, err)
		}
		if kind != unix.SOCK_SEQPACKET {
			return fmt.Errorf("open the queue for connections: descriptor %d is a socket of type %d", fd, kind)
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return fmt.Errorf("open the queue for connections: %w", err)
		}
	}
	return nil
}

// Queue is a worker's hold on both ends. Its methods may be called
// concurrently, but for Receive, which one goroutine calls.
type Queue struct {
	in, out   *os.File
	receiving syscall.RawConn
	sending   syscall.RawConn
	oob       []byte
	buf       []byte
}

// Open takes both ends, which it owns when it succeeds; else they stay the caller's.
func Open(in, out int) (*Queue, error) {
	if err := Check(in, out); err != nil {
		return nil, err
	}
	q := &Queue{
		in: os.NewFile(uintptr(in), "handover-in"), out: os.NewFile(uintptr(out), "handover-out"),
		// Room for more than the one descriptor that is right: a second one must
		// be seen, to be closed.
		oob: make([]byte, unix.CmsgSpace(8*4)), buf: make([]byte, maxRecord+1),
	}
	var err error
	if q.receiving, err = q.in.SyscallConn(); err == nil {
		q.sending, err = q.out.SyscallConn()
	}
	return q, err
}

// Close lets go of both ends, and ends whoever waits.
func (q *Queue) Close() error { return errors.Join(q.in.Close(), q.out.Close()) }

// Send puts the connection fd into the queue: nil says that the caller has
// given it away and closes its own descriptor. It never waits, see ErrFull.
func (q *Queue) Send(r Record, fd int) error {
	body, err := r.encode()
	if err != nil {
		return fmt.Errorf("hand a connection over: %w", err)
	}
	rights := unix.UnixRights(fd)
	var sent error
	err = q.sending.Control(func(out uintptr) {
		for {
			sent = unix.Sendmsg(int(out), body, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			if sent != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return fmt.Errorf("hand a connection over: %w: %w", ErrBroken, err)
	}
	switch sent {
	case nil:
		return nil
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM, unix.ETOOMANYREFS:
		return ErrFull
	case unix.EPIPE, unix.ECONNREFUSED, unix.ECONNRESET, unix.ENOTCONN:
		return fmt.Errorf("hand a connection over: %w: sendmsg: %w", ErrBroken, sent)
	}
	return fmt.Errorf("hand a connection over: sendmsg: %w", sent)
}

// retry is for the one limit whose end the kernel does not report: that on
// descriptors which are on their way between processes.
const retry = 5 * time.Millisecond

// Room waits until something may fit again, at most so long.
func (q *Queue) Room(atMost time.Duration) {
	if q.poll(q.sending, unix.POLLOUT) {
		<-time.After(min(retry, atMost)) // not the queue was full, but the kernel's own limit
		return
	}
	// The deadline is that of all who wait: the last one's counts, and whoever is
	// woken too early looks again.
	if q.out.SetWriteDeadline(time.Now().Add(atMost)) != nil {
		return
	}
	first := true
	_ = q.sending.Write(func(uintptr) bool {
		ready := !first
		first = false
		return ready
	})
}

// Waiting waits until there is something to receive. An error says that the
// queue was closed.
func (q *Queue) Waiting() error {
	return q.receiving.Read(func(fd uintptr) bool { return pollFD(int(fd), unix.POLLIN) })
}

// Empty reports whether nothing is in the queue.
func (q *Queue) Empty() bool { return !q.poll(q.receiving, unix.POLLIN) }

func (q *Queue) poll(raw syscall.RawConn, events int16) (ready bool) {
	_ = raw.Control(func(fd uintptr) { ready = pollFD(int(fd), events) })
	return ready
}

func pollFD(fd int, events int16) bool {
	set := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		n, err := unix.Poll(set, 0)
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// Receive takes one connection out of the queue, if there is one. The
// descriptor is close-on-exec, non-blocking, a connected stream socket of TCP or
// of a unix socket, and the caller's.
func (q *Queue) Receive() (Record, int, error) {
	// A descriptor that the kernel cannot install it closes, and with it the
	// connection: look before, and leave it to a sibling.
	if err := q.spare(); err != nil {
		return Record{}, -1, err
	}
	var n, oobn, flags int
	var failed error
	err := q.receiving.Control(func(fd uintptr) {
		for {
			n, oobn, flags, _, failed = unix.Recvmsg(int(fd), q.buf, q.oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
			if failed != unix.EINTR {
				return
			}
		}
	})
	switch {
	case err != nil:
		return Record{}, -1, err
	case failed == unix.EAGAIN:
		return Record{}, -1, ErrEmpty
	case failed != nil:
		return Record{}, -1, fmt.Errorf("receive a connection: %w", failed)
	}
	fds := descriptors(q.oob[:oobn])
	r, err := q.check(n, flags, fds)
	if err != nil {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		return Record{}, -1, fmt.Errorf("receive a connection: %w: %w", ErrRecord, err)
	}
	return r, fds[0], nil
}

func (q *Queue) spare() (err error) {
	bad := q.receiving.Control(func(fd uintptr) {
		var twin int
		if twin, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			_ = unix.Close(twin)
		}
	})
	if bad != nil {
		return bad
	}
	if err != nil {
		return fmt.Errorf("receive a connection: %w: %w", ErrNoDescriptor, err)
	}
	return nil
}

func (q *Queue) check(n, flags int, fds []int) (Record, error) {
	if flags&unix.MSG_TRUNC != 0 || n > maxRecord {
		return Record{}, fmt.Errorf("a record of more than %d bytes", maxRecord)
	}
	if flags&unix.MSG_CTRUNC != 0 || len(fds) != 1 {
		return Record{}, fmt.Errorf("%d descriptors, or more than could be received; it has one", len(fds))
	}
	r, err := decode(q.buf[:n])
	if err != nil {
		return Record{}, err
	}
	return r, stream(fds[0])
}

// stream says why fd is not a connection.
func stream(fd int) error {
	option := func(name int) int {
		v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, name)
		if err != nil {
			return -1
		}
		return v
	}
	switch domain := option(unix.SO_DOMAIN); domain {
	case unix.AF_INET, unix.AF_INET6, unix.AF_UNIX:
	default:
		return fmt.Errorf("the descriptor is not a socket of a known family (%d)", domain)
	}
	if kind := option(unix.SO_TYPE); kind != unix.SOCK_STREAM {
		return fmt.Errorf("a socket of type %d is not a stream", kind)
	}
	if option(unix.SO_ACCEPTCONN) != 0 {
		return errors.New("the socket listens")
	}
	return unix.SetNonblock(fd, true)
}

func descriptors(oob []byte) []int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var all []int
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
			all = append(all, fds...)
		}
	}
	return all
}
