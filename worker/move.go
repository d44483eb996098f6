package worker

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/handover"
)

const (
	// moveAtOnce is how many connections are being handed over at a time. The
	// others go on being served here meanwhile.
	moveAtOnce = 8
	// moveRoom is how long one of them waits for room in the queue; what its
	// client sends meanwhile waits with it.
	moveRoom = 100 * time.Millisecond
	// moveAgain is how long what nobody has taken is served here before it is
	// tried again.
	moveAgain = time.Second
)

// vacant is net/http's buffer when it is empty. A read into less finds part of
// a request there, unless it is the first one of the connection.
var vacant = bufio.NewReader(nil).Size()

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// mover hands idle connections over, while the worker drains.
type mover struct {
	mu      sync.Mutex
	waiting []*conn
	more    chan struct{} // one waiting: there is one more
	slots   chan struct{} // one for each connection that has been nudged

	until time.Time // from then on, what nobody takes stays here. Set before the drain begins
	rest  moment    // until then nothing is nudged
}

func newMover() mover {
	return mover{more: make(chan struct{}, 1), slots: make(chan struct{}, moveAtOnce)}
}

func (m *mover) add(conns ...*conn) {
	m.mu.Lock()
	m.waiting = append(m.waiting, conns...)
	m.mu.Unlock()
	select {
	case m.more <- struct{}{}:
	default:
	}
}

func (m *mover) next() *conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) == 0 {
		return nil
	}
	c := m.waiting[0]
	m.waiting = m.waiting[1:]
	return c
}

// move nudges every connection that is or becomes idle, until ctx ends.
func (s *server) move(ctx context.Context) {
	for {
		if rest := time.Until(s.mover.rest.get()); rest > 0 {
			select {
			case <-time.After(rest):
				s.mover.add(s.conns.all()...)
			case <-ctx.Done():
				return
			}
			continue
		}
		c := s.mover.next()
		if c == nil {
			select {
			case <-s.mover.more:
			case <-ctx.Done():
				return
			}
			continue
		}
		if c.state.Load() == parked {
			s.moveParked(c)
			continue
		}
		select {
		case s.mover.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if !c.nudge(toMove) {
			<-s.mover.slots
		}
	}
}

// takenBack is for a connection that no sibling has taken. They may be short of
// time, like the whole machine: it is served here and tried again, for half of the
// time that the drain has, because an idle connection that has to be closed may cost
// its client a request.
func (s *server) takenBack() {
	if time.Now().After(s.mover.until) {
		s.stay(errUntaken)
		return
	}
	s.mover.rest.set(time.Now().Add(moveAgain))
	s.mover.add() // wakes it: it sees to all of them afterwards
}

// stay ends the moving: what is here is drained here.
func (s *server) stay(why error) {
	if s.moving.Swap(false) {
		if !expected(why) {
			s.unmoved(why)
		}
		// Clients were told that they may go on: their time begins now.
		s.lastIdle.set(time.Now())
		s.moved()
	}
}

// keep is for a connection that cannot be handed over for a reason of its own: it alone
// is drained here.
func (s *server) keep(c *conn, why error) {
	c.stays.Store(true)
	s.lastIdle.set(time.Now())          // as in stay
	if !errors.Is(why, net.ErrClosed) { // else it has ended by itself
		s.said.kept.say(s.logger, slog.LevelWarn, "a connection was not handed over, and is closed when it is idle", "error", why)
	}
}

// unmoved says that a drain closes idle connections, which may cost their clients a request.
func (s *server) unmoved(why error) {
	if s.conns.len() == 0 {
		return
	}
	s.logger.Warn("idle connections are closed, not handed over", "error", why, "connections", s.conns.len())
}

// Why a connection is woken.
const (
	notNudged int32 = iota
	toMove          // to be handed over. The one who answers gives the slot back
	toPark
)

// nudge wakes the read of a connection on which nothing is going on, so that it
// leaves net/http.
func (c *conn) nudge(why int32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.rests() || why == toMove && !c.canMove() || c.nudged.Load() != notNudged || c.closed.Load() {
		return false
	}
	c.nudged.Store(why)
	if !c.rests() {
		// What has come in this very moment was read by who may not have seen it.
		c.nudged.Store(notNudged)
		return false
	}
	_ = c.Conn.SetReadDeadline(past)
	return true
}

// settle ends a nudge, if there is one.
func (c *conn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	why := c.nudged.Swap(notNudged)
	if why == notNudged {
		return
	}
	_ = c.Conn.SetReadDeadline(c.deadline)
	if why == toMove {
		<-c.server.mover.slots
	}
}

// ended is what a read says that was woken: to go on reading, or, with io.EOF,
// that the connection is somebody else's now. The read has consumed nothing, or
// it would not have been woken.
func (c *conn) ended(err error, vacant bool) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.mu.Lock()
	why, was := c.nudged.Load(), c.state.Load()
	free := why != notNudged && (was == silent || was == idle)
	switch {
	case free && (!vacant && was != silent || !c.guard.AtRest()):
		// A byte of the next request was read: it is begun, and served here.
		c.state.CompareAndSwap(was, busy)
		free = false
	case free && why == toPark:
		free = !c.server.draining.Load() && c.state.CompareAndSwap(was, parking)
		if free {
			c.leave()
		}
	case free:
		free = c.state.CompareAndSwap(was, moving)
	}
	c.mu.Unlock()
	switch {
	case why == notNudged:
		return err
	case free && why == toPark:
		c.settle()
		return io.EOF
	case free && c.server.give(c):
		c.state.Store(leaving)
		c.settle()
		return io.EOF
	case free:
		c.state.CompareAndSwap(moving, was)
		c.server.moved() // the drain may have looked in between, and waits for an event
	}
	c.settle()
	if c.server.moving.Load() {
		// Only now: a nudge before would not have been heard. Either what it was to be
		// handed over to had no room, and it is served here and tried again, or it was to be
		// parked when the drain began.
		c.server.mover.add(c)
	}
	return nil
}

// give hands an idle connection to a sibling, and reports whether it is gone. If not, and
// there is still somebody to take it, the caller lists it again when it is at rest.
func (s *server) give(c *conn) bool {
	for tries := 0; s.moving.Load(); tries++ {
		if why := s.siblings.cannotMove(); why != nil {
			s.stay(why)
			return false
		}
		s.siblings.sent.Store(true)
		switch err := s.send(c); {
		case err == nil:
			s.siblings.me.Moved()
			return true
		case errors.Is(err, handover.ErrBroken):
			s.stay(err)
			return false
		case !errors.Is(err, handover.ErrFull):
			s.keep(c, err)
			return false
		case tries > 0 && time.Now().After(s.mover.until):
			s.stay(err)
			return false
		case tries > 0:
			return false // its client has waited long enough: it is served here, and tried again
		}
		s.siblings.queue.Room(moveRoom)
	}
	return false
}
