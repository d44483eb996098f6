package bridge_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tandem-go/tandem/bridge"
)

func TestRule1CodeBelowASyncFrameBorrowsItsSlotFromAnyGoroutine(t *testing.T) {
	l := limits(1, bridge.Queue(0)) // whoever asked for a second permit would be refused
	s, ctx := request(t, t.Context(), l)
	done := 0
	_, err := bridge.RunSync(ctx, run(func() {
		must[[]int](t)(bridge.Await(s, func(ctx context.Context) ([]int, error) {
			return bridge.GatherAll(ctx, 0, []int{1, 2, 3, 4, 5}, func(ctx context.Context, i int) (int, error) {
				return bridge.RunSync(ctx, func() (int, error) {
					if n := l.Blocking.Stats().InUse; n != 1 {
						t.Errorf("%d permits in use below the frame, want its 1", n)
					}
					done++ // one at a time: no lock needed, and -race agrees
					return i, nil
				})
			})
		}))
	}))
	if err != nil || done != 5 {
		t.Errorf("%d of 5 nested frames ran, err %v", done, err)
	}
	idle(t, l.Blocking)
}

func TestTheBorrowedSlotNeedsNoFreePermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		var wg sync.WaitGroup
		must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
			return bridge.Await(s, func(ctx context.Context) (struct{}, error) {
				end := hold(t, &wg, l.Blocking) // another request has the only permit
				defer end()
				return bridge.RunSync(ctx, run(func() {}))
			})
		}))
		wg.Wait()
		idle(t, l.Blocking)
	})
}

func TestRule2AwaitGivesThePermitBack(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	s, ctx := request(t, t.Context(), l)
	_, other := request(t, t.Context(), l)
	must[struct{}](t)(bridge.RunSync(ctx, run(func() {
		if _, err := bridge.RunSync(other, run(func() {})); !errors.Is(err, bridge.ErrSaturated) {
			t.Errorf("another request while the frame runs: err = %v, want ErrSaturated", err)
		}
		must[struct{}](t)(bridge.Await(s, waiting(func(context.Context) {
			if n := l.Blocking.Stats().InUse; n != 0 {
				t.Errorf("%d permits in use during Await, want 0", n)
			}
			must[struct{}](t)(bridge.RunSync(other, run(func() {})))
		})))
		if n := l.Blocking.Stats().InUse; n != 1 {
			t.Errorf("%d permits in use after Await, want 1", n)
		}
	})))
	idle(t, l.Blocking)
}

// overLimit brings a limiter of one permit to two frames: one came back from
// Await while the other had its permit. The functions end them.
func overLimit(t *testing.T, l bridge.Limits, wg *sync.WaitGroup) (endFirst, endSecond func()) {
	s, ctx := request(t, t.Context(), l)
	_, hog := request(t, t.Context(), l)
	answer, first, second := make(chan struct{}), make(chan struct{}), make(chan struct{})
	back := false
	wg.Go(func() {
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {
			must[struct{}](t)(bridge.Await(s, waiting(func(context.Context) { <-answer })))
			back = true
			<-first
		})))
	})
	synctest.Wait() // it awaits
	wg.Go(func() { must[struct{}](t)(bridge.RunSync(hog, run(func() { <-second }))) })
	synctest.Wait() // another has the only permit
	close(answer)
	synctest.Wait()
	if st := l.Blocking.Stats(); !back || st.InUse != 2 {
		t.Fatalf("came back: %v, %+v; want both frames to run", back, st)
	}
	return func() { close(first) }, func() { close(second) }
}

func TestRule3ComingBackNeverQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		l := limits(1)
		endFirst, endSecond := overLimit(t, l, &wg)
		endFirst()
		endSecond()
		wg.Wait()
		idle(t, l.Blocking)
	})
}

func TestNewcomersWaitUntilTheDebtIsPaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		l := limits(1)
		endFirst, endSecond := overLimit(t, l, &wg)
		_, next := request(t, t.Context(), l)
		began := false
		wg.Go(func() { must[struct{}](t)(bridge.RunSync(next, run(func() { began = true }))) })
		synctest.Wait()
		endSecond()
		synctest.Wait()
		if st := l.Blocking.Stats(); began || st.InUse != 1 || st.Queued != 1 {
			t.Errorf("newcomer began: %v, %+v; want it to wait while the limit is used up", began, st)
		}
		endFirst()
		wg.Wait()
		if !began {
			t.Error("the newcomer never began")
		}
		idle(t, l.Blocking)
	})
}

