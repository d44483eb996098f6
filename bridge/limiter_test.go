package bridge_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// hold takes a permit of l in a request of its own until the function returned
// is called.
func hold(t *testing.T, wg *sync.WaitGroup, l *bridge.Limiter) (release func()) {
	_, ctx := request(t, t.Context(), bridge.Limits{Blocking: l})
	end, begun := make(chan struct{}), make(chan struct{})
	wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { close(begun); <-end }))) })
	<-begun
	return func() { close(end) }
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLimiter(2, bridge.Queue(1), bridge.Named("reports"))
		var wg sync.WaitGroup
		a, b := hold(t, &wg, l), hold(t, &wg, l)
		_, queued := request(t, t.Context(), bridge.Limits{Blocking: l})
		wg.Go(func() { must[struct{}](t)(bridge.RunSync(queued, run(func() {}))) })
		synctest.Wait()
		_, over := request(t, t.Context(), bridge.Limits{Blocking: l})
		_, err := bridge.RunSync(over, run(func() { t.Error("it ran") }))
		if !errors.Is(err, bridge.ErrSaturated) || errors.Is(err, bridge.ErrQueueTimeout) || !strings.Contains(err.Error(), `"reports"`) {
			t.Errorf("err = %v, want ErrSaturated that names the limiter", err)
		}
		want := bridge.Stats{Permits: 2, InUse: 2, Queued: 1, Waits: 1, Rejected: 1}
		if st := l.Stats(); st != want {
			t.Errorf("%+v, want %+v", st, want)
		}
		a()
		b()
		wg.Wait()
		idle(t, l)
	})
}

func TestTheQueueDeadlineRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLimiter(1, bridge.QueueTimeout(3*time.Second))
		var wg sync.WaitGroup
		end := hold(t, &wg, l)
		_, ctx := request(t, t.Context(), bridge.Limits{Blocking: l})
		start := time.Now()
		_, err := bridge.RunSync(ctx, run(func() { t.Error("it ran") }))
		if !errors.Is(err, bridge.ErrQueueTimeout) || !errors.Is(err, bridge.ErrSaturated) {
			t.Errorf("err = %v, want ErrQueueTimeout, which is an ErrSaturated", err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("refused after %v, want 3s", d)
		}
		if st := l.Stats(); st.Rejected != 1 || st.Waited != 3*time.Second || st.Waits != 1 {
			t.Errorf("%+v", st)
		}
		end()
		wg.Wait()
		idle(t, l)
	})
}

func TestPermitsAreGivenFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLimiter(1)
		var wg sync.WaitGroup
		end := hold(t, &wg, l)
		var order []int
		for i := range 10 {
			_, ctx := request(t, t.Context(), bridge.Limits{Blocking: l})
			wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { order = append(order, i) }))) })
			synctest.Wait()
		}
		end()
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 10 {
			t.Errorf("order %v", order)
		}
	})
}

func TestALimiterWithoutPermitsIsRefusedWhenMade(t *testing.T) {
	defer func() {
		if v := recover(); v == nil {
			t.Error("no panic")
		}
	}()
	bridge.NewLimiter(0)
}

func TestErrorPanicAndGoexitGiveThePermitBack(t *testing.T) {
	boom := errors.New("boom")
	ends := map[string]func() (int, error){
		"error":  func() (int, error) { return 0, boom },
		"panic":  func() (int, error) { panic(boom) },
		"goexit": func() (int, error) { runtime.Goexit(); return 0, nil },
	}
	for _, limiter := range []string{"blocking", "cpu"} {
		for how, end := range ends {
			t.Run(limiter+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := limits(1, bridge.Queue(0))
					s, ctx := request(t, t.Context(), l)
					on := bridge.On(l.Blocking)
					if limiter == "cpu" {
						on = bridge.On(l.CPU)
					}
					var err error
					outcome := "goexit"
					var wg sync.WaitGroup
					wg.Add(1)
					go func() {
						defer wg.Done()
						defer func() {
							if v := recover(); v != nil {
								outcome, err = "panic", v.(error)
							}
						}()
						_, err = bridge.RunSync(ctx, end, on)
						outcome = "error"
					}()
					wg.Wait()
					if outcome != how || how != "goexit" && !errors.Is(err, boom) {
						t.Errorf("came back as %s with %v, want %s", outcome, err, how)
					}
					idle(t, l.Blocking, l.CPU)
					must[struct{}](t)(bridge.RunSync(ctx, run(func() {}), on)) // the scope's turn is free too
					if _, err := bridge.Await(s, waiting(func(context.Context) {})); !errors.Is(err, bridge.ErrNotSync) {
						t.Errorf("a frame is still live: %v", err)
					}
					rest()
				})
			})
		}
	}
}

// A permit, or the scope's turn, that comes at the very moment the waiter's ctx
// ends is either used or passed on.
func TestAGrantThatMeetsACancellationIsNotLost(t *testing.T) {
	for _, where := range []string{"permit", "turn"} {
		t.Run(where, func(t *testing.T) {
			for range 100 {
				synctest.Test(t, func(t *testing.T) {
					l := bridge.NewLimiter(1)
					_, first := request(t, t.Context(), bridge.Limits{Blocking: l})
					mine, third := first, first
					if where == "permit" {
						_, mine = request(t, t.Context(), bridge.Limits{Blocking: l})
						_, third = request(t, t.Context(), bridge.Limits{Blocking: l})
					}
					cancelled, cancel := context.WithCancel(mine)
					end := make(chan struct{})
					var wg sync.WaitGroup
					wg.Go(func() {
						// The waiter is woken by the end of its ctx and, before it runs,
						// granted what it waited for.
						must[struct{}](t)(bridge.RunSync(first, run(func() { <-end; cancel() })))
					})
					synctest.Wait()
					wg.Go(func() { _, _ = bridge.RunSync(cancelled, run(func() {})) })
					synctest.Wait()
					wg.Go(func() { must[struct{}](t)(bridge.RunSync(third, run(func() {}))) }) // behind it
					synctest.Wait()
					close(end)
					wg.Wait()
					idle(t, l)
				})
			}
		})
	}
}

// Random traffic from many goroutines leaves nothing behind, and never more
// frames than permits where nothing awaits.
func TestPermitsAreConserved(t *testing.T) {
	l := bridge.NewLimiter(3, bridge.Queue(4))
	var running, most, ran atomic.Int64
	var wg sync.WaitGroup
	for seed := range uint64(16) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 1))
			for range 300 {
				ctx, cancel := context.WithCancel(t.Context())
				if rnd.IntN(4) == 0 {
					go cancel()
				}
				_, err := bridge.RunSync(ctx, func() (int, error) {
					n := running.Add(1)
					for {
						m := most.Load()
						if n <= m || most.CompareAndSwap(m, n) {
							break
						}
					}
					ran.Add(1)
					running.Add(-1)
					return 0, nil
				}, bridge.On(l))
				if err != nil && !errors.Is(err, bridge.ErrSaturated) && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	idle(t, l)
	if most.Load() > 3 || ran.Load() == 0 {
		t.Errorf("at most %d at once of %d, want no more than 3", most.Load(), ran.Load())
	}
}
