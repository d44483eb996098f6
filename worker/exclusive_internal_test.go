package worker

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAPlaceThatWasLostIsTakenAgain: adding a registration can fail, for want of
// memory or of room for watches. A worker that has none is never woken again,
// unless it tries again.
func TestAPlaceThatWasLostIsTakenAgain(t *testing.T) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := takePlace(l.(*net.TCPListener), func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer p.file.Close()
	if err := p.raw.Control(func(fd uintptr) { err = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, int(fd), nil) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		fd, err := p.accept(func() bool { return false })
		if err == nil {
			err = unix.Close(fd)
		}
		accepted <- err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.again()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
}
