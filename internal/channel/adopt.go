package channel

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Pause makes Receive return an error that is os.ErrDeadlineExceeded, now and
// until Resume; no message is lost by that.
func (c *Conn) Pause() { _ = c.unix.SetReadDeadline(time.Unix(1, 0)) }

// Resume ends a pause.
func (c *Conn) Resume() { _ = c.unix.SetReadDeadline(time.Time{}) }

// Save gives the descriptor's number, all that another program needs to go on
// with this side after an exec: what was sent and not received waits in the
// socket. keep is called for it.
func (c *Conn) Save(keep func(int) int) (fd int, err error) {
	rc, err := c.unix.SyscallConn()
	if err == nil {
		err = rc.Control(func(raw uintptr) { fd = keep(int(raw)) })
	}
	if err != nil {
		return -1, fmt.Errorf("save a channel: %w", err)
	}
	return fd, nil
}

// Adopt goes on with a side. take gives a duplicate of the descriptor.
func Adopt(n int, take func(int) (int, error)) (*Conn, error) {
	fd, err := take(n)
	if err != nil {
		return nil, fmt.Errorf("take over a channel: %w", err)
	}
	c, err := adopt(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("take over a channel: %w", err)
	}
	return c, nil
}
