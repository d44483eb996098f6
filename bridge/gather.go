package bridge

import (
	"context"
	"runtime"
	"sync"
)

// group runs functions at once and joins them: the first error or panic cancels
// the rest with it as the cause.
type group struct {
	at     gathered
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	err    error
	caught *PanicError
	exited bool // by runtime.Goexit
}

func newGroup(ctx context.Context) *group {
	g := new(group)
	g.at.Context, g.cancel = context.WithCancelCause(ctx)
	g.at.group = g
	g.ctx = &g.at
	return g
}

// gathered is the ctx of what a group runs.
type gathered struct {
	context.Context
	group *group
}

type gatherKey struct{}

// Value returns the group for the package's own key.
func (c *gathered) Value(key any) any {
	if _, ok := key.(gatherKey); ok {
		return c.group
	}
	return c.Context.Value(key)
}

// Gathering tells code that runs beside other code from code that does not: it is
// the innermost [Gather2] or other such call that ctx is one of, as a value to
// compare; nil if it is in none. What belongs to one goroutine, as a transaction,
// is not for a ctx whose value differs from that of the ctx it was made with.
func Gathering(ctx context.Context) any {
	if g, ok := ctx.Value(gatherKey{}).(*group); ok {
		return g
	}
	return nil
}

func (g *group) run(f func(context.Context) error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			p := Caught(v)
			g.fail(p, func() { g.caught = p })
			return
		}
		g.fail(context.Canceled, func() { g.exited = true })
	}()
	err := f(g.ctx)
	returned = true
	if err != nil {
		g.fail(err, nil)
	}
}

func (g *group) fail(err error, mark func()) {
	g.mu.Lock()
	if mark != nil && g.caught == nil {
		mark()
	}
	if g.err == nil {
		g.err = err
		g.cancel(err)
	}
	g.mu.Unlock()
}

// start runs f on a goroutine of its own.
func (g *group) start(f func(context.Context) error) {
	g.wg.Go(func() { g.run(f) })
}

// join waits for all, raises a panic of any again, and returns the first error.
func (g *group) join() error {
	g.wg.Wait()
	g.cancel(nil)
	if g.caught != nil {
		panic(g.caught)
	}
	if g.exited {
		runtime.Goexit()
	}
	return g.err
}

// into makes a function of no result that stores f's in *to.
func into[R any](to *R, f func(context.Context) (R, error)) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		*to, err = f(ctx)
		return err
	}
}

// Gather2 runs two functions at once and returns when both have returned. The
// first error is returned; it cancels the other's ctx, with itself as the cause.
// A panic in either is raised again in the caller, as a [*PanicError] that keeps
// its stack. The results of functions that did return are there beside an error.
func Gather2[A, B any](ctx context.Context,
	a func(context.Context) (A, error), b func(context.Context) (B, error),
) (ra A, rb B, err error) {
	g := newGroup(ctx)
	g.start(into(&ra, a))
	g.start(into(&rb, b))
	err = g.join()
	return ra, rb, err
}

// Gather3 is [Gather2] for three functions.
func Gather3[A, B, C any](ctx context.Context,
	a func(context.Context) (A, error), b func(context.Context) (B, error),
	c func(context.Context) (C, error),
) (ra A, rb B, rc C, err error) {
	g := newGroup(ctx)
	g.start(into(&ra, a))
	g.start(into(&rb, b))
	g.start(into(&rc, c))
	err = g.join()
	return ra, rb, rc, err
}

// Gather4 is [Gather2] for four functions.
func Gather4[A, B, C, D any](ctx context.Context,
	a func(context.Context) (A, error), b func(context.Context) (B, error),
	c func(context.Context) (C, error), d func(context.Context) (D, error),
) (ra A, rb B, rc C, rd D, err error) {
	g := newGroup(ctx)
	g.start(into(&ra, a))
	g.start(into(&rb, b))
	g.start(into(&rc, c))
	g.start(into(&rd, d))
	err = g.join()
	return ra, rb, rc, rd, err
}

// Gather5 is [Gather2] for five functions.
func Gather5[A, B, C, D, E any](ctx context.Context,
	a func(context.Context) (A, error), b func(context.Context) (B, error),
	c func(context.Context) (C, error), d func(context.Context) (D, error),
	e func(context.Context) (E, error),
) (ra A, rb B, rc C, rd D, re E, err error) {
	g := newGroup(ctx)
	g.start(into(&ra, a))
	g.start(into(&rb, b))
	g.start(into(&rc, c))
	g.start(into(&rd, d))
	g.start(into(&re, e))
	err = g.join()
	return ra, rb, rc, rd, re, err
}

// GatherAll runs f over every element of in, at most limit at a time (limit < 1:
// all at once), and returns the results in the order of in. Errors and panics
// are as in [Gather2]; elements not begun when one fails are not begun at all.
func GatherAll[T, R any](ctx context.Context, limit int, in []T, f func(context.Context, T) (R, error)) ([]R, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if limit < 1 || limit > len(in) {
		limit = len(in)
	}
	out := make([]R, len(in))
	g := newGroup(ctx)
	if limit == 1 {
		g.ctx = g.at.Context // one after the other is not beside
	}
	work := make(chan int, len(in))
	for i := range in {
		work <- i
	}
	close(work)
	for range limit {
		g.start(func(ctx context.Context) error {
			for i := range work {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				var err error
				if out[i], err = f(ctx, in[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.join()
	return out, err
}
