package worker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/scoreboard"
)

// lateGuest is a socket to which somebody connects just before it is looked at
// for the nth time.
type lateGuest struct {
	socket
	looks, on int
	connect   func()
}

func (l *lateGuest) SyscallConn() (syscall.RawConn, error) {
	if l.looks++; l.looks == l.on {
		l.connect()
	}
	return l.socket.SyscallConn()
}

func shutDoor(t *testing.T, late bool) (d *door, connect func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	connect = func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	s := l.(socket)
	if late {
		s = &lateGuest{socket: s, on: 2, connect: connect}
	}
	server := &server{board: scoreboard.Local(), logger: slog.New(slog.DiscardHandler)}
	server.base, server.end = context.WithCancel(t.Context())
	t.Cleanup(server.end)
	d = &door{socket: s, server: server}
	if err := d.shut(); err != nil {
		t.Fatal(err)
	}
	return d, connect
}

func accepted(t *testing.T, d *door) (n int) {
	t.Helper()
	for {
		c, err := d.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("the accept loop ends with %v", err)
			}
			return n
		}
		if inner, ok := c.(*conn).Conn.(*net.TCPConn); !ok || inner.RemoteAddr() == nil {
			t.Errorf("accepted a %T", c)
		}
		_ = c.Close()
		n++
	}
}

func TestShutDoorTakesInTheQueue(t *testing.T) {
	d, connect := shutDoor(t, false)
	for range 50 {
		connect()
	}
	if n := accepted(t, d); n != 50 {
		t.Errorf("took in %d of 50", n)
	}
	if _, err := d.socket.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket is still open: %v", err)
	}
}

// A handshake that was under way when the queue was empty arrives later.
func TestShutDoorLooksAgain(t *testing.T) {
	d, _ := shutDoor(t, true)
	if n := accepted(t, d); n != 1 {
		t.Errorf("took in %d late guests", n)
	}
}

func TestShutDoorIsBounded(t *testing.T) {
	d, connect := shutDoor(t, false)
	begun, n := time.Now(), 0
	for connect(); ; connect() { // the queue is never empty
		if _, err := d.Accept(); err != nil {
			break
		}
		n++
	}
	if took := time.Since(begun); n == 0 || took > 10*sweepBound {
		t.Errorf("took in %d during %v", n, took)
	}
}

func TestQuickStopEndsTheSweep(t *testing.T) {
	d, connect := shutDoor(t, false)
	connect()
	d.server.end()
	if n := accepted(t, d); n != 0 {
		t.Errorf("took in %d", n)
	}
}
