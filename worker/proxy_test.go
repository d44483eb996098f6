package worker_test

import (
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAToldAddressTravels: the client's address comes from a proxy, and goes with
// the connection; so it does when no request has been sent yet.
func TestAToldAddressTravels(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	old := startAmong(t, k, fd, "PROXY=127.0.0.0/8")
	header := func(port int) *client {
		c := dial(t, addr)
		if _, err := fmt.Fprintf(c, "PROXY TCP4 192.0.2.9 192.0.2.2 %d 80\r\n", port); err != nil {
			t.Fatal(err)
		}
		return c
	}
	used, unused := header(1001), header(1002)
	if answer, _ := used.must(t, "/past", ""); answer != old.pid()+" 0 192.0.2.9:1001" {
		t.Errorf("answered %q", answer)
	}
	if err := dial(t, addr).send("POST", "/", "no header"); err != nil {
		t.Fatal(err)
	}
	fresh := startAmong(t, k, fd, "PROXY=127.0.0.0/8")
	old.signal(t, syscall.SIGTERM)
	old.code(t, 0)
	if answer, closing := used.must(t, "/past", ""); closing || answer != fresh.pid()+" 1 192.0.2.9:1001" {
		t.Errorf("answered %q, closing: %v", answer, closing)
	}
	if answer, closing := unused.must(t, "/past", ""); closing || answer != fresh.pid()+" 0 192.0.2.9:1002" {
		t.Errorf("answered %q, closing: %v", answer, closing)
	}
}

// TestASilentProxyHoldsUpNobody: who has not told an address yet is waited for by
// its own goroutine, not by the accept loop that runs the user's hooks.
func TestASilentProxyHoldsUpNobody(t *testing.T) {
	fd, addr := listen(t)
	p := start(t, fd, "PROXY=127.0.0.0/8")
	dial(t, addr) // says nothing
	begin := time.Now()
	c := dial(t, addr)
	if _, err := io.WriteString(c, "PROXY TCP4 192.0.2.9 192.0.2.2 1001 80\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, _ := c.must(t, "/past", ""); answer != p.pid()+" 0 192.0.2.9:1001" {
		t.Errorf("answered %q", answer)
	}
	if took := time.Since(begin); took > 8*time.Second { // it would be ten
		t.Errorf("it took %v", took)
	}
}

// TestProxiesAreExpectedFromNowOn: a new release expects addresses to be told.
// Of a connection that has been used before none will be.
func TestProxiesAreExpectedFromNowOn(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	old := startAmong(t, k, fd)
	c := kept(t, addr, 1)[0]
	fresh := startAmong(t, k, fd, "PROXY=127.0.0.0/8")
	old.signal(t, syscall.SIGTERM)
	old.code(t, 0)
	if answer, closing := c.must(t, "/past", ""); closing || !strings.HasPrefix(answer, fresh.pid()+" 1 127.0.0.1:") {
		t.Errorf("answered %q, closing: %v", answer, closing)
	}
}
