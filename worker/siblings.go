package worker

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/fleet"
	"github.com/tandem-go/tandem/internal/handover"
)

// siblings is this worker among those of the same supervisor: what they know of
// each other, and the queue through which they give each other connections. A
// worker that stands alone has none, nil, and every method means so.
type siblings struct {
	fleet *fleet.Fleet
	me    *fleet.Member
	queue *handover.Queue
	gone  <-chan struct{} // closed when the supervisor is
	kind  fleet.Kind      // set before serving

	sent     atomic.Bool  // this worker has put a connection into the queue
	alone    moment       // until then nobody wants what is passed on
	arriving atomic.Int64 // connections received, and not yet among the server's

	receive sync.Mutex // held while a connection is taken out of the queue
	closed  bool       // none is taken any more; guarded by receive
}

// openSiblings takes what belongs to it out of the descriptors of a hello.
// Without all of it, and without a slot in the fleet, a worker stands alone.
func openSiblings(logger *slog.Logger, hello channel.Message, fds []int, gone <-chan struct{}) (_ *siblings, rest []int) {
	memory, rest := hello.Take(fds, channel.Fleet)
	in, rest := hello.Take(rest, channel.HandoverIn)
	out, rest := hello.Take(rest, channel.HandoverOut)
	given := []int{memory, in, out}
	if memory < 0 || in < 0 || out < 0 {
		channel.Discard(given)
		return nil, rest
	}
	f, err := fleet.Open(memory)
	if err != nil {
		logger.Warn("standing alone: idle connections will be closed at a drain, not handed over", "error", err)
		channel.Discard(given)
		return nil, rest
	}
	me := f.Member(self.ID)
	queue, err := handover.Open(in, out)
	if err != nil || me == nil {
		logger.Warn("standing alone: idle connections will be closed at a drain, not handed over", "slot", me != nil, "error", err)
		if err == nil {
			_ = queue.Close()
		} else {
			channel.Discard(given[1:])
		}
		_ = f.Close()
		return nil, rest
	}
	return &siblings{fleet: f, me: me, queue: queue, gone: gone}, rest
}

func (s *siblings) close() {
	if s != nil {
		_ = s.queue.Close()
		_ = s.fleet.Close()
	}
}

// join says that this worker takes connections. It is said before READY=1: who
// is replaced by this worker is asked to drain then, and looks for somebody.
func (s *server) join() {
	s.siblings.me.Serve(s.siblings.kind)
	s.helpers.Go(s.receive)
}

// remain goes on saying so until ended is closed.
func (s *server) remain(ended <-chan struct{}) {
	ticker := time.NewTicker(fleet.BeatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.siblings.me.Beat()
			for _, d := range s.doors {
				if d.place != nil {
					d.place.again()
				}
			}
		case <-ended:
			return
		}
	}
}

func (s *siblings) opened() {
	if s != nil {
		s.me.Opened()
	}
}

func (s *siblings) shut() {
	if s != nil {
		s.me.Closed()
	}
}

// over reports that this worker has so much more than its part of the
// connections that the next one is rather a sibling's.
func (s *siblings) over(factor, slack float64) bool {
	if s == nil {
		return false
	}
	own := s.me.Connections()
	peers := s.me.Peers(s.kind)
	return peers.Serving > 0 && float64(own) > peers.Mean(own)*factor+slack
}

// Why idle connections are given to nobody.
var (
	errNobody    = errors.New("no sibling is there to take them")
	errMixed     = errors.New("there are siblings that speak other protocols, with or without TLS: one of them might take them")
	errUntaken   = errors.New("no sibling has taken them, for half of the time that the drain has")
	errStopping  = errors.New("the whole service goes")
	errEncrypted = errors.New("the keys of TLS are in this process")
)

// expected reports that nobody need be told of it.
func expected(why error) bool { return why == errStopping || why == errEncrypted }

// cannotMove is why idle connections can be given to nobody; nil: they can. A sibling
// that has been silent for a while may only wait for its turn on a busy machine:
// what it does not take is taken back.
func (s *siblings) cannotMove() error {
	switch {
	case s.kind == fleet.Encrypted:
		return errEncrypted
	case s.stopping():
		return errStopping
	case s.orphaned():
		return nil
	}
	switch peers := s.me.Peers(s.kind); {
	case peers.Mixed:
		return errMixed
	case peers.Present == 0:
		return errNobody
	}
	return nil
}

