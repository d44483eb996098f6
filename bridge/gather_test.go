package bridge_test

import (
	"context"
	"errors"
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

func after[T any](d time.Duration, v T) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		select {
		case <-time.After(d):
			return v, nil
		case <-ctx.Done():
			return v, context.Cause(ctx)
		}
	}
}

func TestGatherTakesTheTimeOfTheSlowest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		a, b, c, d, e, err := bridge.Gather5(t.Context(),
			after(time.Second, 1), after(2*time.Second, "two"), after(3*time.Second, 3.0), after(4*time.Second, '4'), after(time.Second, true))
		if a != 1 || b != "two" || c != 3 || d != '4' || !e || err != nil {
			t.Error(a, b, c, d, e, err)
		}
		w, x, y, z, err := bridge.Gather4(t.Context(), after(0, 1), after(0, 2), after(0, 3), after(0, 4))
		if w+x+y+z != 10 || err != nil {
			t.Error(w, x, y, z, err)
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("took %v, want 4s", took)
		}
	})
}

func TestGatherCancelsSiblingsWithTheCauseAndJoinsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		var cause error
		joined := false
		v, _, _, err := bridge.Gather3(t.Context(),
			after(0, "kept"),
			func(context.Context) (int, error) { time.Sleep(time.Second); return 0, boom },
			func(ctx context.Context) (int, error) {
				<-ctx.Done()
				cause = context.Cause(ctx)
				time.Sleep(time.Second)
				joined = true
				return 0, errors.New("a later error")
			})
		if !errors.Is(err, boom) || !errors.Is(cause, boom) || !joined || v != "kept" {
			t.Errorf("err %v, cause %v, joined %v, first result %q", err, cause, joined, v)
		}
	})
}

func TestGatherRaisesAPanicAgainWithItsStack(t *testing.T) {
	joined := false
	defer func() {
		p, ok := recover().(*bridge.PanicError)
		if !ok || p.Value != "kaboom" || !strings.Contains(string(p.Stack), "bridge_test.explode") || !joined {
			t.Errorf("recovered %v, joined %v", p, joined)
		}
	}()
	_, _, _ = bridge.Gather2(t.Context(),
		func(context.Context) (int, error) { explode(); return 0, nil },
		func(ctx context.Context) (int, error) { <-ctx.Done(); joined = true; return 0, nil })
	t.Error("returned")
}

func TestGatherPassesGoexitOn(t *testing.T) {
	var wg sync.WaitGroup
	joined := false
	wg.Go(func() {
		_, _, _ = bridge.Gather2(t.Context(),
			func(context.Context) (int, error) { runtime.Goexit(); return 0, nil },
			func(ctx context.Context) (int, error) { <-ctx.Done(); joined = true; return 0, nil })
		t.Error("returned")
	})
	wg.Wait()
	if !joined {
		t.Error("the sibling was left behind")
	}
}

func TestGatherAllKeepsOrderAndLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make([]int, 20)
		for i := range in {
			in[i] = i
		}
		var running, most atomic.Int64
		start := time.Now()
		out, err := bridge.GatherAll(t.Context(), 5, in, func(_ context.Context, i int) (int, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			running.Add(-1)
			return i * i, nil
		})
		for i := range in {
			in[i] *= i
		}
		if !slices.Equal(out, in) || err != nil || most.Load() != 5 || time.Since(start) != 4*time.Second {
			t.Errorf("%v, %v; %d at once, %v", out, err, most.Load(), time.Since(start))
		}
	})
}

func TestGatherAllBeginsNothingAfterAFailure(t *testing.T) {
	boom := errors.New("boom")
	var began atomic.Int64
	_, err := bridge.GatherAll(t.Context(), 1, make([]int, 10), func(context.Context, int) (int, error) {
		if began.Add(1) == 3 {
			return 0, boom
		}
		return 0, nil
	})
	if !errors.Is(err, boom) || began.Load() != 3 {
		t.Errorf("err %v after %d", err, began.Load())
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(boom)
	_, err = bridge.GatherAll(ctx, 2, make([]int, 3), func(context.Context, int) (int, error) { t.Error("began"); return 0, nil })
	if !errors.Is(err, boom) {
		t.Errorf("with an ended ctx: err %v", err)
	}
}

func TestGatherAllOfNothing(t *testing.T) {
	out, err := bridge.GatherAll(t.Context(), 3, nil, func(_ context.Context, s string) (string, error) { return s, nil })
	if len(out) != 0 || err != nil {
		t.Error(out, err)
	}
}
