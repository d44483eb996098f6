package worker_test

import (
	"bufio"
	"crypto/tls"
	"strings"
	"syscall"
	"testing"
)

// TestConnectionsAreSpread counts what four workers hold and how often they had
// to ask for it, also after one of them was replaced. How even it is depends on who is
// let run: a machine without time to spare may have twice the mean in one worker.
// test/load holds the tight bounds.
func TestConnectionsAreSpread(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	var all []*proc
	for range 4 {
		all = append(all, startAmong(t, k, fd))
	}
	const n = 200
	clients := kept(t, addr, n)
	even := func(when string) (calls, accepted uint64) {
		t.Helper()
		var open int64
		for _, w := range k.fleet.Workers() {
			if !w.Serving {
				continue
			}
			open += w.Connections
			calls, accepted = calls+w.AcceptCalls, accepted+w.Accepted
			if w.Connections > n/4*2 {
				t.Errorf("%s: worker %d holds %d of %d connections", when, w.ID, w.Connections, n)
			}
		}
		if open != n {
			t.Errorf("%s: %d connections are held, of %d", when, open, n)
		}
		return calls, accepted
	}
	if calls, accepted := even("at first"); accepted != n || calls > n*15/10 {
		t.Errorf("%d accept calls for %d connections, of which %d were accepted", calls, n, accepted)
	}
	for _, p := range all {
		startAmong(t, k, fd)
		p.signal(t, syscall.SIGTERM)
		p.code(t, 0)
	}
	for _, c := range clients {
		if _, closing := c.must(t, "/", "again"); closing {
			t.Error("an answer said that the connection ends")
		}
	}
	even("after all were replaced")
}

// TestEverySocketsConnectionsMove: a worker with several listening sockets.
func TestEverySocketsConnectionsMove(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	second, secondAddr := listen(t)
	third, path := listenUnix(t)
	k.also = []int{second, third}
	old := startAmong(t, k, fd)
	var clients []*client
	for _, addr := range []string{addr, secondAddr, path} {
		clients = append(clients, kept(t, addr, 5)...)
	}
	fresh := startAmong(t, k, fd)
	old.signal(t, syscall.SIGTERM)
	old.code(t, 0)
	for _, c := range clients {
		if answer, closing := c.must(t, "/past", ""); closing || !strings.HasPrefix(answer, fresh.pid()+" 1 ") {
			t.Errorf("on %s: answered %q, closing: %v", c.RemoteAddr(), answer, closing)
		}
	}
	if open := k.of(t, fresh).Connections; open != int64(len(clients)) {
		t.Errorf("%d connections are counted, of %d", open, len(clients))
	}
}

// TestTLSDoesNotMove: its state is in the process. New connections are spread,
// those that are used are drained, and none is cut.
func TestTLSDoesNotMove(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	old := startAmong(t, k, fd, "TLS=1", "LINGER=10s")
	secure := func() *client {
		plain := dial(t, addr)
		c := tls.Client(plain.Conn, &tls.Config{InsecureSkipVerify: true})
		return &client{c, bufio.NewReader(c)}
	}
	by := func(c *client) (string, bool) {
		answer, closing := c.must(t, "/", "hello")
		return pid(answer), closing
	}
	clients := []*client{secure(), secure(), secure()}
	for _, c := range clients {
		if who, closing := by(c); who != old.pid() || closing {
			t.Errorf("answered by %s, closing: %v", who, closing)
		}
	}
	fresh := startAmong(t, k, fd, "TLS=1")
	old.signal(t, syscall.SIGTERM)
	old.until(t, stopping)
	for _, c := range clients {
		for {
			who, closing := by(c)
			if who != old.pid() {
				t.Errorf("answered by %s", who)
			}
			if closing {
				break
			}
		}
	}
	old.code(t, 0)
	if who, _ := by(secure()); who != fresh.pid() {
		t.Errorf("a new client is answered by %s", who)
	}
	if moved := k.of(t, old).Moved; moved != 0 {
		t.Errorf("%d connections were moved", moved)
	}
}

// TestForeignWorkersBeside: one that knows nothing of siblings accepts from the
// same socket. What the others hold moves to those who can take it.
func TestForeignWorkersBeside(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	first := startAmong(t, k, fd)
	k.next(t) // a slot that nobody serves from, as the supervisor gives to each
	foreign := start(t, fd)
	second := startAmong(t, k, fd)
	clients := kept(t, addr, 30)
	home := map[*client]string{}
	for _, c := range clients {
		answer, _ := c.must(t, "/", "who")
		home[c] = pid(answer)
	}
	first.signal(t, syscall.SIGTERM)
	first.code(t, 0)
	for _, c := range clients {
		want := home[c]
		if want == first.pid() {
			want = second.pid()
		}
		answer, closing := c.must(t, "/", "again")
		if closing || pid(answer) != want {
			t.Errorf("answered %q, closing: %v, want by %s (foreign is %s)", answer, closing, want, foreign.pid())
		}
	}
}
