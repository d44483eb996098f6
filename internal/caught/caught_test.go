package caught

import (
	"os"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// send has the handler of Go's runtime run before it returns: of kill, another
// thread than this one may be on the way to it.
func send(t *testing.T, sig syscall.Signal) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), sig); err != nil {
		t.Fatal(err)
	}
}

func next(t *testing.T, s *Signals) os.Signal {
	t.Helper()
	select {
	case sig := <-s.All():
		return sig
	case <-t.Context().Done():
		t.Fatal("no signal")
		return nil
	}
}

func TestOtherSignalsDoNotTakeThePlaceOfTerm(t *testing.T) {
	s := Catch()
	defer s.End()
	for len(s.other) < cap(s.other) { // a loop that is busy reads none of them
		send(t, syscall.SIGTTIN)
	}
	send(t, syscall.SIGTERM)
	for len(s.stop) == 0 { // os/signal passes it on
		runtime.Gosched()
	}
	for n := 0; next(t, s) != syscall.SIGTERM; n++ {
		if n > 1 { // the one in forward's hands
			t.Fatal("TERM waits behind the others")
		}
	}
}

func TestWhatHadComeIsGivenByFreeze(t *testing.T) {
	s := Catch()
	defer s.End()
	send(t, syscall.SIGHUP)
	if sig := next(t, s); sig != syscall.SIGHUP {
		t.Fatal(sig)
	}
	for range 300 {
		send(t, syscall.SIGHUP)
		read := make(chan []os.Signal)
		done := make(chan struct{})
		go func() {
			var got []os.Signal
			for {
				select {
				case sig := <-s.All():
					got = append(got, sig)
				case <-done:
					read <- got
					return
				}
			}
		}()
		rest := s.Freeze()
		close(done)
		if n := len(rest) + len(<-read); n != 1 {
			t.Fatalf("%d signals of the one that had come", n)
		}
		send(t, syscall.SIGINT) // ignored by the kernel: we live
		send(t, syscall.SIGQUIT)
		s.Thaw()
		send(t, syscall.SIGUSR1)
		if sig := next(t, s); sig != syscall.SIGUSR1 {
			t.Fatalf("after the thaw: %v", sig)
		}
	}
}
