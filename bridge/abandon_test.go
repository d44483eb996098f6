package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// late checks the error of a frame that was abandoned at its deadline.
func late(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, bridge.ErrAbandoned) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v, want ErrAbandoned for the deadline", err)
	}
}

// stuck begins a frame that is abandoned after a second and runs until release.
func stuck(t *testing.T, ctx context.Context, release <-chan struct{}, opts ...bridge.SyncOption) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := bridge.RunSync(ctx, run(func() { <-release }), append(opts, bridge.Abandonable())...)
	late(t, err)
}

func TestAnAbandonedFrameKeepsItsPermitAndIsCountedUntilItReturns(t *testing.T) {
	for name, opts := range map[string][]bridge.SyncOption{"serial": nil, "parallel": {bridge.Parallel()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits(2)
				_, ctx := request(t, t.Context(), l)
				release := make(chan struct{})
				stuck(t, ctx, release, opts...)
				time.Sleep(time.Minute)
				st := l.Blocking.Stats()
				if st.InUse != 1 || st.Abandoned != 1 || st.AbandonedTotal != 1 || st.OldestAbandoned != 61*time.Second {
					t.Errorf("%+v, want one permit held by one abandoned for 61 s", st)
				}
				close(release)
				if err := l.Blocking.WaitAbandoned(t.Context()); err != nil {
					t.Error(err)
				}
				if st := l.Blocking.Stats(); st.InUse != 0 || st.Abandoned != 0 || st.AbandonedTotal != 1 || st.OldestAbandoned != 0 {
					t.Errorf("%+v, want nothing held and one in total", st)
				}
			})
		})
	}
}

func TestAFrameThatIsNotLateReturnsAsEver(t *testing.T) {
	errOwn := errors.New("its own")
	for _, limiter := range []string{"blocking", "cpu"} {
		l := limits(1)
		on := bridge.On(l.Blocking)
		if limiter == "cpu" {
			on = bridge.On(l.CPU)
		}
		_, ctx := request(t, t.Context(), l)
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		n, err := bridge.RunSync(ctx, func() (int, error) { return 42, errOwn }, on, bridge.Abandonable())
		if n != 42 || err != errOwn {
			t.Errorf("%s: %d, %v", limiter, n, err)
		}
		idle(t, l.Blocking, l.CPU)
		bridge.Lower(l.CPU)
	}
}

func TestAnAbandonableFrameEndsItsCallerAsItEndsItself(t *testing.T) {
	l := limits(1)
	_, ctx := request(t, t.Context(), l)
	func() {
		defer func() {
			p, ok := recover().(*bridge.PanicError)
			if !ok || p.Value != "boom" || !strings.Contains(string(p.Stack), "abandon_test.go") {
				t.Errorf("recovered %+v", p)
			}
		}()
		_, _ = bridge.RunSync(ctx, run(func() { panic("boom") }), bridge.Abandonable())
	}()
	exited := make(chan bool)
	go func() {
		returned := false
		defer func() { exited <- !returned }()
		_, _ = bridge.RunSync(ctx, run(runtime.Goexit), bridge.Abandonable())
		returned = true
	}()
	if !<-exited {
		t.Error("runtime.Goexit in the frame did not end its caller")
	}
	idle(t, l.Blocking)
}

func TestThePanicOfAnAbandonedFrameIsLogged(t *testing.T) {
	var log bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(was)
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		_, ctx := request(t, t.Context(), l)
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := bridge.RunSync(ctx, run(func() { time.Sleep(time.Minute); panic("boom") }), bridge.Abandonable())
		late(t, err)
		if err := l.Blocking.WaitAbandoned(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		idle(t, l.Blocking)
	})
	if got := log.String(); !strings.Contains(got, "abandoned sync code panicked") || !strings.Contains(got, "panic=boom") ||
		!strings.Contains(got, "ran=1m0s") || !strings.Contains(got, "abandon_test.go") {
		t.Errorf("log %q", got)
	}
}

func TestWorkThatIsStillQueuedAtItsDeadlineIsNotAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		_, hog := request(t, t.Context(), l)
		_, ctx := request(t, t.Context(), l)
		release := make(chan struct{})
		stuck(t, hog, release)
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := bridge.RunSync(ctx, run(func() { t.Error("it began") }), bridge.Abandonable())
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, bridge.ErrAbandoned) {
			t.Errorf("err = %v, want the deadline alone", err)
		}
		if st := l.Blocking.Stats(); st.Abandoned != 1 || st.AbandonedTotal != 1 || st.Queued != 0 {
			t.Errorf("%+v", st)
		}
		close(release)
	})
}