func TestFramesOfOneRequestRunOneAtATimeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(10)
		_, ctx := request(t, t.Context(), l)
		var order []int
		release := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				must[struct{}](t)(bridge.RunSync(ctx, run(func() {
					order = append(order, i)
					<-release
				})))
			})
			synctest.Wait()
		}
		if n := l.Blocking.Stats().InUse; n != 1 {
			t.Errorf("%d frames of one request at once, want 1", n)
		}
		close(release)
		wg.Wait()
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("frames ran in order %v, want %v", order, want)
		}
		idle(t, l.Blocking)
	})
}

func TestTheNextFrameOfARequestFindsThePermitOfTheLast(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	_, ctx := request(t, t.Context(), l)
	_, err := bridge.GatherAll(ctx, 4, make([]int, 2000), func(ctx context.Context, _ int) (int, error) {
		return bridge.RunSync(ctx, func() (int, error) { return 0, nil })
	})
	if err != nil {
		t.Errorf("a request alone on its limiter was refused: %v", err)
	}
	idle(t, l.Blocking)
}

func TestParallelFramesRunBesideEachOther(t *testing.T) {
	l := limits(2)
	_, ctx := request(t, t.Context(), l)
	var meet sync.WaitGroup
	meet.Add(2)
	both := func(ctx context.Context) (struct{}, error) {
		return bridge.RunSync(ctx, run(func() { meet.Done(); meet.Wait() }), bridge.Parallel())
	}
	if _, _, err := bridge.Gather2(ctx, both, both); err != nil {
		t.Fatal(err)
	}
	idle(t, l.Blocking)
}

func TestParallelFramesAwaitEachForItself(t *testing.T) {
	type key struct{}
	l := limits(2, bridge.Queue(0))
	extra := bridge.NewLimiter(1, bridge.Queue(0), bridge.Named("extra"))
	_, ctx := request(t, t.Context(), l)
	var meet sync.WaitGroup
	meet.Add(2)
	frame := func(lim *bridge.Limiter, who string) func(context.Context) (struct{}, error) {
		f := bridge.SyncToAsyncScoped(func(s *bridge.Scope, who string) (struct{}, error) {
			meet.Done()
			meet.Wait()
			return bridge.Await(s, func(ctx context.Context) (struct{}, error) {
				if v := ctx.Value(key{}); v != who {
					t.Errorf("frame %s awaits with the context of %v", who, v)
				}
				return bridge.RunSync(ctx, run(func() {
					if lim.Stats().InUse != 1 {
						t.Errorf("frame %s: its permit is not the one in use: %+v", who, lim.Stats())
					}
				}))
			})
		}, bridge.Parallel(), bridge.On(lim))
		return func(ctx context.Context) (struct{}, error) {
			return f(context.WithValue(ctx, key{}, who), who)
		}
	}
	_, _, err := bridge.Gather2(ctx, frame(l.Blocking, "a"), frame(extra, "b"))
	if err != nil {
		t.Error(err)
	}
	idle(t, l.Blocking, extra)
}

func TestTheRequestsScopeNeverMeansAParallelFrame(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(1))
	_, err := bridge.RunSync(ctx, func() (struct{}, error) {
		return bridge.Await(s, waiting(func(context.Context) {}))
	}, bridge.Parallel())
	if !errors.Is(err, bridge.ErrNotSync) {
		t.Errorf("err = %v, want ErrNotSync", err)
	}
}

func TestAFramesScopeEndsWithTheFrame(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(1))
	kept := must[*bridge.Scope](t)(bridge.RunSyncScoped(ctx, func(own *bridge.Scope) (*bridge.Scope, error) {
		own.Close() // not its to close
		if own.Limits() != s.Limits() {
			t.Error("other limits than the request's")
		}
		must[struct{}](t)(bridge.Await(own, waiting(func(context.Context) {})))
		return own, nil
	}))
	must[struct{}](t)(bridge.RunSync(ctx, run(func() { // the same record, another frame
		if _, err := bridge.Await(kept, waiting(func(context.Context) {})); !errors.Is(err, bridge.ErrNotSync) {
			t.Errorf("err = %v, want ErrNotSync", err)
		}
	})))
	s.Close()
	if _, err := bridge.Await(kept, waiting(func(context.Context) {})); !errors.Is(err, bridge.ErrScopeClosed) {
		t.Errorf("err = %v, want ErrScopeClosed", err)
	}
}

