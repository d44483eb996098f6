package bridge

import (
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
)

// thread is a goroutine locked to an OS thread, which ends with it: whatever state
// code has left on the thread is nobody's afterwards.
//
// It runs one errand at a time. They nest as calls do: an errand that waits for a
// function elsewhere has its thread serve others meanwhile, on top of it.
type thread struct {
	work chan *errand
	quit chan struct{} // closed: let go
	over chan struct{} // closed: its goroutine has ended
	tid  atomic.Int64
	refs atomic.Int32 // scopes that pin frames to it

	labels context.Context // of what runs on it; the thread's own goroutine uses it
}

// errThreadOver is the answer of a thread that runtime.Goexit has ended.
var errThreadOver = errors.New("the thread has ended")

func newThread() *thread {
	t := &thread{
		work: make(chan *errand), quit: make(chan struct{}), over: make(chan struct{}),
		labels: context.Background(),
	}
	go t.loop()
	return t
}

func (t *thread) loop() {
	defer close(t.over)
	runtime.LockOSThread() // for good
	t.tid.Store(int64(syscall.Gettid()))
	t.label(t.labels) // not those of whoever needed the thread first
	t.serve(t.quit)
}

// serve runs one errand after the other until there is nothing to wait for.
func (t *thread) serve(until <-chan struct{}) {
	for {
		select {
		case e := <-t.work:
			before := t.label(e.ctx)
			e.run(nil)
			t.label(before)
		case <-until:
			return
		}
	}
}

// here says whether the caller runs on the thread.
func (t *thread) here() bool { return t.tid.Load() == int64(syscall.Gettid()) }

// do runs f on the thread, with the profiler labels of ctx, and waits until it has
// ended; raise passes on how. An error says why f was not begun.
func (t *thread) do(ctx context.Context, f func()) (*errand, error) {
	e := newErrand(ctx, f)
	select {
	case t.work <- e:
	default:
		select {
		case t.work <- e:
		case <-t.over:
			return nil, errThreadOver
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	<-e.done
	return e, nil
}

// label gives the thread the profiler labels of ctx and returns what had them before.
func (t *thread) label(ctx context.Context) (before context.Context) {
	before, t.labels = t.labels, ctx
	pprof.SetGoroutineLabels(ctx)
	return before
}

// errand is one function to run on another goroutine. Its outcome is there after
// done.
type errand struct {
	ctx    context.Context // whose profiler labels it has on a thread
	f      func()
	done   chan struct{}
	caught *PanicError
	exited bool // by runtime.Goexit
}

func newErrand(ctx context.Context, f func()) *errand {
	return &errand{ctx: ctx, f: f, done: make(chan struct{})}
}

// run runs f, and after, if any, before whoever waits is told.
func (e *errand) run(after func()) {
	returned := false
	defer func() {
		if !returned {
			if v := recover(); v != nil {
				e.caught, returned = Caught(v), true
			}
		}
		e.exited = !returned
		if after != nil {
			after()
		}
		close(e.done)
	}()
	e.f()
	returned = true
}

// raise ends the calling goroutine as the errand was ended: a panic goes on, with
// its stack, and so does runtime.Goexit.
func (e *errand) raise() {
	switch {
	case e.caught != nil:
		panic(e.caught)
	case e.exited:
		runtime.Goexit()
	}
}

// threads are the threads of one CPU limiter. There are as many as frames at a
// time; the one used last is used first.
type threads struct {
	mu   sync.Mutex
	idle []*thread
}

// do runs f on one of the threads and ends as it did. An error says why f was not
// begun. runtime.Goexit ends the thread.
func (ts *threads) do(ctx context.Context, f func()) error {
	t := ts.take()
	e, err := t.do(ctx, f)
	if err != nil || !e.exited {
		ts.mu.Lock()
		ts.idle = append(ts.idle, t)
		ts.mu.Unlock()
	}
	if err != nil {
		return err
	}
	e.raise()
	return nil
}

func (ts *threads) take() *thread {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	n := len(ts.idle)
	if n == 0 {
		return newThread()
	}
	t := ts.idle[n-1]
	ts.idle = ts.idle[:n-1]
	return t
}

// rest ends all threads that have nothing to do.
func (ts *threads) rest() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.idle {
		close(t.quit)
	}
	ts.idle = nil
}
