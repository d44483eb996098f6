package bridge

import (
	"context"
	"fmt"
	"reflect"
)

// SyncOption says how a sync frame runs.
type SyncOption struct {
	limiter     *Limiter
	naming      *naming
	parallel    bool
	pinned      bool
	abandonable bool
}

// On makes frames take their permits from l. Below a frame that has a permit of
// l that one is borrowed; else the frame queues for l like any other. A frame
// with no On uses the limiter of the frame above it, or the scope's Blocking.
func On(l *Limiter) SyncOption { return SyncOption{limiter: l} }

// Parallel lets a frame run beside other frames of the same scope. It takes a
// permit of its own, wherever it is called from. If it awaits it does so with the
// scope of [RunSyncScoped].
func Parallel() SyncOption { return SyncOption{parallel: true} }

func merge(opts []SyncOption) (o SyncOption) {
	for _, x := range opts {
		if x.limiter != nil {
			o.limiter = x.limiter
		}
		if x.naming != nil {
			o.naming = x.naming
		}
		o.parallel = o.parallel || x.parallel
		o.abandonable = o.abandonable || x.abandonable
		o.pinned = o.pinned || x.pinned
	}
	if o.pinned {
		o.mustAgree()
	}
	return o
}

func (o SyncOption) mustAgree() {
	switch {
	case o.limiter != nil:
		panic(fmt.Sprintf("bridge: On(%q) with Pinned: pinned frames take the scope's Blocking permits; leave one of the two out", o.limiter.Name()))
	case o.parallel:
		panic("bridge: Parallel with Pinned: one thread runs one frame at a time; leave one of the two out")
	}
}

// RunSync runs f, which cannot be cancelled, as a sync frame on the calling
// goroutine. It waits for the scope's turn and for a permit; while it waits, the
// end of ctx makes it return the cause. Once f has begun RunSync returns when f
// does, with what f returned, whatever became of ctx; [Abandonable] changes that.
//
// The scope is found in ctx; it is there in whatever a view or Await handed
// down. With a ctx of no scope f takes a permit of [DefaultLimits].
//
// f has no ctx, and must not catch its caller's to run another frame with: that
// one would wait for the turn that f has, and gets [ErrWouldDeadlock], or on another
// goroutine the end of ctx. It calls sync code directly, and async code by [Await].
func RunSync[R any](ctx context.Context, f func() (R, error), opts ...SyncOption) (R, error) {
	var o SyncOption
	if len(opts) > 0 {
		o = merge(opts)
	}
	l := laneOf(ctx)
	if l == nil {
		return scopeless(ctx, func(ctx context.Context) (R, error) { return RunSync(ctx, f, opts...) })
	}
	fr, err := l.enter(ctx, o)
	if err != nil {
		var zero R
		return zero, err
	}
	if o.abandonable {
		return apart(ctx, fr, f, f)
	}
	defer fr.leave()
	if fr.plain {
		return body(f)
	}
	return on(fr, f, f)
}

// RunSyncScoped is [RunSync] for a function that awaits: f is given a scope that
// stands for this very frame, until f returns.
func RunSyncScoped[R any](ctx context.Context, f func(*Scope) (R, error), opts ...SyncOption) (R, error) {
	var o SyncOption
	if len(opts) > 0 {
		o = merge(opts)
	}
	l := laneOf(ctx)
	if l == nil {
		return scopeless(ctx, func(ctx context.Context) (R, error) { return RunSyncScoped(ctx, f, opts...) })
	}
	fr, err := l.enter(ctx, o)
	if err != nil {
		var zero R
		return zero, err
	}
	s := &Scope{of: fr, run: fr.run}
	if o.abandonable {
		return apart(ctx, fr, f, func() (R, error) { return f(s) })
	}
	defer fr.leave()
	return on(fr, f, func() (R, error) { return f(s) })
}

// scopeless runs f in a scope that is there for it alone. What most calls do not
// need is kept out of them: even a defer that is not reached costs.
func scopeless[R any](ctx context.Context, f func(context.Context) (R, error)) (R, error) {
	var s Scope
	defer s.Close()
	return f(s.Open(ctx, Limits{}))
}

// on runs f as the frame fr where that belongs: most where they are called. given
// is the function that the caller gave, which f may be a wrapping of.
func on[R any](fr *frame, given any, f func() (R, error)) (R, error) {
	switch {
	case fr.plain:
		return body(f)
	case fr.pinned, fr.limiter.cpu:
		return onThread(fr, given, f)
	}
	return labelled(fr, given, f)
}

// onThread runs f on a thread of the frame's scope or of its limiter.
func onThread[R any](fr *frame, given any, f func() (R, error)) (r R, err error) {
	place := fr.compute
	if fr.pinned {
		place = fr.runPinned
	}
	if notBegun := place(func() { r, err = labelled(fr, given, f) }); notBegun != nil {
		return r, notBegun
	}
	return r, err
}

// SyncToAsync adapts a sync function of one argument: the result takes a ctx and
// runs f as [RunSync] does. It panics if A is a context: such a function is
// async already and would run inside a permit it does not need.
func SyncToAsync[A, R any](f func(A) (R, error), opts ...SyncOption) func(context.Context, A) (R, error) {
	mustBeSync[A](f == nil)
	o := nameAfter(f, merge(opts))
	return func(ctx context.Context, a A) (R, error) {
		return RunSync(ctx, func() (R, error) { return f(a) }, o)
	}
}

// SyncToAsyncScoped is [SyncToAsync] for a sync function that awaits: it is given
// the scope to do so with, as by [RunSyncScoped].
func SyncToAsyncScoped[A, R any](f func(*Scope, A) (R, error), opts ...SyncOption) func(context.Context, A) (R, error) {
	mustBeSync[A](f == nil)
	o := nameAfter(f, merge(opts))
	return func(ctx context.Context, a A) (R, error) {
		return RunSyncScoped(ctx, func(s *Scope) (R, error) { return f(s, a) }, o)
	}
}

func mustBeSync[A any](isNil bool) {
	if isNil {
		panic("bridge.SyncToAsync: the function is nil")
	}
	if a := reflect.TypeFor[A](); a.Implements(reflect.TypeFor[context.Context]()) {
		panic(fmt.Sprintf("bridge.SyncToAsync: the function takes a %v, so it is async already: call it directly", a))
	}
}