func TestTwoRequestsRunBesideEachOther(t *testing.T) {
	l := limits(2)
	var meet, wg sync.WaitGroup
	meet.Add(2)
	for range 2 {
		_, ctx := request(t, t.Context(), l)
		wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { meet.Done(); meet.Wait() }))) })
	}
	wg.Wait()
}

func TestARunningFrameKeepsItsPermitAfterItsCallerEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		_, ctx := request(t, t.Context(), l)
		ctx, cancel := context.WithCancel(ctx)
		release, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			v, err := bridge.RunSync(ctx, func() (string, error) { <-release; return "finished", nil })
			if v != "finished" || err != nil {
				t.Errorf("RunSync = %q, %v; want what the frame returned", v, err)
			}
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case <-done:
			t.Error("RunSync returned before its frame")
		default:
		}
		if n := l.Blocking.Stats().InUse; n != 1 {
			t.Errorf("%d permits in use, want the abandoned frame's 1", n)
		}
		close(release)
		<-done
		idle(t, l.Blocking)
	})
}

func TestQueuedWorkIsDroppedWhenItsContextEnds(t *testing.T) {
	gone := errors.New("client is gone")
	for _, where := range []string{"behind its own request's frame", "behind other requests' frames"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits(1)
				_, ctx := request(t, t.Context(), l)
				mine := ctx
				if where == "behind other requests' frames" {
					_, mine = request(t, t.Context(), l)
				}
				release := make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { <-release }))) })
				synctest.Wait()
				mine, cancel := context.WithCancelCause(mine)
				wg.Go(func() {
					_, err := bridge.RunSync(mine, run(func() { t.Error("dropped work ran") }))
					if !errors.Is(err, gone) {
						t.Errorf("err = %v, want the cause of the cancellation", err)
					}
				})
				synctest.Wait()
				cancel(gone)
				synctest.Wait()
				close(release)
				wg.Wait()
				idle(t, l.Blocking)
				if n := l.Blocking.Stats().Rejected; n != 0 {
					t.Errorf("%d counted as refused: the client left by itself", n)
				}
			})
		})
	}
}

func TestWorkWithAnEndedContextIsNotBegun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := bridge.RunSync(ctx, run(func() { t.Error("it ran") }))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestOnAnotherLimiterBelowAFrameTakesThatLimitersPermit(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	extra := bridge.NewLimiter(1, bridge.Queue(0), bridge.Named("extra"))
	s, ctx := request(t, t.Context(), l)
	must[struct{}](t)(bridge.RunSync(ctx, run(func() {
		must[struct{}](t)(bridge.Await(s, func(ctx context.Context) (struct{}, error) {
			return bridge.RunSync(ctx, run(func() {
				if a, b := l.Blocking.Stats().InUse, extra.Stats().InUse; a != 0 || b != 1 {
					t.Errorf("blocking %d, extra %d in use; want 0 and 1", a, b)
				}
				must[struct{}](t)(bridge.Await(s, func(ctx context.Context) (struct{}, error) {
					// The outer frame's limiter: its slot is borrowed, over two levels.
					return bridge.RunSync(ctx, run(func() {
						if a, b := l.Blocking.Stats().InUse, extra.Stats().InUse; a != 1 || b != 0 {
							t.Errorf("blocking %d, extra %d in use; want 1 and 0", a, b)
						}
					}), bridge.On(l.Blocking))
				}))
			}), bridge.On(extra))
		}))
	})))
	idle(t, l.Blocking, extra)
}

// 50 requests nest sync and async five deep with one permit among them. With any
// rule broken this hangs.
func TestDeepNestingWithOnePermitDoesNotDeadlock(t *testing.T) {
	l := limits(1)
	var wg sync.WaitGroup
	for range 50 {
		s, ctx := request(t, t.Context(), l)
		var nest func(ctx context.Context, depth int) (int, error)
		nest = func(ctx context.Context, depth int) (int, error) {
			if depth == 0 {
				return 1, ctx.Err()
			}
			return bridge.RunSync(ctx, func() (int, error) {
				return bridge.Await(s, func(ctx context.Context) (int, error) {
					deeper := func(ctx context.Context) (int, error) { return nest(ctx, depth-1) }
					a, b, err := bridge.Gather2(ctx, deeper, deeper)
					return a + b, err
				})
			})
		}
		wg.Go(func() {
			if n := must[int](t)(nest(ctx, 5)); n != 32 {
				t.Errorf("%d leaves reached, want 32", n)
			}
		})
	}
	wg.Wait()
	idle(t, l.Blocking)
}
