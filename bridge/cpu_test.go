package bridge_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/bridge"
)

// rest lets a bubble's clock run on until CPU limiters have let their threads go.
func rest() { time.Sleep(time.Minute) }

func TestGOMAXPROCSIsRaisedOnlyWhileCPUFramesRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.GOMAXPROCS(0)
		l := bridge.NewCPULimiter(3)
		_, ctx := request(t, t.Context(), bridge.Limits{CPU: l})
		check := func(when string, want int) {
			t.Helper()
			if n := runtime.GOMAXPROCS(0); n != want {
				t.Errorf("%s: GOMAXPROCS = %d, want %d", when, n, want)
			}
		}
		frame := func(f func()) { must[struct{}](t)(bridge.RunSync(ctx, run(f), bridge.On(l))) }
		frame(func() {
			check("in a frame", before+3)
			if n := bridge.CPUPermits(); n != max(1, before-1) {
				t.Errorf("CPUPermits = %d while raised: it must be of the share", n)
			}
			time.Sleep(20 * time.Second)
			check("in a long frame", before+3)
		})
		time.Sleep(4 * time.Second)
		check("4s after a frame", before+3)
		frame(func() {})
		time.Sleep(4 * time.Second)
		check("4s after the last frame", before+3)
		time.Sleep(2 * time.Second)
		check("6s after the last frame", before)
		frame(func() { check("again", before+3) })
		rest()
		check("at rest", before)
	})
}

func TestTwoCPULimitersEachBringTheirOwnPs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.GOMAXPROCS(0)
		a, b := bridge.NewCPULimiter(1), bridge.NewCPULimiter(2)
		must[struct{}](t)(bridge.RunSync(t.Context(), run(func() {
			must[struct{}](t)(bridge.RunSync(context.Background(), run(func() {
				if n := runtime.GOMAXPROCS(0); n != before+3 {
					t.Errorf("GOMAXPROCS = %d, want %d", n, before+3)
				}
			}), bridge.On(b)))
		}), bridge.On(a)))
		rest()
		if n := runtime.GOMAXPROCS(0); n != before {
			t.Errorf("GOMAXPROCS = %d at rest, want %d", n, before)
		}
	})
}

func TestAGOMAXPROCSSetBySomebodyElseStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.GOMAXPROCS(0)
		defer runtime.GOMAXPROCS(before)
		l := bridge.NewCPULimiter(1)
		must[struct{}](t)(bridge.RunSync(t.Context(), run(func() { runtime.GOMAXPROCS(before + 7) }), bridge.On(l)))
		rest()
		if n := runtime.GOMAXPROCS(0); n != before+7 {
			t.Errorf("GOMAXPROCS = %d, want the %d that was set meanwhile", n, before+7)
		}
	})
}

func TestCPUFramesOfOnePermitShareOneThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewCPULimiter(1)
		var mu sync.Mutex
		tids := map[int]int{}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, ctx := request(t, t.Context(), bridge.Limits{CPU: l})
				must[struct{}](t)(bridge.RunSync(ctx, run(func() {
					tid := unix.Gettid()
					for range 10 {
						runtime.Gosched()
						if now := unix.Gettid(); now != tid {
							t.Errorf("moved from thread %d to %d", tid, now)
						}
					}
					mu.Lock()
					tids[tid]++
					mu.Unlock()
				}), bridge.On(l)))
			})
		}
		wg.Wait()
		if len(tids) != 1 {
			t.Errorf("frames ran on threads %v, want one", tids)
		}
		rest()
	})
}

func TestAFrameThatAwaitsOnACPULimiterLetsAnotherCompute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		_, other := request(t, t.Context(), l)
		on := bridge.On(l.CPU)
		must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
			return bridge.Await(s, func(ctx context.Context) (struct{}, error) {
				must[struct{}](t)(bridge.RunSync(other, run(func() {}), on))
				// Below the frame its own permit is borrowed.
				return bridge.RunSync(ctx, run(func() {
					if n := l.CPU.Stats().InUse; n != 1 {
						t.Errorf("%d in use", n)
					}
				}))
			})
		}, on))
		idle(t, l.Blocking, l.CPU)
		rest()
	})
}

func explode() { panic("kaboom") }

func TestAPanicOnACPUThreadKeepsItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewCPULimiter(1)
		defer rest()
		defer func() {
			p, ok := recover().(*bridge.PanicError)
			if !ok || p.Value != "kaboom" || !strings.Contains(string(p.Stack), "bridge_test.explode") {
				t.Errorf("recovered %#v, want a PanicError with the stack of explode", p)
			} else if !strings.HasPrefix(p.Error(), "panic: kaboom\n\ngoroutine ") {
				t.Errorf("text %q", p.Error())
			}
		}()
		_, _ = bridge.RunSync(t.Context(), run(explode), bridge.On(l))
	})
}

func TestAPanicThroughAwaitAndRunSyncReachesTheCaller(t *testing.T) {
	boom := errors.New("boom")
	l := limits(1)
	s, ctx := request(t, t.Context(), l)
	defer func() {
		if v := recover(); v != boom {
			t.Errorf("recovered %v, want the value itself", v)
		}
		idle(t, l.Blocking)
	}()
	_, _ = bridge.RunSync(ctx, func() (int, error) {
		return bridge.Await(s, func(ctx context.Context) (int, error) {
			return bridge.RunSync(ctx, func() (int, error) { panic(boom) })
		})
	})
}
