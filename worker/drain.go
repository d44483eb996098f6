package worker

import (
	"context"
	"time"
)

// drain ends the server without losing a request, or with a *DrainError when
// the timeout passes first. The order is the point: http.Server.Shutdown drops
// requests that it has accepted, so it comes last, when there are none.
func (s *server) drain(timeout, linger time.Duration) error {
	ctx, cancel := context.WithTimeout(s.base, timeout)
	defer cancel()
	begun := time.Now()

	// Every answer says "Connection: close" from now on, unless a sibling will go
	// on with its connection; streams end themselves.
	s.mover.until = begun.Add(timeout / 2)
	s.leave(ctx)
	s.draining.Store(true)
	s.begin()

	for _, d := range s.doors {
		if err := d.shut(); err != nil {
			s.logger.Warn("leave the socket", "addr", d.Addr().String(), "error", err)
			_ = d.Close()
		}
	}
	s.loops.Wait() // bounded by the sweep
	s.conns.liftMinHops()
	s.mover.add(s.conns.all()...)

	done := func() bool {
		if s.unrest(begun, linger) != 0 {
			return false // a connection was taken back meanwhile
		}
		if s.unsaid != nil && !s.moving.Load() && !s.siblings.stopping() {
			s.unmoved(s.unsaid)
			s.unsaid = nil
		}
		s.conns.closeAll(silent, idle)
		s.dismissParked()
		inUse, _, _ := s.conns.count() // of a byte that came in the very moment
		return inUse == 0 && s.board.Idle()
	}
	for s.quiet(ctx, begun, linger) && !s.siblings.end(done) {
	}
	if ctx.Err() == nil && s.http.Shutdown(ctx) == nil {
		s.end()
		s.conns.closeAll(hijacked)
		return nil
	}
	if s.base.Err() != nil {
		return nil // a quick stop has taken over
	}
	inUse, _, _ := s.conns.count()
	s.sayGoodbye(min(timeout/20, quickGrace))
	return &DrainError{Requests: s.close(quickGrace), Connections: inUse, After: timeout}
}

// sayGoodbye has clients of HTTP/2 told, by a GOAWAY, which of their requests were taken
// up, before their connections are closed under others: what they have just sent is theirs
// to send again. Only Shutdown can say so. What it drops is cut anyway.
func (s *server) sayGoodbye(within time.Duration) {
	ctx, cancel := context.WithTimeout(s.base, within)
	defer cancel()
	_ = s.http.Shutdown(ctx) // does not end in time: something runs, or the drain had ended
}

// quiet waits until there is no unrest. It is false when ctx ended first.
func (s *server) quiet(ctx context.Context, begun time.Time, linger time.Duration) bool {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		left := s.unrest(begun, linger)
		if left == 0 {
			return ctx.Err() == nil
		}
		timer.Reset(left)
		select {
		case <-s.events:
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
}

// unrest is 0 when nothing is read, handled or answered, what can be handed over
// is, and what is idle has been so for the time of linger; else when to look again.
func (s *server) unrest(begun time.Time, linger time.Duration) time.Duration {
	settled := s.siblings.settled() // first: what it has seen arrive is counted
	inUse, open, movable := s.conns.count()
	switch {
	case inUse > 0 || !s.board.Idle(), movable > 0 && s.moving.Load():
		return noHurry // each that ends or has gone is an event
	case !settled:
		return settleAgain // no event says that a sibling has taken the last one
	case open == 0:
		return 0
	}
	since := begun
	if last := s.lastIdle.get(); last.After(begun) {
		since = last
	}
	return max(0, linger-time.Since(since))
}

// noHurry is for what is an event when it happens.
const noHurry = time.Hour

// settleAgain is how often a worker that has handed connections over looks
// whether they have been received.
const settleAgain = 5 * time.Millisecond

// leave takes this worker from among its siblings, and begins to hand them what
// is idle.
func (s *server) leave(ctx context.Context) {
	if s.siblings == nil {
		return
	}
	s.siblings.me.Leave()
	why := s.siblings.cannotMove()
	switch {
	case why == nil, expected(why):
	case why == errNobody && s.siblings.fleet.Kept():
		s.unsaid = why // it may be the supervisor's death, see inherit
	default:
		s.unmoved(why)
	}
	s.moving.Store(why == nil)
	if s.moving.Load() || s.siblings.fleet.Kept() {
		s.helpers.Go(func() { s.move(ctx) })
	}
	if s.siblings.fleet.Kept() {
		s.helpers.Go(func() { s.inherit(ctx) })
	}
}

// inherit begins to move what is idle when the supervisor turns out to be dead.
// The signal that comes with its death may come before that is seen.
func (s *server) inherit(ctx context.Context) {
	select {
	case <-s.siblings.gone:
	case <-ctx.Done():
		return
	}
	if s.siblings.cannotMove() == nil {
		s.moving.Store(true)
		s.mover.add(s.conns.all()...)
		s.moved()
	}
}

// close ends everything at once and returns how many requests that cut. It
// leaves handlers the time of grace to notice.
func (s *server) close(grace time.Duration) int {
	cut := int(s.board.Brief().InFlight)
	s.draining.Store(true)
	s.end()
	_ = s.http.Close() // says only that a listener was closed before
	for _, d := range s.doors {
		_ = d.Close() // those of TLS are not the http.Server's
	}
	s.conns.closeAll(silent, busy, idle, hijacked)
	s.loops.Wait()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for !s.board.Idle() {
		select {
		case <-s.events:
		case <-timer.C:
			return cut
		}
	}
	return cut
}
