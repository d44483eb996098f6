package bridge_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// shared gives the process its share back when the test ends.
func shared(t *testing.T) {
	t.Helper()
	before := bridge.Share()
	t.Cleanup(func() { bridge.SetShare(before) })
}

func permits(t *testing.T, when string, l *bridge.Limiter, want int) {
	t.Helper()
	if n := l.Stats().Permits; n != want {
		t.Errorf("%s: %d permits, want %d", when, n, want)
	}
}

func maxprocs(t *testing.T, when string, want int) {
	t.Helper()
	if n := runtime.GOMAXPROCS(0); n != want {
		t.Errorf("%s: GOMAXPROCS = %d, want %d", when, n, want)
	}
}

func TestAutoPermitsFollowTheShare(t *testing.T) {
	shared(t)
	bridge.SetShare(2)
	auto, fixed := bridge.NewCPULimiter(bridge.Auto), bridge.NewCPULimiter(3)
	for _, step := range []struct{ share, auto int }{{2, 1}, {5, 4}, {1, 1}, {8, 7}, {8, 7}, {3, 2}} {
		bridge.SetShare(step.share)
		permits(t, "auto", auto, step.auto)
		permits(t, "fixed", fixed, 3)
		maxprocs(t, "not raised", step.share)
		if bridge.Share() != step.share || bridge.CPUPermits() != step.auto {
			t.Errorf("share %d: Share = %d, CPUPermits = %d", step.share, bridge.Share(), bridge.CPUPermits())
		}
		permits(t, "made now", bridge.NewCPULimiter(bridge.Auto), step.auto)
	}
	auto.SetPermits(5)
	bridge.SetShare(4)
	permits(t, "after SetPermits", auto, 5)
	permits(t, "the process's own", bridge.DefaultLimits().CPU, 3)
	permits(t, "the process's own", bridge.DefaultLimits().Blocking, bridge.DefaultBlocking)
}

func TestTheShareMayChangeWhileCPUFramesRun(t *testing.T) {
	shared(t)
	synctest.Test(t, func(t *testing.T) {
		bridge.SetShare(4)
		auto, fixed := bridge.NewCPULimiter(bridge.Auto), bridge.NewCPULimiter(2)
		_, ctx := request(t, t.Context(), bridge.Limits{CPU: auto})
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {
			maxprocs(t, "share 4", 4+3)
			bridge.SetShare(6)
			maxprocs(t, "share 6", 6+5)
			must[struct{}](t)(bridge.RunSync(context.Background(), run(func() {
				maxprocs(t, "with a fixed one beside", 6+5+2)
				bridge.SetShare(2)
				maxprocs(t, "share 2", 2+1+2)
				fixed.SetPermits(7)
				maxprocs(t, "seven permits", 2+1+7)
			}), bridge.On(fixed)))
		}), bridge.On(auto)))
		rest()
		maxprocs(t, "at rest", 2)
		permits(t, "at rest", auto, 1)
		must[struct{}](t)(bridge.RunSync(ctx, run(func() { maxprocs(t, "again", 2+1) }), bridge.On(auto)))
		rest()
	})
}

func TestAGOMAXPROCSSetBySomebodyElseStaysWhenTheShareChanges(t *testing.T) {
	shared(t)
	synctest.Test(t, func(t *testing.T) {
		bridge.SetShare(2)
		l := bridge.NewCPULimiter(bridge.Auto)
		must[struct{}](t)(bridge.RunSync(t.Context(), run(func() {
			runtime.GOMAXPROCS(9)
			bridge.SetShare(4)
			maxprocs(t, "set by the program", 9)
			permits(t, "they follow all the same", l, 3)
		}), bridge.On(l)))
		rest()
		maxprocs(t, "at rest", 9)
	})
}

func TestMorePermitsWakeWhoWaits(t *testing.T) {
	for name, l := range map[string]*bridge.Limiter{
		"blocking": bridge.NewLimiter(1, bridge.QueueTimeout(0)), "cpu": bridge.NewCPULimiter(1, bridge.QueueTimeout(0)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				give := held(t, l)
				back := make(chan struct{})
				for range 3 {
					go bridge.RunSync(t.Context(), run(func() { <-back }), bridge.On(l)) //nolint:errcheck // the limiter's figures are looked at
				}
				synctest.Wait()
				time.Sleep(time.Minute)
				starving(t, l, time.Minute)
				l.SetPermits(3)
				synctest.Wait()
				if st := l.Stats(); st.InUse != 3 || st.Queued != 1 || st.Permits != 3 || st.Starving != 0 {
					t.Errorf("%+v, want 3 of 3 in use and one waiting", st)
				}
				give()
				close(back)
				synctest.Wait()
				idle(t, l)
				rest()
			})
		})
	}
}

func TestFewerPermitsAreADebtThatIsPaidAsFramesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLimiter(4, bridge.QueueTimeout(0))
		give := held(t, l)
		l.SetPermits(2)
		began := make(chan struct{}, 1)
		go bridge.RunSync(t.Context(), run(func() { began <- struct{}{} }), bridge.On(l)) //nolint:errcheck // began says it
		for inUse := 4; inUse > 2; inUse-- {
			synctest.Wait()
			if st := l.Stats(); st.InUse != inUse || st.Queued != 1 || len(began) != 0 {
				t.Errorf("%+v, want %d in use and one waiting", st, inUse)
			}
			give()
		}
		if len(began) != 0 {
			t.Error("a frame began while all permits were in use")
		}
		give()
		if len(began) != 1 {
			t.Error("a permit was free and nobody had it")
		}
		give()
		idle(t, l)
	})
}

func TestRefusalsNameTheNumberOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLimiter(1, bridge.Queue(0))
		l.SetPermits(2)
		give := held(t, l)
		_, err := bridge.RunSync(t.Context(), run(func() {}), bridge.On(l))
		if !errors.Is(err, bridge.ErrSaturated) || !strings.Contains(err.Error(), "its 2 permits") {
			t.Errorf("error %v", err)
		}
		give()
		give()
	})
}

func TestPermitsAndShareAreAtLeastOne(t *testing.T) {
	l := bridge.NewCPULimiter(1)
	for name, f := range map[string]func(){
		"SetPermits":    func() { l.SetPermits(0) },
		"SetShare":      func() { bridge.SetShare(0) },
		"NewCPULimiter": func() { bridge.NewCPULimiter(-1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s took less than one", name)
				}
			}()
			f()
		}()
	}
	permits(t, "afterwards", l, 1)
}
