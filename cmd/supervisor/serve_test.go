package main

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
)

func TestOtherSignalsDoNotTakeThePlaceOfTerm(t *testing.T) {
	s := catchSignals()
	defer signal.Stop(s.stop)
	defer signal.Stop(s.other)
	send := func(sig syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
	}
	for len(s.other) < cap(s.other) { // a loop that is busy reads none of them
		send(syscall.SIGTTIN)
		runtime.Gosched()
	}
	send(syscall.SIGTERM)
	select {
	case sig := <-s.stop:
		if sig != syscall.SIGTERM {
			t.Error(sig)
		}
	case <-t.Context().Done():
		t.Error("TERM is lost")
	}
}
