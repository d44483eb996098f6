package worker_test

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/h2raw"
)

// TestHTTP1BesideHTTP2: where a socket speaks both in clear, connections that
// have spoken HTTP/1 move like those of any other worker, and new ones move before
// anybody knows what they will speak. The old worker reads nothing of either any
// more, however long it lives on.
func TestHTTP1BesideHTTP2(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	old := startAmong(t, k, fd, "H2C=1")
	clients := kept(t, addr, 10)
	silent1, silent2 := dial(t, addr), dial(t, addr)
	last := dial(t, addr)
	if err := last.send("GET", "/hijack", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := last.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	fresh := startAmong(t, k, fd, "H2C=1")
	old.signal(t, syscall.SIGTERM)
	for k.of(t, old).Moved < 12 {
		<-time.After(time.Millisecond) // the test's own time limit ends it
	}
	for _, c := range clients {
		for _, past := range []string{" 1 ", " 2 "} {
			if answer, closing := c.must(t, "/past", ""); closing || !strings.HasPrefix(answer, fresh.pid()+past) {
				t.Errorf("answered %q (closing: %v), want by %s after%srequests", answer, closing, fresh.pid(), past)
			}
		}
	}
	if answer, _ := silent1.must(t, "/past", ""); !strings.HasPrefix(answer, fresh.pid()+" 0 ") {
		t.Errorf("on a connection without a past: %q", answer)
	}
	if _, err := h2raw.New(silent2).Begin(); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(last, "goodbye\n"); err != nil {
		t.Fatal(err)
	}
	old.code(t, 0)
	fresh.signal(t, syscall.SIGTERM)
	fresh.code(t, 0)
}

// TestIdleHTTP2IsToldToGo: an idle connection that speaks HTTP/2 cannot move. Its
// client hears which request was the last before the connection ends.
func TestIdleHTTP2IsToldToGo(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	p := startAmong(t, k, fd, "H2C=1", "LINGER=1ms")
	c := speak(t, addr)
	kept(t, addr, 1)
	startAmong(t, k, fd, "H2C=1")
	p.signal(t, syscall.SIGTERM)
	until(t, c, h2raw.GoAway, 0)
	p.code(t, 0)
}

// TestHTTP2IsToldToGoWhereTheDrainIsCut: another's request that does not end, such as an
// upload that has stopped, holds the drain until its bound. An idle client of HTTP/2
// hears all the same which request was the last.
func TestHTTP2IsToldToGoWhereTheDrainIsCut(t *testing.T) {
	fd, addr := listen(t)
	p := start(t, fd, "H2C=1", "DRAIN=2s", "LINGER=0s")
	stuck := dial(t, addr)
	if err := stuck.send("GET", "/stuck", ""); err != nil {
		t.Fatal(err)
	}
	settled(t, p, 1)
	c := speak(t, addr)
	p.signal(t, syscall.SIGTERM)
	until(t, c, h2raw.GoAway, 0)
	if _, _, _, err := stuck.receive(); err == nil {
		t.Error("the stuck request was answered")
	}
	p.code(t, exitCut)
}
