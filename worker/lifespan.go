package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"time"
)

// StopFunc ends what a start function has begun, see [Lifespan]; nil: there is
// nothing to end.
type StopFunc func(ctx context.Context) error

// phase is a function that Run calls before it serves.
type phase struct {
	name  string
	start func(*run, context.Context) (StopFunc, error)
}

// begun is a phase that has started.
type begun struct {
	name string
	stop StopFunc
}

// stopGrace is the least that a stop function has: after a drain that was cut short,
// in a quick stop, and after a start that failed.
const stopGrace = 250 * time.Millisecond

// Lifespan has Run call start before it serves, and the function that start returned
// when it has served: a database is opened and closed, a cache filled, an exporter flushed.
// Views see what start has made because their functions close over it, or because
// [Handler] makes them afterwards. name is what logs and errors call it.
//
// Start functions are called in the order of the options, one after another, when the
// sockets are there and before the worker says that it is ready; together they have
// [BootTimeout]. ctx has the values of Run's. It ends at that bound and when the process
// is asked to go, and is for starting alone: it has ended when Run serves. A function
// that fails or panics is a failure to boot: what had started before it is stopped, and
// Run's error has the function's name and its error. Where the process is asked to go
// meanwhile Run returns nil.
//
// Stop functions, nil where nothing is to be done, are called in reverse order after
// the drain, when no request runs any more; after one that was cut short a handler
// that does not watch its context may. They have what is left of [DrainTimeout], each
// a quarter of a second at least, and that alone in a quick stop; then ctx ends. One
// that fails or panics is logged and joins Run's error, and the others are called all
// the same. A process that is killed calls none of them: nothing may depend on it.
//
// A function that does not return after its ctx has ended is left behind.
func Lifespan(name string, start func(ctx context.Context) (StopFunc, error)) Option {
	return around(name, func(_ *run, ctx context.Context) (StopFunc, error) { return start(ctx) })
}

// Background has work run beside the requests, in every worker: what is done once a
// minute, or listens to a queue. It is begun in its place among the functions of
// [Lifespan], on a goroutine of its own, and ctx, with the values of Run's, ends when
// the worker begins to drain. Run waits for it where the stop function would be called,
// before what was started earlier is stopped.
//
// Work that ends while the worker serves is not begun again. Its error, or panic, is
// logged then, and requests go on: a job that must take its worker along ends the
// context of Run. An error after ctx has ended joins Run's, unless it is
// context.Canceled.
func Background(name string, work func(ctx context.Context) error) Option {
	return around(name, func(r *run, _ context.Context) (StopFunc, error) {
		result := make(chan error, 1)
		ended := r.call(name, func() (StopFunc, error) { return nil, work(r.serving) })
		go func() {
			err := (<-ended).err
			switch {
			case r.serving.Err() == nil && err != nil:
				r.logger.Error("work in the background has failed, and is not begun again", "name", name, "error", err)
				err = nil
			case errors.Is(err, context.Canceled):
				err = nil
			}
			result <- err
		}()
		return func(context.Context) error { return <-result }, nil
	})
}

// Handler has Run serve what load returns: a handler that is made of what functions
// of [Lifespan] have opened. load is called in its place among these, as one of them.
// The handler that Run itself is given is nil then.
func Handler(load func(ctx context.Context) (http.Handler, error)) Option {
	return around("handler", func(r *run, ctx context.Context) (StopFunc, error) {
		if r.handler != nil {
			return nil, errors.New("there is one already: Run takes a handler, or one worker.Handler that makes it")
		}
		h, err := load(ctx)
		if err == nil && h == nil {
			err = errors.New("it made none")
		}
		r.handler = h
		return nil, err
	})
}

// defaultBoot is the BootTimeout where nobody sets another.
const defaultBoot = 30 * time.Second

// BootTimeout bounds what functions of [Lifespan] take to start, all together. Without
// it, and at most, that is a little less than what is left of the supervisor's
// --boot-timeout, so that Run can say which one it waited for before it is killed;
// without a supervisor the default is 30 seconds. d must be more than 0.
func BootTimeout(d time.Duration) Option {
	return func(o *options) { o.bootTimeout = max(time.Nanosecond, d) }
}

