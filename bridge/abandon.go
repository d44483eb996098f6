package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// AwaitGrace is how long past the deadline an [Abandonable] frame that awaits at
// that moment is waited for: what it awaits is told by its ctx just then, and most
// such code answers at once.
const AwaitGrace = 100 * time.Millisecond

// Abandonable lets RunSync return when ctx's deadline passes although f runs on,
// which Go cannot stop: with an error that matches [ErrAbandoned] and ctx's cause.
// f runs on a goroutine of its own. It keeps its turn and its permit until it
// returns, and counts as abandoned ([Stats]) for so long; its result is dropped
// then. What it awaits has a ctx that has ended. What f uses must be left to it.
//
// It is the deadline that does this, a cause that matches
// [context.DeadlineExceeded]. Where ctx is cancelled otherwise RunSync waits as
// ever. A frame that awaits when the deadline passes has [AwaitGrace] to return.
//
// A panic goes on in the caller, as a [*PanicError]; that of a frame which has been
// abandoned is logged with its stack, by [slog.Default], and goes no further.
func Abandonable() SyncOption { return SyncOption{abandonable: true} }

// apart runs f on a goroutine of its own, as the frame fr, and waits for it or for
// the deadline. What has not begun when ctx ends, because it waits for a thread,
// does not begin.
func apart[R any](ctx context.Context, fr *frame, given any, f func() (R, error)) (R, error) {
	var (
		r     R
		err   error
		first atomic.Bool // f's beginning, or the end of ctx
	)
	e := &errand{done: make(chan struct{})}
	e.f = func() {
		r, err = on(fr, given, func() (r R, err error) {
			if !first.CompareAndSwap(false, true) {
				return r, context.Cause(ctx)
			}
			return f()
		})
	}
	begun, lim, turn := time.Now(), fr.limiter, fr.run
	fr.setApart()
	go e.run(func() {
		if late := fr.leave(); late && e.caught != nil {
			slog.Error("abandoned sync code panicked", "limiter", lim.name, "ran", time.Since(begun),
				"panic", e.caught.Value, "stack", string(e.caught.Stack))
		}
	})
	select {
	case <-e.done:
	case <-ctx.Done():
		if !first.CompareAndSwap(false, true) && fr.abandon(turn, begun, context.Cause(ctx), e.done) {
			var zero R
			return zero, fmt.Errorf("%w: %w", ErrAbandoned, context.Cause(ctx))
		}
		<-e.done
	}
	e.raise()
	return r, err
}

func (fr *frame) setApart() {
	s := fr.lane.scope
	s.mu.Lock()
	defer s.mu.Unlock()
	fr.apart = true
}

// abandon gives up waiting for a run of fr. It is false if its caller has to wait
// on: because the cause is no deadline, or because the run is over.
func (fr *frame) abandon(run uint64, begun time.Time, cause error, done <-chan struct{}) bool {
	if !errors.Is(cause, context.DeadlineExceeded) {
		return false
	}
	s := fr.lane.scope
	s.mu.Lock()
	defer s.mu.Unlock()
	if fr.live && fr.run == run && (fr.awaits > 0 || fr.told) {
		s.mu.Unlock()
		timer := time.NewTimer(AwaitGrace)
		select {
		case <-done:
		case <-timer.C:
		}
		timer.Stop()
		s.mu.Lock()
	}
	if !fr.live || fr.run != run {
		return false
	}
	fr.abandoned = true
	fr.limiter.abandoned.add(fr, begun)
	return true
}

// abandoned are a limiter's frames that nobody waits for any more.
type abandoned struct {
	total atomic.Uint64

	mu    sync.Mutex
	begun map[*frame]time.Time
	none  chan struct{} // closed when the last of them returns; nil: nobody has asked
}

func (a *abandoned) add(fr *frame, begun time.Time) {
	a.total.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.begun == nil {
		a.begun = make(map[*frame]time.Time)
	}
	a.begun[fr] = begun
}

func (a *abandoned) remove(fr *frame) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.begun, fr)
	if len(a.begun) == 0 && a.none != nil {
		close(a.none)
		a.none = nil
	}
}

// count gives how many there are, and for how long the oldest has run.
func (a *abandoned) count() (n int, oldest time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, begun := range a.begun {
		oldest = max(oldest, time.Since(begun))
	}
	return len(a.begun), oldest
}

// WaitAbandoned returns nil as soon as no frame of l is abandoned, and ctx's cause
// if that ends first: for whoever ends the process and would cut them off.
func (l *Limiter) WaitAbandoned(ctx context.Context) error {
	a := &l.abandoned
	a.mu.Lock()
	if len(a.begun) == 0 {
		a.mu.Unlock()
		return nil
	}
	if a.none == nil {
		a.none = make(chan struct{})
	}
	none := a.none
	a.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
