package bridge

import (
	"context"
	"runtime/pprof"

	"github.com/tandem-go/tandem/internal/oncpu"
)

// Await runs f, which can be cancelled, from sync code and waits for it. The
// permit of the calling frame is given back meanwhile and taken again, without
// queueing, when f returns. f runs on the calling goroutine; its ctx is the one
// the frame was called with, so values, deadline and cancellation come from the
// frame's caller. Frames below f use the calling frame's slot.
//
// It returns [ErrNotSync] if no sync frame of the scope is live and the scope is
// not one of [NewRoot], and [ErrScopeClosed] if the scope has ended.
//
// Go cannot tell which frame a goroutine belongs to. The request's own scope acts
// for its latest frame that does not await, which is the caller as long as the
// sync code below one request is a single chain of calls. Frames beside each other,
// which are those of [Parallel] and those below goroutines that a sync frame
// started itself, use the scope that [RunSyncScoped] hands to each: it acts for
// that frame and no other. A parallel frame is never meant by the request's scope,
// nor one that was abandoned while there is another.
func Await[R any](s Scoped, f func(context.Context) (R, error)) (R, error) {
	l, from, err := s.Scope().suspend()
	if err != nil {
		var zero R
		return zero, err
	}
	defer l.resume()
	if l.above == nil { // a job's own code has no permit to give back
		return f(l)
	}
	return lent(from, l, f)
}

// lent runs f while the permit of the frame that awaits it is given back. It is
// found on the stack by its name, as body is.
func lent[R any](from origin, l *lane, f func(context.Context) (R, error)) (R, error) {
	if from != (origin{}) {
		return awaitFrom(from, l, f)
	}
	return f(l)
}

// origin is what there is about a frame that awaits if it is pinned, named or
// measured.
type origin struct {
	thread *thread
	labels *labels
	sample *oncpu.Frame
}

// awaitFrom keeps the frame's thread serving meanwhile, and its labels off what is
// awaited.
func awaitFrom[R any](from origin, l *lane, f func(context.Context) (R, error)) (R, error) {
	if from.sample != nil {
		return measuredAwait(from, l, f)
	}
	if from.labels != nil {
		pprof.SetGoroutineLabels(l.Context)
		defer pprof.SetGoroutineLabels(from.labels.merged)
	}
	if from.thread == nil || !from.thread.here() {
		return f(l)
	}
	return served(l, from.thread, func() (R, error) { return f(l) })
}

// AsyncToSync adapts an async function of one argument for the sync code that
// holds s; calling the result is [Await].
func AsyncToSync[A, R any](s Scoped, f func(context.Context, A) (R, error)) func(A) (R, error) {
	return func(a A) (R, error) {
		return Await(s, func(ctx context.Context) (R, error) { return f(ctx, a) })
	}
}

// awaiting chooses the frame that an Await on s acts for, and its context, with
// the lock held. Nil and no error: a job's own sync code.
func (s *Scope) awaiting() (*frame, context.Context, error) {
	if s.of != nil {
		if s.of.live && s.of.run == s.run {
			return s.of, s.of.ctx, nil
		}
		return nil, nil, ErrNotSync
	}
	var found *frame
	for fr := s.last; fr != nil; fr = fr.next {
		if fr.awaits > 0 || fr.abandoned {
			continue
		}
		if found != nil { // it may be another's: no deadline but the scope's
			return found, &s.root, nil
		}
		found = fr
	}
	switch {
	case found != nil:
		return found, found.ctx, nil
	case s.last != nil: // another goroutine of the frame awaits too
		return s.last, s.last.ctx, nil
	case s.job:
		return nil, nil, nil
	}
	return nil, nil, ErrNotSync
}

// suspend gives the calling frame's permit back and opens a lane below it.
func (s *Scope) suspend() (l *lane, from origin, err error) {
	own := s
	s = s.base()
	s.mu.Lock()
	if s.ending.closed.Load() {
		s.mu.Unlock()
		return nil, from, ErrScopeClosed
	}
	fr, ctx, err := own.awaiting()
	if fr == nil {
		if err == nil {
			s.awaits++
		}
		s.mu.Unlock()
		return &s.root, from, err
	}
	from.labels, from.sample = fr.labels, fr.sample
	if fr.pinned {
		from.thread = s.thread
	}
	l = &lane{Context: ctx, scope: s, above: fr, run: fr.run, next: fr.below, apart: fr.apart}
	l.frame.lane = l
	fr.below = l
	fr.awaits++
	var lim *Limiter
	if fr.awaits == 1 {
		lim = fr.limiter
	}
	for _, p := range s.queue { // who outlived an earlier Await of the frame
		if p.strays == fr && p.run == fr.run {
			p.lane, p.strays = l, nil
		}
	}
	if len(s.queue) > 0 {
		s.grant(l)
	}
	s.mu.Unlock()
	if lim != nil {
		lim.release()
	}
	return l, from, nil
}

// resume closes the lane and takes the frame's permit again. Who waits for the
// lane behind a frame that still runs there climbs when that ends.
func (l *lane) resume() {
	s := l.scope
	told := l.apart && l.Context.Err() != nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.above == nil { // a job's own lane stays
		s.awaits--
		return
	}
	l.closed = true
	fr := l.above
	if fr.live && fr.run == l.run {
		for at := &fr.below; *at != nil; at = &(*at).next {
			if *at == l {
				*at = l.next
				break
			}
		}
		fr.told = fr.told || told
		fr.awaits--
		if fr.awaits == 0 {
			fr.limiter.resume()
		}
	}
}
