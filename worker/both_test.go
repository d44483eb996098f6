package worker_test

import (
	"encoding/binary"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
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
	preface(t, silent2)
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
	c := dial(t, addr)
	preface(t, c)
	kept(t, addr, 1)
	startAmong(t, k, fd, "H2C=1")
	p.signal(t, syscall.SIGTERM)
	for {
		kind, err := frame(c)
		if err != nil {
			t.Fatal("the connection ended before its client was told: ", err)
		}
		if kind == goAway {
			break
		}
	}
	p.code(t, 0)
}

const (
	settings = 4
	goAway   = 7
)

// preface begins to speak HTTP/2, and waits until the server does.
func preface(t *testing.T, c *client) {
	t.Helper()
	if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	if kind, err := frame(c); err != nil || kind != settings {
		t.Fatalf("the server does not begin with its settings: frame of type %d, %v", kind, err)
	}
}

// frame reads one and says its type.
func frame(c *client) (kind byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, err
	}
	length := binary.BigEndian.Uint32(head[:4]) >> 8
	_, err = io.CopyN(io.Discard, c.r, int64(length))
	return head[3], err
}
