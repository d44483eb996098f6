package bridge_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

func TestAwaitOutsideSyncCodeIsAnError(t *testing.T) {
	s, _ := request(t, t.Context(), limits(1))
	_, err := bridge.Await(s, waiting(func(context.Context) { t.Error("it ran") }))
	if !errors.Is(err, bridge.ErrNotSync) {
		t.Errorf("err = %v, want ErrNotSync", err)
	}
}

func TestAwaitInAJobNeedsNoFrame(t *testing.T) {
	l := limits(1)
	root := bridge.NewRoot(t.Context(), l)
	defer root.Close()
	double := bridge.SyncToAsync(func(n int) (int, error) { return 2 * n, nil })
	n := must[int](t)(bridge.AsyncToSync(root, double)(21))
	if n != 42 {
		t.Errorf("n = %d", n)
	}
	idle(t, l.Blocking)
}

func TestAwaitHandsDownTheContextOfTheFramesCaller(t *testing.T) {
	type key struct{}
	s, ctx := request(t, t.Context(), limits(1))
	ctx, cancel := context.WithCancel(context.WithValue(ctx, key{}, "from middleware"))
	must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
		return bridge.Await(s, waiting(func(below context.Context) {
			if v := below.Value(key{}); v != "from middleware" {
				t.Errorf("value = %v", v)
			}
			cancel()
			<-below.Done()
		}))
	}))
}

func TestAClosedScopeRefusesAndNeverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		s, ctx := request(t, t.Context(), l)
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { <-release }))) })
		synctest.Wait()
		refused := func() {
			if _, err := bridge.RunSync(ctx, run(func() { t.Error("it ran") })); !errors.Is(err, bridge.ErrScopeClosed) {
				t.Errorf("RunSync: err = %v, want ErrScopeClosed", err)
			}
		}
		wg.Go(refused) // waits for the frame
		synctest.Wait()
		s.Close() // blocks nobody, though the frame still runs
		synctest.Wait()
		refused()
		if _, err := bridge.Await(s, waiting(func(context.Context) {})); !errors.Is(err, bridge.ErrScopeClosed) {
			t.Errorf("Await: err = %v, want ErrScopeClosed", err)
		}
		if _, err := bridge.RunSync(ctx, run(func() {}), bridge.Parallel()); !errors.Is(err, bridge.ErrScopeClosed) {
			t.Errorf("parallel: err = %v, want ErrScopeClosed", err)
		}
		close(release)
		wg.Wait()
		idle(t, l.Blocking)
	})
}

func TestAScopeClosedWhileItsWorkQueuesForAPermitRunsNoneOfIt(t *testing.T) {
	for name, opts := range map[string][]bridge.SyncOption{"serial": nil, "parallel": {bridge.Parallel()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits(1)
				_, hog := request(t, t.Context(), l)
				s, ctx := request(t, t.Context(), l)
				release := make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() { must[struct{}](t)(bridge.RunSync(hog, run(func() { <-release }))) })
				synctest.Wait()
				wg.Go(func() {
					_, err := bridge.RunSync(ctx, run(func() { t.Error("it ran") }), opts...)
					if !errors.Is(err, bridge.ErrScopeClosed) {
						t.Errorf("err = %v, want ErrScopeClosed", err)
					}
				})
				synctest.Wait()
				s.Close()
				close(release)
				wg.Wait()
				idle(t, l.Blocking)
			})
		})
	}
}

// stray starts sync work from a context whose Await has returned.
type stray struct {
	ctx context.Context
	ran chan struct{}
	err chan error
}

func (st *stray) start(t *testing.T) {
	st.ran, st.err = make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := bridge.RunSync(st.ctx, run(func() { close(st.ran) }))
		st.err <- err
	}()
	synctest.Wait()
}

func (st *stray) hasRun() bool {
	select {
	case <-st.ran:
		return true
	default:
		return false
	}
}

func TestAGoroutineThatOutlivesItsAwaitWaitsForTheFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		st := new(stray)
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {
			must[struct{}](t)(bridge.Await(s, waiting(func(ctx context.Context) { st.ctx = ctx })))
			st.start(t)
			if st.hasRun() {
				t.Error("it ran beside the frame that it belongs below")
			}
		})))
		if err := <-st.err; err != nil || !st.hasRun() {
			t.Errorf("after the frame: ran %v, err %v", st.hasRun(), err)
		}
		idle(t, l.Blocking)
	})
}

// Else a frame whose second Await waits for the goroutine would hang.
func TestAGoroutineThatOutlivesItsAwaitJoinsTheFramesNextOne(t *testing.T) {
	for _, when := range []string{"it asked before", "it asks then"} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits(1, bridge.Queue(0))
				s, ctx := request(t, t.Context(), l)
				st := new(stray)
				must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
					must[struct{}](t)(bridge.Await(s, waiting(func(ctx context.Context) { st.ctx = ctx })))
					if when == "it asked before" {
						st.start(t)
					}
					return bridge.Await(s, func(context.Context) (struct{}, error) {
						if when == "it asks then" {
							st.start(t)
						}
						return struct{}{}, <-st.err
					})
				}))
				if !st.hasRun() {
					t.Error("it never ran")
				}
				idle(t, l.Blocking)
			})
		})
	}
}

func TestAGoroutineThatOutlivesItsFrameClimbsToTheFrameAbove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		st := new(stray)
		must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
			return bridge.Await(s, func(ctx context.Context) (struct{}, error) {
				must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
					return bridge.Await(s, waiting(func(ctx context.Context) { st.ctx = ctx }))
				}))
				st.start(t) // the inner frame is over, the outer one awaits
				if n := l.Blocking.Stats().InUse; n != 0 {
					t.Errorf("%d in use", n)
				}
				return struct{}{}, <-st.err
			})
		}))
		idle(t, l.Blocking)
	})
}

