package notify

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// again is what a program gets of a descriptor that it takes over.
func again(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3) }

func same(fd int) int { return fd }

// What was sent before is read afterwards, whoever may speak still may, and a
// pause loses nothing.
func TestASocketGoesOver(t *testing.T) {
	s := listen(t)
	s.AllowUID(4711)
	s.Pause()
	if err := Send(s.Addr(), "READY=1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read in a pause: %v", err)
	}
	st, err := s.Save(same)
	if err != nil {
		t.Fatal(err)
	}
	next, err := Adopt(st, again)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = next.Close() })
	if err := s.Close(); err != nil { // as an exec does
		t.Fatal(err)
	}
	if m, err := next.Read(); err != nil || !m.Ready {
		t.Errorf("%+v, %v", m, err)
	}
	if next.Addr() != st.Addr || next.allow.Load() != 4711 {
		t.Errorf("it is at %s and takes uid %d", next.Addr(), next.allow.Load())
	}
	if err := Send(next.Addr(), "STOPPING=1"); err != nil {
		t.Fatal(err)
	}
	next.Pause()
	next.Resume()
	if m, err := next.Read(); err != nil || !m.Stopping {
		t.Errorf("after a pause: %+v, %v", m, err)
	}
}

func TestAdoptWhatIsNoSocket(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if s, err := Adopt(State{FD: int(r.Fd()), Addr: "@x"}, again); err == nil {
		_ = s.Close()
		t.Error("a pipe was taken for a notify socket")
	}
}
