package worker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// place is a worker's place in the queue of those who are woken for a new
// connection. Go's poller asks to be woken for each, like every sibling's: all
// of them run, and one finds something. Here the same registration is made again
// with EPOLLEXCLUSIVE, for which the kernel wakes one process only, the first in
// the queue that has nothing to do.
//
// The registration is read from /proc and written back by epoll_ctl: nothing of
// the runtime's memory is touched, and where it does not look as expected there
// is no place, and net's listener is used. The runtime takes the registration
// away with the descriptor, as ever.
type place struct {
	file  *os.File // a duplicate of the listener's descriptor, polled for it
	raw   syscall.RawConn
	epoll int
	event unix.EpollEvent
	tried func() // called for each accept call
}

var errNoPoller = errors.New("the runtime's poller was not found")

// takePlace makes a place of listener, whose own registration ends. tried is
// called for each accept call.
func takePlace(listener syscall.Conn, tried func()) (*place, error) {
	theirs, err := listener.SyscallConn()
	if err != nil {
		return nil, err
	}
	twin := -1
	if bad := theirs.Control(func(fd uintptr) { twin, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); bad != nil || err != nil {
		return nil, errors.Join(bad, err)
	}
	if err := unix.SetNonblock(twin, true); err != nil { // or the runtime would not poll it
		return nil, errors.Join(err, unix.Close(twin))
	}
	p := &place{file: os.NewFile(uintptr(twin), "listener"), epoll: -1, tried: tried}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.exclusively()
	}
	if err == nil {
		if bad := theirs.Control(func(fd uintptr) { err = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, int(fd), nil) }); bad != nil {
			err = bad
		}
	}
	if err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	return p, nil
}

func (p *place) exclusively() (err error) {
	bad := p.raw.Control(func(fd uintptr) {
		var was unix.EpollEvent
		if p.epoll, was, err = registration(int(fd)); err != nil {
			return
		}
		if was.Events&unix.EPOLLET == 0 || was.Events&unix.EPOLLIN == 0 {
			err = fmt.Errorf("%w: events %#x", errNoPoller, was.Events)
			return
		}
		p.event = unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET | unix.EPOLLEXCLUSIVE, Fd: was.Fd, Pad: was.Pad}
		err = p.stand(int(fd))
	})
	return errors.Join(bad, err)
}

// accept waits for a connection and takes it: one accept call, but for those
// that another process has won. After the one before it looks whether there is
// another, instead of trying, and when behind says that siblings are worse off it
// goes to the end of the queue first. The descriptor is the caller's, and blocks.
func (p *place) accept(behind func() bool) (accepted int, err error) {
	woken := false
	waited := p.raw.Read(func(fd uintptr) bool {
		if !woken {
			woken = true
			// To stand is to look, too: what is there wakes this read.
			if behind() && p.stand(int(fd)) == nil || !readable(int(fd)) {
				return false
			}
		}
		for {
			p.tried()
			accepted, _, err = unix.Accept4(int(fd), unix.SOCK_CLOEXEC)
			switch err {
			case unix.EINTR, unix.ECONNABORTED:
			case unix.EAGAIN:
				return false
			default:
				return true
			}
		}
	})
	if waited != nil {
		return -1, waited
	}
	if err != nil {
		return -1, os.NewSyscallError("accept4", err)
	}
	return accepted, nil
}

func readable(fd int) bool {
	set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(set, 0)
	return n > 0 || err != nil
}

// again looks at the queue anew, now and then: a sibling that was woken for a
// connection may have been stopped before it took it.
func (p *place) again() {
	_ = p.raw.Control(func(fd uintptr) { _ = p.stand(int(fd)) })
}

// stand goes to the end of the queue. What has come meanwhile is seen: the
// kernel looks when it adds.
func (p *place) stand(fd int) error {
	// Where there is none, adding failed the last time, or another goroutine is
	// between the two: who is not registered is never woken, so add in any case.
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil); err != nil && err != unix.ENOENT {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	event := p.event
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil && err != unix.EEXIST {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// registration finds the one epoll instance of this process that watches fd.
func registration(fd int) (epoll int, event unix.EpollEvent, err error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1, event, fmt.Errorf("%w: %w", errNoPoller, err)
	}
	epoll = -1
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err != nil || to != "anon_inode:[eventpoll]" {
			continue
		}
		info, err := os.ReadFile("/proc/self/fdinfo/" + e.Name())
		if err != nil {
			return -1, event, fmt.Errorf("%w: %w", errNoPoller, err)
		}
		found, ok := watches(info, fd)
		if !ok {
			continue
		}
		if epoll >= 0 {
			return -1, event, fmt.Errorf("%w: two watch the socket", errNoPoller)
		}
		event = found
		if epoll, err = strconv.Atoi(e.Name()); err != nil {
			return -1, event, fmt.Errorf("%w: %w", errNoPoller, err)
		}
	}
	if epoll < 0 {
		return -1, event, errNoPoller
	}
	return epoll, event, nil
}

// watches reads the line "tfd: 5 events: 2019 data: 7f00deadbeef …" of fd.
func watches(info []byte, fd int) (unix.EpollEvent, bool) {
	for line := range bytes.Lines(info) {
		var target int
		var events uint32
		var data uint64
		n, err := fmt.Sscanf(string(line), "tfd: %d events: %x data: %x", &target, &events, &data)
		if err == nil && n == 3 && target == fd {
			both := binary.NativeEndian.AppendUint64(nil, data)
			return unix.EpollEvent{
				Events: events,
				Fd:     int32(binary.NativeEndian.Uint32(both)),
				Pad:    int32(binary.NativeEndian.Uint32(both[4:])),
			}, true
		}
	}
	return unix.EpollEvent{}, false
}
