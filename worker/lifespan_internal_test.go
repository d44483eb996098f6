package worker

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// starting is a Run up to where it serves, by a clock of its own.
func starting(opts ...Option) *run {
	o := settings(append(opts, Logger(slog.New(slog.DiscardHandler)))).within(0).bootWithin(0, 0)
	r := &run{options: o, env: &environment{}, quick: make(chan struct{}), values: context.Background()}
	r.serving, r.leave = context.WithCancel(r.values)
	return r
}

// outlive waits for those that are left behind: no goroutine may outlive its bubble.
func outlive() { time.Sleep(2 * time.Hour) }

// deaf does not listen to its ctx, and takes so long to start and to stop.
func deaf(name string, start, stop time.Duration) Option {
	return Lifespan(name, func(context.Context) (StopFunc, error) {
		time.Sleep(start)
		return func(context.Context) error {
			time.Sleep(stop)
			return nil
		}, nil
	})
}

func TestAStartHasABound(t *testing.T) {
	waiting := Lifespan("lock", func(ctx context.Context) (StopFunc, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	for name, c := range map[string]struct {
		second Option
		after  time.Duration
		want   string
	}{
		"one that listens": {waiting, 3 * time.Second, "worker: start lock: not done within 3s, the bound on starting: context deadline exceeded"},
		"one that does not": {
			deaf("lock", time.Minute, 0), 3*time.Second + quickGrace,
			"worker: start lock: not done within 3s, the bound on starting: it does not return though its ctx has ended, and is left behind",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, stopped := time.Now(), false
				r := starting(BootTimeout(3*time.Second), Lifespan("one", func(context.Context) (StopFunc, error) {
					time.Sleep(time.Second) // of the three
					return func(ctx context.Context) error {
						stopped = true
						return ctx.Err() // has a time of its own
					}, nil
				}), c.second)
				started, err := r.start(nil)
				if started || err == nil || err.Error() != c.want || !stopped {
					t.Errorf("started %v, stopped %v, %v; want %s", started, stopped, err, c.want)
				}
				if took := time.Since(begun); took != c.after {
					t.Errorf("it took %v, want %v", took, c.after)
				}
				outlive()
			})
		})
	}
}

// One that is asked to go may take as long as a drain for that, and at a second
// signal no time.
func TestAStartThatIsNotWantedIsWaitedForAsADrainIs(t *testing.T) {
	for name, c := range map[string]struct {
		needs time.Duration
		quick time.Duration // when everything is to end at once; 0: never
		after time.Duration
	}{
		"it returns in time":   {needs: 20 * time.Second, after: 20 * time.Second},
		"it does not":          {needs: time.Hour, after: 31 * time.Second},
		"at once":              {needs: time.Hour, quick: time.Second, after: time.Second + quickGrace},
		"a signal, and then":   {needs: time.Hour, quick: 5 * time.Second, after: 5*time.Second + quickGrace},
		"it returns before it": {needs: 3 * time.Second, quick: 5 * time.Second, after: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				asked := make(chan string, 1)
				r := starting(BootTimeout(time.Minute), DrainTimeout(30*time.Second), deaf("two", c.needs, 0))
				time.AfterFunc(time.Second, func() {
					if c.quick != time.Second {
						asked <- "TERM"
					}
				})
				if c.quick != 0 {
					time.AfterFunc(c.quick, func() { r.because = "interrupt"; close(r.quick) })
				}
				if started, err := r.start(asked); started || err != nil {
					t.Error(started, err)
				}
				if took := time.Since(begun); took != c.after {
					t.Errorf("it took %v, want %v", took, c.after)
				}
				outlive()
			})
		})
	}
}

func TestStoppingHasABound(t *testing.T) {
	for name, c := range map[string]struct {
		left, quick time.Duration
		after       time.Duration
		bad         bool
	}{
		"there is time":             {left: 10 * time.Second, after: 8 * time.Second},
		"the first takes all of it": {left: 3 * time.Second, after: 3*time.Second + quickGrace + stopGrace + quickGrace, bad: true},
		"there is none":             {after: 2*stopGrace + 2*quickGrace, bad: true},
		"a quick stop meanwhile":    {left: time.Minute, quick: time.Second, after: time.Second + 2*stopGrace + 2*quickGrace, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := false
				r := starting(Lifespan("zero", func(context.Context) (StopFunc, error) {
					return func(ctx context.Context) error {
						first = ctx.Err() == nil
						return nil
					}, nil
				}), deaf("one", 0, 3*time.Second), deaf("two", 0, 5*time.Second))
				if started, err := r.start(nil); !started || err != nil {
					t.Fatal(started, err)
				}
				begun := time.Now()
				if c.quick != 0 {
					time.AfterFunc(c.quick, func() { close(r.quick) })
				}
				err := r.finish(begun.Add(c.left))
				if c.bad != errors.Is(err, errLeftBehind) || c.bad != (err != nil) {
					t.Error(err)
				}
				if took := time.Since(begun); took != c.after || !first {
					t.Errorf("it took %v, want %v; the last had its turn: %v", took, c.after, first)
				}
				outlive()
			})
		})
	}
}

func TestTheStartEndsBeforeTheSupervisorsBound(t *testing.T) {
	for _, c := range []struct {
		opts          []Option
		bound, passed time.Duration
		want          time.Duration
	}{
		{nil, 0, time.Hour, 30 * time.Second},
		{nil, 30 * time.Second, 0, 28 * time.Second},
		{nil, 30 * time.Second, 3 * time.Second, 25 * time.Second},
		{nil, time.Second, 0, 800 * time.Millisecond},
		{nil, time.Second, time.Minute, time.Nanosecond},
		{[]Option{BootTimeout(5 * time.Second)}, 0, 0, 5 * time.Second},
		{[]Option{BootTimeout(5 * time.Second)}, time.Minute, 0, 5 * time.Second},
		{[]Option{BootTimeout(time.Hour)}, 20 * time.Second, time.Second, 17 * time.Second},
		{[]Option{BootTimeout(0)}, 0, 0, time.Nanosecond},
	} {
		if got := settings(c.opts).bootWithin(c.bound, c.passed).bootTimeout; got != c.want {
			t.Errorf("%d options, bound %v, passed %v: %v, want %v", len(c.opts), c.bound, c.passed, got, c.want)
		}
	}
}
