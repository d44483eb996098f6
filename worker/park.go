package worker

import (
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// ParkAfter is how long nothing is asked on a connection of HTTP/1 until it is
// parked, five seconds by default: it leaves the http.Server, whose goroutine and
// buffers end, and waits for its client in a poller. A request that comes is served
// as if nothing had been, and so are the timeouts of the http.Server and the drain.
// With d = 0 or less no connection is parked.
//
// ConnState hooks do not see it. ConnContext runs again when a connection comes back.
func ParkAfter(d time.Duration) Option { return func(o *options) { o.parkAfter = d } }

const (
	// defaultParkAfter is long enough that who asks again and again does not pay for
	// it: to leave and to come back costs less than a request.
	defaultParkAfter = 5 * time.Second
	// sweepEvery is how often it is looked for who is to be parked, and for whose
	// time is up. Neither is late by more.
	sweepEvery = time.Second
	// headerGrace is what the header of a first request has at least that begins when
	// the connection was parked.
	headerGrace = time.Second
	// parkAtOnce is how many are woken, to leave net/http, before others have
	// parkRest to do something else.
	parkAtOnce = 64
	parkRest   = time.Millisecond
)

// openParking makes a place for who is idle, and begins to look for them.
func (s *server) openParking() {
	if s.parkAfter <= 0 {
		return
	}
	var err error
	if s.lot, err = openLot(); err != nil {
		s.logger.Warn("idle connections are not parked, and take more memory", "error", err)
		return
	}
	s.helpers.Go(s.sweepIdle)
	s.helpers.Go(s.attend)
	s.helpers.Go(func() {
		<-s.base.Done()
		for _, c := range s.lot.close() {
			if c.state.CompareAndSwap(parked, leaving) {
				_ = c.outer.Close()
			}
		}
	})
}

// sweepIdle parks who has been idle for long and closes who has been for too
// long, until the drain, which sees to all.
func (s *server) sweepIdle() {
	ticker := time.NewTicker(min(sweepEvery, s.parkAfter))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-s.drained.Done():
			return
		case <-s.base.Done():
			return
		}
		now, nudged := time.Now(), 0
		for _, c := range s.conns.all() {
			switch state := c.state.Load(); {
			case state == parked:
				until, bounded := c.until.get()
				if bounded && until.Before(now) && c.state.CompareAndSwap(parked, leaving) {
					s.dismiss(c)
				}
			case c.rests() && now.Sub(c.idleSince()) >= s.parkAfter && c.nudge(toPark):
				if nudged++; nudged%parkAtOnce == 0 && !s.pause(parkRest) {
					return
				}
			}
		}
	}
}

// leave is the moment in which a connection begins to be parked. c.mu is held.
func (c *conn) leave() {
	c.until.take()
	if !c.deadline.IsZero() {
		c.until.set(c.deadline)
	}
	c.deadline = time.Time{} // the sweep sees to it
}

// isParking reports that net/http is being left: it closes what it thinks has
// ended. Whoever else wants it closed is heard, in letGo.
func (c *conn) isParking() bool {
	if c.state.Load() != parking {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() != parking {
		return false
	}
	c.closes++
	return true
}

// letGo parks a connection of which net/http knows nothing any more, if it is not
// one that has really ended.
func (s *server) letGo(c *conn) {
	if c.state.Load() != parking {
		return
	}
	c.mu.Lock()
	wanted := c.closes == 1 // net/http's own
	c.closes = 0
	c.away.Store(true)
	c.state.Store(parked)
	c.mu.Unlock()
	if wanted {
		s.wait(c)
	} else if c.state.CompareAndSwap(parked, leaving) {
		_ = c.outer.Close()
	}
	if s.draining.Load() {
		if s.moving.Load() {
			s.mover.add(c)
		}
		s.moved()
	}
}

// wait puts a connection into the lot. Where that fails it waits in net/http.
func (s *server) wait(c *conn) {
	if s.lot.add(c) || !c.state.CompareAndSwap(parked, silent) {
		return
	}
	if c.requests.Load() > 0 {
		c.keep = s.idleTimeout(c.idleFor())
	}
	s.comeBack(c)
}

// attend serves who sends something, and closes who has gone.
func (s *server) attend() {
	events := make([]unix.EpollEvent, parkAtOnce)
	for {
		n, err := s.lot.wait(events)
		if err != nil {
			if s.base.Err() == nil {
				s.logger.Error("idle connections are not heard any more, and are closed when their time is up", "error", err)
			}
			return
		}
		for _, e := range events[:n] {
			switch c := s.lot.at(e); {
			case c == nil:
			case e.Events&gone != 0:
				if c.state.CompareAndSwap(parked, leaving) {
					s.dismiss(c)
				}
			case c.state.CompareAndSwap(parked, busy):
				s.comeBack(c)
			}
		}
	}
}

// dismiss ends a connection that was parked and is leaving, unless its client has
// sent something before.
func (s *server) dismiss(c *conn) {
	if !c.unread() {
		s.lot.remove(c)
		if c.encrypted {
			s.helpers.Go(func() { _ = c.outer.Close() }) // TLS says goodbye, for up to five seconds
		} else {
			_ = c.outer.Close()
		}
		return
	}
	c.state.Store(busy)
	s.comeBack(c)
}

// dismissParked does so with all.
func (s *server) dismissParked() {
	for _, c := range s.conns.all() {
		if c.state.CompareAndSwap(parked, leaving) {
			s.dismiss(c)
		}
	}
}

// comeBack gives a connection that was parked to the http.Server again.
func (s *server) comeBack(c *conn) {
	s.lot.remove(c)
	if c.requests.Load() > 0 {
		c.until.take()
	} else if until, bounded := c.until.get(); bounded {
		// It has begun in time, and would be refused if its header were not here at once.
		if least := time.Now().Add(headerGrace); until.Before(least) {
			c.until.set(least)
		}
	}
	_ = s.deliver(c, c.name())
}

// name is what the http.Server calls it, of HTTP/1.
func (c *conn) name() net.Conn {
	if c.secure != nil {
		return c.secure
	}
	return c
}

// adoptParked is for a connection of a sibling that nobody need serve yet.
func (s *server) adoptParked(c *conn) {
	c.state.Store(parked)
	if bound := s.idleTimeout(c.idleFor()); bound < forEver {
		c.until.set(c.idleSince().Add(bound))
	}
	s.http.ConnState(c, http.StateNew)
	c.away.Store(true)
	s.wait(c)
}

// moveParked hands a parked connection to a sibling, without waking anybody.
func (s *server) moveParked(c *conn) {
	if !c.canMove() || !c.state.CompareAndSwap(parked, moving) {
		return
	}
	s.lot.remove(c)
	if s.give(c) {
		c.state.Store(leaving)
		_ = c.outer.Close()
		return
	}
	c.state.Store(parked)
	s.moved()
	s.wait(c)
	if s.moving.Load() {
		s.mover.add(c)
	}
}

// hidden reports whether a hook is not told: who parks is open, and who comes back
// is not new.
func hidden(hooked net.Conn, state http.ConnState) bool {
	c := connOf(hooked)
	if c == nil {
		return false
	}
	switch state {
	case http.StateClosed:
		return c.state.Load() == parking
	case http.StateNew:
		return c.away.CompareAndSwap(true, false)
	}
	return false
}

// endedAway tells the hook what net/http cannot: that a parked one has ended.
func (c *conn) endedAway() {
	if c.away.CompareAndSwap(true, false) && c.server.hook != nil {
		c.server.hook(c.name(), http.StateClosed)
	}
}
