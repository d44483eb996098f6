package channel

import (
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// again is what a program gets of a descriptor that it takes over.
func again(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3) }

// What the worker said before is received afterwards, its end is still seen, and
// it never sees ours.
func TestASideGoesOver(t *testing.T) {
	mine, worker := pair(t)
	mine.Pause()
	if err := worker.Send(Greeting()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := mine.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("received in a pause: %v", err)
	}
	fd, err := mine.Save(func(fd int) int { return fd })
	if err != nil {
		t.Fatal(err)
	}
	next, err := Adopt(fd, again)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = next.Close() })
	if err := mine.Close(); err != nil { // as an exec does
		t.Fatal(err)
	}
	if m, _, err := next.Receive(); err != nil || m.Type != Hello {
		t.Errorf("%+v, %v", m, err)
	}
	if err := next.Send(Greeting()); err != nil {
		t.Fatal(err)
	}
	if m, _, err := worker.Receive(); err != nil || m.Type != Hello {
		t.Errorf("the worker: %+v, %v", m, err)
	}
	next.Pause()
	next.Resume()
	if err := worker.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := next.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("the worker's end is %v", err)
	}
}

func TestAdoptWhatIsNoChannel(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if c, err := Adopt(int(r.Fd()), again); err == nil {
		_ = c.Close()
		t.Error("a pipe was taken for a channel")
	}
}