// stopping reports that the whole service goes: nobody will be left.
func (s *siblings) stopping() bool {
	return s.fleet.Stopping() || s.unsupervised() && !s.fleet.Kept()
}

// orphaned reports that the supervisor is dead, and that the queue will be the
// next one's. What is left in it waits there for that one's workers.
func (s *siblings) orphaned() bool {
	return s != nil && s.unsupervised() && s.fleet.Kept() && !s.fleet.Stopping()
}

// unsupervised reports that the supervisor is dead.
func (s *siblings) unsupervised() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// settled reports that no connection in the queue is this worker's business: a
// worker that has sent some stays until they have been received, by itself if
// need be, and in the end of the service everyone sees to all. What it has taken
// out of it is among the server's connections then.
func (s *siblings) settled() bool {
	if s == nil {
		return true
	}
	// In this order: what is taken is counted as arriving before it leaves the queue.
	if (s.sent.Load() || s.stopping()) && !s.orphaned() && !s.queue.Empty() {
		return false
	}
	return s.arriving.Load() == 0
}

// end lets nothing be received any more, if done says so at a moment at which
// nothing is.
func (s *siblings) end(done func() bool) bool {
	if s == nil {
		return done()
	}
	s.receive.Lock()
	defer s.receive.Unlock()
	s.closed = done()
	return s.closed
}

const (
	// A worker with more than its part passes on what it has just accepted…
	passFactor, passSlack = 1.125, 1
	// … unless nobody wanted the last one: not for so long.
	passAgain = time.Second
	// passRoom is how long it waits for room in the queue meanwhile. It is a rest
	// for the others, too, when a burst has come to this worker alone.
	passRoom = 2 * time.Millisecond
)

// pass gives a connection on which nothing has been read to a sibling that has
// fewer, and reports whether it did; then the caller's descriptor is closed.
func (s *server) pass(c *conn) bool {
	sib := s.siblings
	if sib == nil || s.draining.Load() || !sib.over(passFactor, passSlack) ||
		time.Now().Before(sib.alone.get()) || sib.me.Peers(sib.kind).Mixed {
		return false
	}
	sib.sent.Store(true)
	err := s.send(c)
	if err == handover.ErrFull {
		sib.queue.Room(passRoom)
		err = s.send(c)
	}
	if err != nil {
		return false
	}
	sib.me.Passed()
	_ = c.Conn.Close()
	return true
}

// send puts a connection into the queue.
func (s *server) send(c *conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	record := c.record()
	if bad := raw.Control(func(fd uintptr) { err = s.siblings.queue.Send(record, int(fd)) }); bad != nil {
		return bad
	}
	return err
}

func (c *conn) record() handover.Record {
	r := handover.Record{Kind: uint32(c.server.siblings.kind), Requests: c.requests.Load(), Idle: c.idleFor()}
	if c.door != nil {
		r.Door = c.door.name()
	}
	if c.remote != nil {
		r.Remote = handover.FormatAddr(c.remote)
	}
	return r
}

// openBackDoors makes the way in for what siblings hand over, for what has a
// handshake behind it and for what was parked, and, where there are siblings, makes this worker one of those
// who are woken alone.
func (s *server) openBackDoors() {
	if s.siblings == nil && s.tls == nil && s.lot == nil {
		return
	}
	kind := fleet.Both
	switch {
	case s.tls != nil:
		kind = fleet.Encrypted
	case s.idleMeansSilent:
		kind = fleet.Plain
	}
	for _, d := range s.doors {
		d.back = newBackDoor(d)
		s.helpers.Go(func() { _ = s.http.Serve(d.back) }) // it ends with the http.Server, which closes its listeners
		if s.siblings == nil {
			continue
		}
		s.siblings.kind = kind
		var err error
		if d.place, err = takePlace(d.socket, s.siblings.me.AcceptCall); err != nil {
			s.logger.Debug("woken for every connection, also for those that a sibling takes", "addr", d.name(), "error", err)
		}
	}
}

// rawClose is for a descriptor that nothing was made of.
func rawClose(fd int) { _ = syscall.Close(fd) }
