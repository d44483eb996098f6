package worker

import (
	"net"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/fleet"
	"github.com/tandem-go/tandem/internal/handover"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// header is what decide needs of net/http's writer.
type header struct {
	commonWriter
	h http.Header
}

func (h header) Header() http.Header { return h.h }

// amongSiblings is a server that drains and has a sibling, which takes nothing by itself.
func amongSiblings(t *testing.T) *server {
	t.Helper()
	f, err := fleet.Create()
	if err != nil {
		t.Fatal(err)
	}
	in, out, err := handover.Pair()
	if err != nil {
		t.Fatal(err)
	}
	queue, err := handover.Open(in, out)
	if err != nil {
		t.Fatal(err)
	}
	for id := range uint64(2) {
		if !f.Claim(id+1, nil) {
			t.Fatal("no slot")
		}
		f.Member(id + 1).Serve(fleet.Both)
	}
	sib := &siblings{fleet: f, me: f.Member(1), queue: queue, gone: make(chan struct{}), kind: fleet.Both}
	t.Cleanup(sib.close)
	o := settings(nil)
	if o.guards, err = o.limits.guards(); err != nil {
		t.Fatal(err)
	}
	s := newServer(t.Context(), http.NotFoundHandler(), o, scoreboard.Local(), sib, nil)
	t.Cleanup(s.end)
	s.mover.until = time.Now().Add(time.Hour)
	s.draining.Store(true)
	s.moving.Store(true)
	return s
}

// idler is a connection of the server on which HTTP/1 was spoken, and which is idle.
func idler(s *server, inner net.Conn) *conn {
	c := s.admit(inner, nil)
	c.outer = c
	c.spoke1.Store(true)
	c.state.Store(idle)
	s.opened(c)
	return c
}

// overTCP is the worker's end of a connection.
func overTCP(t *testing.T) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return accepted
}

// TestOneThatCannotMove is drained here: told so, and not waited for. The others move.
func TestOneThatCannotMove(t *testing.T) {
	s := amongSiblings(t)
	inner, client := net.Pipe() // has no descriptor
	defer client.Close()
	bad := idler(s, inner)
	good := idler(s, overTCP(t))
	defer good.Close()

	told := func(c *conn) bool {
		a := answer{commonWriter: header{h: http.Header{}}, server: s, conn: c}
		a.decide()
		return a.Header().Get("Connection") == "close"
	}
	if _, _, movable := s.conns.count(); movable != 2 || told(bad) || told(good) {
		t.Fatalf("%d can move, %v and %v are told that their connections end", movable, told(bad), told(good))
	}
	if s.give(bad) || !told(bad) || told(good) {
		t.Errorf("after the one: it is told to go: %v, the other: %v", told(bad), told(good))
	}
	if !s.give(good) {
		t.Error("the other one was not handed over")
	}
	good.state.Store(leaving)
	if record, fd, err := s.siblings.queue.Receive(); err != nil || record.Kind != uint32(fleet.Both) {
		t.Errorf("received %+v: %v", record, err)
	} else {
		rawClose(fd)
	}
	const linger = time.Minute
	if left := s.unrest(time.Now().Add(-time.Hour), linger); left <= 0 || left > linger {
		t.Errorf("the drain waits for %v for the one that stays, which lingers for %v", left, linger)
	}
	if bad.nudge(toMove) {
		t.Error("it is nudged again")
	}
}

// TestABrokenQueueMovesNobody: they are all drained here.
func TestABrokenQueueMovesNobody(t *testing.T) {
	s := amongSiblings(t)
	c := idler(s, overTCP(t))
	defer c.Close()
	if err := s.siblings.queue.Close(); err != nil {
		t.Fatal(err)
	}
	if s.give(c) || s.moving.Load() {
		t.Errorf("still moving: %v", s.moving.Load())
	}
}

// TestWhatFindsNoRoomIsTriedAgain once it is at rest again, and not before: it would not
// hear the nudge, and be forgotten, and the drain would wait for it to its bound.
func TestWhatFindsNoRoomIsTriedAgain(t *testing.T) {
	s := amongSiblings(t)
	c := idler(s, overTCP(t))
	defer c.Close()
	for s.send(c) == nil {
	}
	s.mover.slots <- struct{}{}
	if !c.nudge(toMove) {
		t.Fatal("it cannot be nudged")
	}
	ended := make(chan error)
	go func() { ended <- c.ended(os.ErrDeadlineExceeded, true) }() // waits for room
	turns := func(to int32) {
		for bound := time.Now().Add(30 * time.Second); c.state.Load() != to; runtime.Gosched() {
			if time.Now().After(bound) {
				t.Fatalf("it is in state %d and not in %d", c.state.Load(), to)
			}
		}
	}
	turns(moving)
	c.mu.Lock() // so that it comes no further than that
	turns(idle)
	if got := s.mover.next(); got != nil {
		t.Error("it is listed while it hears no nudge")
	}
	c.mu.Unlock()
	if err := <-ended; err != nil {
		t.Errorf("it was handed over to a queue that is full: %v", err)
	}
	if got := s.mover.next(); got != c {
		t.Error("it is not tried again")
	}
}