func TestWorkThatWaitsForItsThreadAtItsDeadlineIsNotAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(2)
		_, ctx := request(t, t.Context(), l)
		_, below := request(t, ctx, l) // another turn, the same thread
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { <-release }), bridge.Pinned())) })
		synctest.Wait()
		for range 20 { // who sees the deadline first is a matter of luck
			late, cancel := context.WithTimeout(below, time.Second)
			_, err := bridge.RunSync(late, run(func() { t.Error("it ran") }), bridge.Pinned(), bridge.Abandonable())
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, bridge.ErrAbandoned) {
				t.Errorf("err = %v, want the deadline's alone: the work never began", err)
			}
		}
		if st := l.Blocking.Stats(); st.AbandonedTotal != 0 || st.InUse != 1 {
			t.Errorf("%+v, want nothing abandoned", st)
		}
		close(release)
		wg.Wait()
		idle(t, l.Blocking)
	})
}

func TestACancelledContextAbandonsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		s, ctx := request(t, t.Context(), l)
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			n, err := bridge.RunSync(ctx, func() (int, error) { <-release; return 42, nil }, bridge.Abandonable())
			if n != 42 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
		synctest.Wait()
		s.Cancel(errGoodbye)
		time.Sleep(time.Hour)
		if st := l.Blocking.Stats(); st.InUse != 1 || st.Abandoned != 0 || st.AbandonedTotal != 0 {
			t.Errorf("%+v", st)
		}
		close(release)
		wg.Wait()
		idle(t, l.Blocking)
	})
}

func TestAFrameThatAwaitsAtItsDeadlineHasAGraceToReturn(t *testing.T) {
	for name, c := range map[string]struct {
		takes     time.Duration // what it awaits, from when it is told
		abandoned bool
	}{
		"in time": {bridge.AwaitGrace - 1, false}, "too late": {bridge.AwaitGrace + 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits(1)
				s, ctx := request(t, t.Context(), l)
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				begun := time.Now()
				n, err := bridge.RunSync(ctx, func() (int, error) {
					return bridge.Await(s, func(ctx context.Context) (int, error) {
						<-ctx.Done()
						time.Sleep(c.takes)
						return 42, nil
					})
				}, bridge.Abandonable())
				took := time.Since(begun) - time.Second
				if c.abandoned {
					late(t, err)
					if took != bridge.AwaitGrace {
						t.Errorf("it was waited for %v past the deadline", took)
					}
				} else if n != 42 || err != nil || took != c.takes {
					t.Errorf("%d, %v after %v", n, err, took)
				}
				if err := l.Blocking.WaitAbandoned(t.Context()); err != nil {
					t.Error(err)
				}
				idle(t, l.Blocking)
			})
		})
	}
}

func TestWhatAnAbandonedFrameAwaitsHasAContextThatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		s, ctx := request(t, t.Context(), l)
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		abandoned, closed := make(chan struct{}), make(chan struct{})
		_, err := bridge.RunSync(ctx, func() (struct{}, error) {
			<-abandoned
			_, err := bridge.Await(s, waiting(func(ctx context.Context) {
				ended(t, ctx, context.DeadlineExceeded, context.DeadlineExceeded)
			}))
			if err != nil {
				t.Error(err)
			}
			abandoned <- struct{}{}
			<-closed
			if _, err := bridge.Await(s, waiting(func(context.Context) { t.Error("it ran") })); err != bridge.ErrScopeClosed {
				t.Errorf("err = %v, want ErrScopeClosed", err)
			}
			return struct{}{}, nil
		}, bridge.Abandonable())
		late(t, err)
		abandoned <- struct{}{}
		<-abandoned
		s.Close()
		close(closed)
		if err := l.Blocking.WaitAbandoned(t.Context()); err != nil {
			t.Error(err)
		}
		idle(t, l.Blocking)
	})
}

// The request's scope must not take the frame that was left behind for the one
// that goes on.
func TestAFrameThatLeftAnotherBehindAwaitsForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(2)
		s, ctx := request(t, t.Context(), l)
		release := make(chan struct{})
		must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
			must[struct{}](t)(bridge.Await(s, waiting(func(ctx context.Context) { stuck(t, ctx, release) })))
			if st := l.Blocking.Stats(); st.InUse != 2 {
				t.Errorf("%+v, want the frame's permit and that of the one left behind", st)
			}
			return bridge.Await(s, waiting(func(ctx context.Context) {
				if st := l.Blocking.Stats(); st.InUse != 1 || ctx.Err() != nil {
					t.Errorf("%+v, want the abandoned frame's permit alone; ctx %v", st, ctx.Err())
				}
			}))
		}))
		close(release)
		synctest.Wait()
		idle(t, l.Blocking)
	})
}

func TestWaitAbandonedEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		_, ctx := request(t, t.Context(), l)
		release := make(chan struct{})
		stuck(t, ctx, release)
		waits, cancel := context.WithTimeoutCause(t.Context(), time.Second, errGoodbye)
		defer cancel()
		if err := l.Blocking.WaitAbandoned(waits); err != errGoodbye {
			t.Errorf("err = %v, want the cause", err)
		}
		close(release)
	})
}
