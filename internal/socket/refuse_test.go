package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Both ways of refusing behave alike on each kind of socket. The filter needs a
// privilege on newer kernels; the second way needs none.
func TestRefuse(t *testing.T) {
	ways := map[string]func(*Listener) error{
		"whichever": func(l *Listener) error { return l.Refuse(true) },
		"filter":    func(l *Listener) error { return dropSYN(l.fd) },
		"hop limit": func(l *Listener) error { return raiseMinHops(l.fd) },
	}
	for name, refuse := range ways {
		for _, addr := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
			t.Run(name+" "+addr, func(t *testing.T) {
				t.Parallel()
				testRefuse(t, addr, refuse)
			})
		}
	}
}

func testRefuse(t *testing.T, addr string, refuse func(*Listener) error) {
	l := mustBind(t, addr)
	a := l.Addr()
	a.Address = strings.Replace(a.Address, "[::]", "[::1]", 1)
	ln := serve(t, l)
	open := dial(t, a)
	served, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	queued := []net.Conn{dial(t, a), dial(t, a)}

	if err := refuse(l); errors.Is(err, unix.EPERM) {
		t.Skip("the kernel lets only CAP_NET_ADMIN attach a filter; the other way is tested beside")
	} else if err != nil {
		t.Fatal(err)
	}
	late := make(chan error, 1)
	go func() {
		var d net.Dialer
		c, err := d.DialContext(waiting(t), "tcp", a.Address)
		if err == nil {
			c.Close()
		}
		late <- err
	}()

	// What waits in the queue is accepted and served.
	echo := func(c, s net.Conn) {
		t.Helper()
		fmt.Fprint(c, "ping")
		b := make([]byte, 4)
		if _, err := io.ReadFull(s, b); err != nil || string(b) != "ping" {
			t.Errorf("read %q, %v", b, err)
		}
	}
	for _, c := range queued {
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		echo(c, s)
		echo(s, c)
	}

	// No other gets in, though the client tries again after a second.
	if err := ln.(*net.TCPListener).SetDeadline(time.Now().Add(1500 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if s, err := ln.Accept(); err == nil {
		t.Errorf("%s got in after Refuse", s.RemoteAddr())
		s.Close()
	}
	select {
	case err := <-late:
		t.Fatalf("a connect after Refuse ended with %v, should wait", err)
	default:
	}

	// The end: who waits is refused, who is established is not reset.
	ln.Close()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-late; !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("after Close the waiting client got %v, want connection refused", err)
	}
	echo(open, served)
	echo(served, open)
}

func TestRefuseUnix(t *testing.T) {
	for addr, want := range map[string]error{
		"unix:" + t.TempDir() + "/a.sock":                  unix.ENOENT,
		fmt.Sprintf("unix:@tandem-refuse-%d", os.Getpid()): unix.ECONNREFUSED,
	} {
		l := mustBind(t, addr)
		ln := serve(t, l)
		queued := dial(t, l.Addr())
		for range 2 {
			if err := l.Refuse(true); err != nil {
				t.Fatal(err)
			}
		}
		if c, err := net.Dial("unix", l.Addr().Address); !errors.Is(err, want) {
			t.Errorf("%s: dial after Refuse: %v, %v; want %v", addr, c, err, want)
		}
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(queued, "ping")
		queued.Close()
		if b, err := io.ReadAll(s); err != nil || string(b) != "ping" {
			t.Errorf("%s: read %q, %v from the queued connection", addr, b, err)
		}
		s.Close()

		// An empty queue must look empty, not broken, to those that still accept.
		if err := ln.(*net.UnixListener).SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := ln.Accept(); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: accept on the empty queue: %v", addr, err)
		}
	}
}
