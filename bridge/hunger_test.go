package bridge_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// held takes all of a limiter's permits; each call of give gives one back.
func held(t *testing.T, l *bridge.Limiter) (give func()) {
	t.Helper()
	back := make(chan struct{})
	for range l.Stats().Permits {
		go func() {
			if _, err := bridge.RunSync(context.Background(), func() (int, error) { <-back; return 0, nil }, bridge.On(l)); err != nil {
				t.Error(err)
			}
		}()
	}
	synctest.Wait()
	return func() { back <- struct{}{}; synctest.Wait() }
}

// want waits for a permit in the background and gives it back at once.
func want(ctx context.Context, l *bridge.Limiter) {
	go bridge.RunSync(ctx, func() (int, error) { return 0, nil }, bridge.On(l)) //nolint:errcheck // the limiter's figures are looked at
	synctest.Wait()
}

func starving(t *testing.T, l *bridge.Limiter, want time.Duration) {
	t.Helper()
	if got := l.Stats().Starving; got != want {
		t.Errorf("starving for %v, want %v", got, want)
	}
}

func TestALimiterStarvesWhileSomebodyWaitsAndNothingIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLimiter(2, bridge.QueueTimeout(0))
		starving(t, l, 0)
		give := held(t, l)
		time.Sleep(time.Hour)
		starving(t, l, 0) // nobody wants another
		want(t.Context(), l)
		starving(t, l, 0)
		time.Sleep(time.Minute)
		starving(t, l, time.Minute)
		give() // the waiter has it, and gives it back
		starving(t, l, 0)
		time.Sleep(time.Minute)
		starving(t, l, 0)
		give()
	})
}

// A pool of slow work at its limit is busy, not stuck.
func TestALimiterWhosePermitsChangeHandsDoesNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLimiter(4, bridge.QueueTimeout(0))
		give := held(t, l)
		slow := func() {
			_, _ = bridge.RunSync(t.Context(), func() (int, error) { time.Sleep(20 * time.Second); return 0, nil }, bridge.On(l))
		}
		done := make(chan struct{})
		for range 40 {
			go func() { slow(); done <- struct{}{} }()
		}
		for range 4 {
			time.Sleep(5 * time.Second)
			give()
		}
		for range 40 {
			<-done
			if got := l.Stats().Starving; got > 5*time.Second {
				t.Fatalf("starving for %v though a permit changes hands every 5 s", got)
			}
		}
	})
}

// Waiters that give up are no release: it lasts from the first of them to the
// last, and no longer.
func TestALimiterStarvesOnAfterItsWaitersGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLimiter(1, bridge.QueueTimeout(10*time.Second))
		give := held(t, l)
		want(t.Context(), l)
		time.Sleep(time.Minute)
		starving(t, l, 10*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		want(ctx, l)
		starving(t, l, time.Minute)
		time.Sleep(time.Second)
		cancel()
		synctest.Wait()
		time.Sleep(time.Hour)
		starving(t, l, time.Minute+time.Second)
		give()
		starving(t, l, 0)
		give = held(t, l) // and none of it is held against whoever comes next
		starving(t, l, 0)
		give()
	})
}

func TestALimiterWithoutAQueueStarvesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLimiter(1, bridge.Queue(0))
		give := held(t, l)
		refused := func() {
			if _, err := bridge.RunSync(t.Context(), func() (int, error) { return 0, nil }, bridge.On(l)); !errors.Is(err, bridge.ErrSaturated) {
				t.Errorf("error %v", err)
			}
		}
		refused()
		time.Sleep(time.Minute)
		starving(t, l, 0)
		refused()
		starving(t, l, time.Minute)
		give()
		starving(t, l, 0)
	})
}

func TestWaitsAreCountedByTheirLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bridge.NewLimiter(1, bridge.QueueTimeout(0))
		for _, d := range []time.Duration{time.Millisecond, time.Millisecond + 1, time.Minute} {
			give := held(t, l)
			want(t.Context(), l)
			time.Sleep(d)
			give()
		}
		s := l.Stats()
		last := len(bridge.WaitBounds())
		if s.WaitCounts[0] != 1 || s.WaitCounts[1] != 1 || s.WaitCounts[last] != 1 || s.Waits != 3 {
			t.Errorf("counted %+v", s)
		}
	})
}
