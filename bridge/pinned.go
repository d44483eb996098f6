package bridge

import (
	"context"
	"errors"
)

// Frames on the thread of their scope.
//
// A pinned frame has its lane and its permit before it asks for the thread, and who
// has the thread waits for neither: it runs, or it awaits, and then its thread
// serves what comes. So the thread adds no way to wait in a circle. What it adds is
// that frames on it nest: an Await returns when those have returned that were begun
// on top of it.

// Pinned runs frames on the scope's own OS thread, all of the scope's pinned frames
// on the same one: for cgo and whatever else keeps state per thread. The thread is
// made for the first such frame and ends, with the state, when the scope is closed
// and the last has returned. A frame with no options of its own below a pinned one
// is pinned too.
//
// While a pinned frame awaits, from its own goroutine, its thread runs those below
// it; what is awaited runs on another goroutine. An Await from a goroutine that the
// frame has started leaves the thread to the frame: pinned work below it waits until
// the frame awaits or returns.
//
// The permit is the scope's Blocking one, or that of the frame above; code of a CPU
// limiter has threads of that limiter. So Pinned with [On] is a contradiction, and
// as one thread does one thing at a time so is Pinned with [Parallel]: both panic.
//
// A scope opened below another, over its context, uses that one's thread while both
// are open: the outermost wins.
func Pinned() SyncOption { return SyncOption{pinned: true} }

// threadOf is the scope's thread, made if there is none.
func (s *Scope) threadOf() *thread {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.threadLocked()
}

// threadLocked is the scope's thread, with s.mu held. The scope has a share in it
// until it is closed and its pinned frames have returned.
func (s *Scope) threadLocked() *thread {
	if s.thread != nil {
		select {
		case <-s.thread.over: // by runtime.Goexit
		default:
			return s.thread
		}
	}
	s.thread = nil
	if above := laneOf(s.root.Context); above != nil {
		s.thread = above.scope.lend()
	}
	if s.thread == nil {
		s.thread = newThread()
		s.thread.refs.Store(1)
	}
	return s.thread
}

// lend gives a scope below s a share in the thread of s; nil if s is closed.
func (s *Scope) lend() *thread {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending.closed.Load() {
		return nil
	}
	t := s.threadLocked()
	t.refs.Add(1)
	return t
}

// unpin gives up the scope's share in its thread if it needs it no more, with s.mu
// held. Whose share is the last ends the thread.
func (s *Scope) unpin() {
	if s.thread == nil || s.pins > 0 || !s.ending.closed.Load() {
		return
	}
	if s.thread.refs.Add(-1) == 0 {
		close(s.thread.quit)
	}
	s.thread = nil
}

// runPinned runs f on the thread of the frame's scope. An error says why it did not.
func (fr *frame) runPinned(f func()) error {
	s := fr.lane.scope
	for {
		t := s.threadOf()
		if t.here() {
			return ErrWouldDeadlock
		}
		closed := false
		e, err := t.do(fr.ctx, func() {
			if closed = s.ending.closed.Load(); !closed {
				f()
			}
		})
		switch {
		case errors.Is(err, errThreadOver):
			continue
		case err != nil:
			return err
		case closed:
			return ErrScopeClosed
		}
		e.raise()
		return nil
	}
}

// served runs f on another goroutine while the calling one, which is the thread t,
// serves. It ends as f does.
func served[R any](ctx context.Context, t *thread, f func() (R, error)) (r R, err error) {
	e := newErrand(ctx, func() { r, err = f() })
	go e.run(nil)
	t.serve(e.done)
	e.raise()
	return r, err
}
