package socket

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// again is what a program gets of a descriptor that it takes over.
func again(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3) }

// A connection that waits in the queue is accepted by whoever takes over, the
// file stays, and goes when the last one closes.
func TestAListenerGoesOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, addr := range []string{"127.0.0.1:0", "unix:" + path} {
		l := mustBind(t, addr)
		dial(t, l.Addr())
		next, err := Adopt(l.Save(func(fd int) int { return fd }), again)
		if err != nil {
			t.Fatal(err)
		}
		if next.Name() != l.Name() || next.Addr() != l.Addr() || next.StoreName() != l.StoreName() {
			t.Errorf("%s: it is %s %s %s", addr, next.Name(), next.Addr(), next.StoreName())
		}
		if nonblock, cloexec := flags(t, next.FD()); !nonblock || !cloexec {
			t.Errorf("%s: nonblock %t, close on exec %t", addr, nonblock, cloexec)
		}
		c, err := serve(t, next).Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := next.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file stayed: %v", err)
	}
}

func TestAdoptWhatDoesNotListen(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := Adopt(State{FD: fd}, func(fd int) (int, error) { return fd, nil }); err == nil {
		t.Error("a socket that does not listen was taken over")
	}
}
