package bridge

import (
	"context"
	"slices"
	"time"
)

// lane is a place where one frame runs at a time: the scope's own, and one for
// each Await in progress, where code below the awaiting frame uses its slot.
// A *lane is the context of the async code on it; see [Scope.Cancel].
type lane struct {
	context.Context // what was there before

	scope *Scope
	above *frame // the frame that awaits; nil for the scope's own lane
	run   uint64 // which run of above
	next  *lane  // other lanes below the same frame

	// Guarded by scope.mu.
	closed bool
	busy   bool // a frame runs here, or is about to
	apart  bool // as above is; never changed
	frame  frame
}

// pending is a call that waits for a lane. Guarded by Scope.mu.
type pending struct {
	lane    *lane
	strays  *frame // set if it came from below a frame that it outlived an Await of
	run     uint64
	ready   chan struct{}
	granted bool
}

type laneKey struct{}

func laneOf(ctx context.Context) *lane {
	if l, ok := ctx.(*lane); ok {
		return l
	}
	l, _ := ctx.Value(laneKey{}).(*lane)
	return l
}

// nearest climbs from l to the nearest place where a frame may run, with s.mu
// held. strays is the live frame that the caller has to wait for if its lane is
// gone while the frame goes on.
func (l *lane) nearest() (at *lane, strays *frame) {
	for l.above != nil {
		fr := l.above
		if !fr.live || fr.run != l.run {
			l = fr.lane
			continue
		}
		if !l.closed {
			return l, nil
		}
		if fr.below != nil { // it awaits again
			return fr.below, nil
		}
		if fr.alone { // nothing to wait on: it blocks no lane
			l = fr.lane
			continue
		}
		return fr.lane, fr
	}
	return l, nil
}

// take waits until l, or what has become of it, is free and makes it busy, with
// s.mu held before and after.
func (s *Scope) take(ctx context.Context, l *lane) (*lane, error) {
	for free := false; ; {
		if s.ending.closed.Load() {
			return nil, ErrScopeClosed
		}
		at, strays := l.nearest()
		if !at.busy {
			at.busy = true
			return at, nil
		}
		if !free { // nobody waits inside a frame
			s.mu.Unlock()
			free = !insideFrame()
			s.mu.Lock()
			if !free {
				return nil, ErrWouldDeadlock
			}
			continue
		}
		p := &pending{lane: at, strays: strays, ready: make(chan struct{})}
		if strays != nil {
			p.run = strays.run
		}
		s.queue = append(s.queue, p)
		s.mu.Unlock()
		var err error
		since := time.Now()
		select {
		case <-p.ready:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		s.waited.Add(int64(time.Since(since)))
		s.mu.Lock()
		switch {
		case err != nil && p.granted:
			s.leaveLane(p.lane)
			return nil, err
		case err != nil:
			if i := slices.Index(s.queue, p); i >= 0 {
				s.queue = slices.Delete(s.queue, i, i+1)
			}
			return nil, err
		case !p.granted: // closed
			return nil, ErrScopeClosed
		}
		if now, _ := p.lane.nearest(); now == p.lane && !s.ending.closed.Load() {
			return now, nil
		}
		s.leaveLane(p.lane) // it died between the grant and now: climb
	}
}

// leaveLane makes a lane free and lets the next waiter have it, with s.mu held.
func (s *Scope) leaveLane(l *lane) {
	l.busy = false
	if len(s.queue) > 0 {
		s.grant(l)
	}
}

// grant gives a free lane to its first waiter, with s.mu held.
func (s *Scope) grant(l *lane) {
	for i, p := range s.queue {
		if p.lane == l {
			s.queue = slices.Delete(s.queue, i, i+1)
			l.busy, p.granted = true, true
			close(p.ready)
			return
		}
	}
}

// place says where a frame on l runs: which limiter it uses, whether it borrows the
// permit that a frame above has given back, and whether it is pinned. Called with
// s.mu held.
func (l *lane) place(o SyncOption) (lim *Limiter, borrowed, pinned bool) {
	want, pinned := o.limiter, o.pinned
	blocking := l.scope.limits.Blocking
	nearest := want == nil && !o.parallel
	for at := l; at.above != nil; at = at.above.lane {
		fr := at.above
		if !fr.live || fr.run != at.run {
			continue
		}
		if nearest { // of no options of its own: as the frame above
			nearest = false
			pinned = pinned || fr.pinned
		}
		if want == nil && pinned && fr.limiter.cpu { // whose code has other threads
			want = blocking
		}
		if want == nil || want == fr.limiter {
			return fr.limiter, true, pinned
		}
	}
	if want == nil {
		want = blocking
	}
	return want, false, pinned
}