// bootWithin makes bound, the supervisor's own (0: none), of which some has
// passed, that of the start too. What is left out is for what had started.
func (o options) bootWithin(bound, passed time.Duration) options {
	if bound > 0 {
		bound = max(time.Nanosecond, bound-min(bound/5, 2*time.Second)-passed)
		if o.bootTimeout == 0 || o.bootTimeout > bound {
			o.bootTimeout = bound
		}
	}
	if o.bootTimeout == 0 {
		o.bootTimeout = defaultBoot
	}
	return o
}

func around(name string, start func(*run, context.Context) (StopFunc, error)) Option {
	return func(o *options) { o.phases = append(o.phases, phase{name, start}) }
}

// outcome is what a function has returned.
type outcome struct {
	stop StopFunc
	err  error
}

var (
	errLeftBehind = errors.New("it does not return though its ctx has ended, and is left behind")
	errGoexit     = errors.New("it has ended its goroutine instead of returning")
)

// call calls f on a goroutine of its own, because nothing else could leave it behind.
func (r *run) call(name string, f func() (StopFunc, error)) <-chan outcome {
	result := make(chan outcome, 1)
	go func() {
		got := outcome{err: errGoexit}
		defer func() {
			if p := recover(); p != nil {
				r.logger.Error("panic", "in", name, "panic", p, "stack", string(debug.Stack()))
				got.err = fmt.Errorf("panic: %v", p)
			}
			result <- got
		}()
		stop, err := f()
		got = outcome{stop, err}
	}()
	return result
}

// within waits for a result: for so long, or for hurried from when hurry is closed.
func within(patience time.Duration, result <-chan outcome, hurry <-chan struct{}, hurried time.Duration) outcome {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case got := <-result:
			return got
		case <-timer.C:
			return outcome{err: errLeftBehind}
		case <-hurry:
			hurry = nil
			timer.Reset(min(patience, hurried))
		}
	}
}

// start calls the start functions. It reports whether all have started; if not,
// what had is stopped. That somebody asked for an end is no error.
func (r *run) start(asked <-chan string) (started bool, err error) {
	ctx, cancel := context.WithTimeout(r.values, r.bootTimeout)
	defer cancel()
	for _, p := range r.phases {
		r.notify("STATUS=starting: " + p.name)
		result := r.call(p.name, func() (StopFunc, error) { return p.start(r, ctx) })
		var got outcome
		reason, until := "", time.Now()
		select {
		case got = <-result:
		case <-ctx.Done():
			got = within(quickGrace, result, nil, 0)
		case reason = <-asked:
			cancel()
			until = time.Now().Add(r.drainTimeout)
			got = within(r.drainTimeout, result, r.quick, quickGrace)
		case <-r.quick:
			cancel()
			reason = r.because
			got = within(quickGrace, result, nil, 0)
		}
		if got.err == nil && got.stop != nil {
			r.begun = append(r.begun, begun{p.name, got.stop})
		}
		switch {
		case reason != "":
			r.logger.Info("stopped before it served", "because", reason, "starting", p.name, "error", got.err)
			return false, r.finish(until)
		case got.err == nil:
			continue
		case ctx.Err() != nil:
			err = fmt.Errorf("worker: start %s: not done within %v, the bound on starting: %w", p.name, r.bootTimeout.Round(time.Millisecond), got.err)
		default:
			err = fmt.Errorf("worker: start %s: %w", p.name, got.err)
		}
		return false, errors.Join(err, r.finish(until))
	}
	return true, nil
}

// finish calls the stop functions, the last first. Their ctx ends at until, or
// after stopGrace.
func (r *run) finish(until time.Time) (err error) {
	r.leave()
	for _, b := range slices.Backward(r.begun) {
		bound := max(time.Until(until), stopGrace)
		ctx, cancel := context.WithTimeout(r.values, bound)
		result := r.call(b.name, func() (StopFunc, error) { return nil, b.stop(ctx) })
		got := within(bound, result, r.quick, stopGrace)
		cancel()
		if errors.Is(got.err, errLeftBehind) {
			got = within(quickGrace, result, nil, 0)
		}
		if got.err != nil {
			r.logger.Error("stop", "name", b.name, "error", got.err)
			err = errors.Join(err, fmt.Errorf("worker: stop %s: %w", b.name, got.err))
		}
	}
	return err
}
