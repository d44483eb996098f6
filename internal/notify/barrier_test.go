package notify

import (
	"testing"
	"time"
)

func TestBarrier(t *testing.T) {
	s := listen(t)
	if err := Send(s.Addr(), "STATUS=first"); err != nil {
		t.Fatal(err)
	}
	passed := make(chan error)
	go func() { passed <- Barrier(s.Addr(), time.Minute) }()
	if m, err := s.Read(); err != nil || m.Status != "first" {
		t.Fatalf("%+v, %v", m, err)
	}
	select {
	case err := <-passed:
		t.Fatalf("passed before it was read: %v", err)
	default:
	}
	if _, err := s.Read(); err != nil { // which closes what came with it
		t.Fatal(err)
	}
	if err := <-passed; err != nil {
		t.Error(err)
	}
	if err := Barrier(s.Addr(), time.Millisecond); err == nil {
		t.Error("passed though nobody reads")
	}
	if err := Barrier("", time.Minute); err != nil {
		t.Error(err)
	}
}