func TestAGoroutineThatOutlivesAllFramesUsesTheScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		st := new(stray)
		must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
			return bridge.Await(s, waiting(func(ctx context.Context) { st.ctx = ctx }))
		}))
		st.start(t)
		if err := <-st.err; err != nil {
			t.Error(err)
		}
		s.Close()
		st.start(t)
		if err := <-st.err; !errors.Is(err, bridge.ErrScopeClosed) {
			t.Errorf("after the request: err = %v, want ErrScopeClosed", err)
		}
		idle(t, l.Blocking)
	})
}

func TestAGoroutineThatOutlivesItsFrameIsNotTakenForTheNextFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		st := new(stray)
		must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
			return bridge.Await(s, waiting(func(ctx context.Context) { st.ctx = ctx }))
		}))
		must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
			return bridge.Await(s, waiting(func(context.Context) {
				st.start(t)
				if st.hasRun() {
					t.Error("it borrowed the slot of a frame that it is not below")
				}
			}))
		}))
		if err := <-st.err; err != nil {
			t.Error(err)
		}
		idle(t, l.Blocking)
	})
}

func TestAGoroutineThatOutlivesAParallelFramesAwaitUsesTheScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(2, bridge.Queue(0))
		_, ctx := request(t, t.Context(), l)
		st := new(stray)
		must[struct{}](t)(bridge.RunSyncScoped(ctx, func(own *bridge.Scope) (struct{}, error) {
			must[struct{}](t)(bridge.Await(own, waiting(func(ctx context.Context) { st.ctx = ctx })))
			st.start(t)
			return struct{}{}, <-st.err // a parallel frame keeps nobody waiting
		}, bridge.Parallel()))
		idle(t, l.Blocking)
	})
}

func TestWaitersBelowAnAwaitThatReturnsClimbWithTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		release := make(chan struct{})
		ran := 0
		var wg sync.WaitGroup
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {
			must[struct{}](t)(bridge.Await(s, waiting(func(ctx context.Context) {
				wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { <-release; ran++ }))) })
				synctest.Wait()
				for range 3 { // behind it
					wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { ran++ }))) })
				}
				synctest.Wait()
			})))
			close(release) // the first ends after its Await did
			synctest.Wait()
			if ran != 1 {
				t.Errorf("%d ran beside the frame, want the one that had begun", ran)
			}
		})))
		wg.Wait()
		if ran != 4 {
			t.Errorf("%d of 4 ran", ran)
		}
		idle(t, l.Blocking)
	})
}

func TestAFrameWhoseAwaitEndsWhileItQueuesForAPermitWaitsForTheFrameAbove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		extra := bridge.NewLimiter(1)
		s, ctx := request(t, t.Context(), l)
		var wg sync.WaitGroup
		end := hold(t, &wg, extra)
		above, ran := false, false
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {
			must[struct{}](t)(bridge.Await(s, waiting(func(ctx context.Context) {
				wg.Go(func() {
					must[struct{}](t)(bridge.RunSync(ctx, run(func() {
						if ran = true; above {
							t.Error("two frames of one request run at once")
						}
					}), bridge.On(extra)))
				})
				synctest.Wait() // it has the turn below the frame, and no permit
			})))
			above = true
			end()
			synctest.Wait() // the permit is there; the turn is the frame's
			if st := extra.Stats(); ran || st.InUse != 0 {
				t.Errorf("ran: %v, %+v; want it to wait, and without a permit", ran, st)
			}
			above = false
		})))
		wg.Wait()
		if !ran {
			t.Error("it never ran")
		}
		idle(t, l.Blocking, extra)
	})
}

func TestAnAwaitThatOutlivesItsFrameTakesNoPermitBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		answer := make(chan struct{})
		var wg sync.WaitGroup
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {
			wg.Go(func() {
				must[struct{}](t)(bridge.Await(s, func(ctx context.Context) (struct{}, error) {
					<-answer
					return bridge.RunSync(ctx, run(func() {})) // climbs: the frame is gone
				}))
			})
			synctest.Wait()
		})))
		idle(t, l.Blocking)
		close(answer)
		wg.Wait()
		idle(t, l.Blocking)
	})
}

func TestTwoGoroutinesOfOneFrameMayAwaitAtOnce(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	s, ctx := request(t, t.Context(), l)
	must[struct{}](t)(bridge.RunSync(ctx, run(func() {
		var meet, wg sync.WaitGroup
		meet.Add(2)
		for range 2 {
			wg.Go(func() {
				must[struct{}](t)(bridge.Await(s, waiting(func(context.Context) { meet.Done(); meet.Wait() })))
			})
		}
		wg.Wait()
		if n := l.Blocking.Stats().InUse; n != 1 {
			t.Errorf("%d permits in use when all are back, want 1", n)
		}
	})))
	idle(t, l.Blocking)
}

func TestAFrameThatWaitsBehindAnotherReturnsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		_, ctx := request(t, t.Context(), l)
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { <-release }))) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := bridge.RunSync(ctx, run(func() {})); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
		close(release)
		wg.Wait()
	})
}

func TestAThousandScopesWithoutSyncWorkTakeNoPermit(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	for range 1000 {
		s := new(bridge.Scope)
		s.Open(t.Context(), l)
		s.Close()
	}
	if st := l.Blocking.Stats(); st != (bridge.Stats{Permits: 1}) {
		t.Errorf("%+v", st)
	}
}
