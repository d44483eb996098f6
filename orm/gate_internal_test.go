package orm

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAGateLetsInByOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		if err := g.enter(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		var order []int
		gone, leave := context.WithCancel(t.Context())
		for i := range 5 {
			ctx := t.Context()
			if i == 2 {
				ctx = gone
			}
			go func() {
				if err := g.enter(ctx, 0); err != nil {
					if i != 2 || !errors.Is(err, context.Canceled) {
						t.Errorf("%d: %v", i, err)
					}
					return
				}
				order = append(order, i)
				g.leave()
			}()
			synctest.Wait()
		}
		leave()
		time.Sleep(time.Second) // of the bubble's clock
		g.leave()
		synctest.Wait()
		if want := []int{0, 1, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("in %v, want %v", order, want)
		}
		limit, inside, waiting, waits, waited := g.seen()
		if limit != 1 || inside != 0 || waiting != 0 || waits != 5 || waited != 4*time.Second {
			t.Errorf("%d, %d, %d, %d, %s", limit, inside, waiting, waits, waited)
		}
	})
}

func TestAGateIsWaitedAtForSoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		_ = g.enter(t.Context(), time.Second)
		began := time.Now()
		if err := g.enter(t.Context(), time.Second); err != errNoPlace || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		g.leave()
		if err := g.enter(t.Context(), time.Second); err != nil {
			t.Error(err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if err := newGate(1).enter(ended, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("though nobody is inside: %v", err)
		}
	})
}

func TestAGateThatIsResizedLetsInMoreOrFewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		var in atomic.Int32
		for range 4 {
			go func() {
				if err := g.enter(t.Context(), 0); err != nil {
					t.Error(err)
				}
				in.Add(1)
			}()
		}
		want := func(n int32) {
			t.Helper()
			synctest.Wait()
			if got := in.Load(); got != n {
				t.Errorf("%d have come in, want %d", got, n)
			}
		}
		want(1)
		g.resize(3)
		want(3)
		g.resize(1)
		g.leave()
		g.leave()
		want(3)
		g.leave()
		want(4)
	})
}
