package worker

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// lot is where parked connections wait for their clients: an epoll instance of its
// own, which the runtime's poller watches, so that one goroutine waits for all of
// them. The runtime goes on watching each of them too; it wakes who reads, and
// nobody does. What is here is taken out before its descriptor is closed or given
// away: the kernel would keep what it watches as long as anybody has it.
type lot struct {
	mu     sync.Mutex
	epoll  *os.File
	raw    syscall.RawConn
	closed bool
	parked map[uint64]*conn // by a number that is used once, as descriptors are not
	last   uint64
}

// gone is what says that a connection has ended, or half of it.
const gone = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR

func openLot() (*lot, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or the runtime would not watch it
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make an epoll instance non-blocking: %w", err)
	}
	l := &lot{epoll: os.NewFile(uintptr(fd), "parked"), parked: map[uint64]*conn{}}
	if l.raw, err = l.epoll.SyscallConn(); err != nil {
		_ = l.epoll.Close()
		return nil, err
	}
	return l, nil
}

// add begins to watch a connection, and reports whether it does: not one that is
// not parked any more. What its client has sent meanwhile is seen.
func (l *lot) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.spot != 0:
		return true
	case l.closed || c.state.Load() != parked:
		return false
	}
	l.last++
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(l.last), Pad: int32(l.last >> 32)}
	if l.control(c, unix.EPOLL_CTL_ADD, &event) != nil {
		return false
	}
	c.spot = l.last
	l.parked[c.spot] = c
	return true
}

// remove ends the watching, if there is any.
func (l *lot) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.spot == 0 {
		return
	}
	delete(l.parked, c.spot)
	c.spot = 0
	if !l.closed {
		_ = l.control(c, unix.EPOLL_CTL_DEL, nil)
	}
}

func (l *lot) control(c *conn, op int, event *unix.EpollEvent) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if bad := raw.Control(func(fd uintptr) {
		if bad := l.raw.Control(func(epoll uintptr) { err = unix.EpollCtl(int(epoll), op, int(fd), event) }); bad != nil {
			err = bad
		}
	}); bad != nil {
		return bad
	}
	return err
}

// wait waits until something has come, and says on which connections. It fails
// when the lot is closed.
func (l *lot) wait(events []unix.EpollEvent) (n int, err error) {
	bad := l.raw.Read(func(epoll uintptr) bool {
		for {
			if n, err = unix.EpollWait(int(epoll), events, 0); err != unix.EINTR {
				return n != 0
			}
		}
	})
	if bad != nil {
		err = bad
	}
	return max(0, n), err
}

// at is the connection that an event is of; nil: it has left meanwhile.
func (l *lot) at(e unix.EpollEvent) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parked[uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32]
}

// size is how many are parked.
func (l *lot) size() int {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.parked)
}

// close ends the waiting. It returns who was left.
func (l *lot) close() []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	_ = l.epoll.Close()
	var left []*conn
	for _, c := range l.parked {
		left = append(left, c)
	}
	return left
}

// unread reports whether the client has sent something that nobody has read.
func (c *conn) unread() (some bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var b [1]byte
	_ = raw.Control(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		some = err == nil && n > 0
	})
	return some
}
