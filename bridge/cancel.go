package bridge

import (
	"context"
	"sync/atomic"
)

// A scope's context can be ended by the scope itself. Most requests never ask
// when it ends, and for those it is the context the scope was opened over, looked
// through. Who asks for the channel, which deriving a context does, gets that of a
// context derived then: once, and from then on it speaks for the scope in all.

// ending is how a scope's context ends.
type ending struct {
	closed  atomic.Bool // written with Scope.mu held
	derived atomic.Pointer[derived]
}

// derived is a context of the standard library, so that deriving further ones
// from the lane takes no goroutine: it is found by its own key.
type derived struct {
	context.Context
	cancel context.CancelCauseFunc
}

// Cancel ends the context that async code of the scope has, and what was derived
// from it: its Err is [context.Canceled], and [context.Cause] gives cause, unless
// it has ended before. Work that waits for its turn or for a permit is dropped
// with that cause. Frames that run are left to return; what they await is told.
// The scope itself stays open: Close ends it, and ends the context too if nobody
// did. On a scope handed out for one frame it acts for the scope that this is of.
func (s *Scope) Cancel(cause error) { s.base().derive().cancel(cause) }

// derive makes the scope's context one of its own, if it is not yet.
func (s *Scope) derive() *derived {
	if d := s.ending.derived.Load(); d != nil {
		return d
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.ending.derived.Load()
	if d == nil {
		d = new(derived)
		d.Context, d.cancel = context.WithCancelCause(s.root.Context)
		if s.ending.closed.Load() {
			d.cancel(ErrScopeClosed)
		}
		s.ending.derived.Store(d)
	}
	return d
}

// Done is closed when the context ends.
func (l *lane) Done() <-chan struct{} {
	if l.above != nil {
		return l.Context.Done()
	}
	return l.scope.derive().Done()
}

// Err says why the context has ended; nil if it has not.
func (l *lane) Err() error {
	if l.above != nil {
		return l.Context.Err()
	}
	e := &l.scope.ending
	if d := e.derived.Load(); d != nil {
		return d.Err()
	}
	if l.Context.Err() == nil && !e.closed.Load() {
		return nil
	}
	return l.scope.derive().Err() // the one that keeps its answer, whoever ends it next
}

// Value returns the lane itself for the package's own key, and what belongs to
// the derived context for the standard library's.
func (l *lane) Value(key any) any {
	if _, ok := key.(laneKey); ok {
		return l
	}
	if l.above == nil {
		if d := l.scope.ending.derived.Load(); d != nil {
			return d.Value(key)
		}
	}
	return l.Context.Value(key)
}
