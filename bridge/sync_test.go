package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/bridge"
)

type calculator struct{ factor int }

func (c calculator) times(n int) (int, error) { return c.factor * n, nil }

func TestAdaptersPassValuesAndErrors(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(1))
	boom := errors.New("boom")
	times := bridge.SyncToAsync(calculator{3}.times) // a method value
	fail := bridge.SyncToAsync(func(string) (int, error) { return 7, boom })
	if n, err := times(ctx, 14); n != 42 || err != nil {
		t.Errorf("times = %d, %v", n, err)
	}
	if n, err := fail(ctx, ""); n != 7 || !errors.Is(err, boom) {
		t.Errorf("fail = %d, %v", n, err)
	}
	var asAsync func(context.Context, int) (int, error) = times
	must[int](t)(bridge.RunSync(ctx, func() (int, error) { return bridge.AsyncToSync(s, asAsync)(2) }))
}

func TestSyncToAsyncRefusesAFunctionThatTakesACtx(t *testing.T) {
	for name, make := range map[string]func(){
		"plain": func() {
			bridge.SyncToAsync(func(context.Context) (int, error) { return 0, nil })
		},
		"scoped": func() {
			bridge.SyncToAsyncScoped(func(*bridge.Scope, context.Context) (int, error) { return 0, nil })
		},
		"nil": func() {
			bridge.SyncToAsync[int, int](nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				want := "so it is async already: call it directly"
				if name == "nil" {
					want = "the function is nil"
				}
				if msg := fmt.Sprint(recover()); !strings.Contains(msg, want) {
					t.Errorf("panic %q, want %q in it", msg, want)
				}
			}()
			make()
			t.Error("it was adapted")
		})
	}
}

func TestScopedSyncFunctionsCanAwait(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	fetch := func(ctx context.Context, n int) (int, error) { return n + 1, ctx.Err() }
	legacy := bridge.SyncToAsyncScoped(func(s *bridge.Scope, n int) (int, error) {
		return bridge.AsyncToSync(s, fetch)(n)
	})
	_, ctx := request(t, t.Context(), l)
	for name, ctx := range map[string]context.Context{"in a request": ctx, "outside any scope": t.Context()} {
		if n, err := legacy(ctx, 41); n != 42 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	idle(t, l.Blocking)
}

func TestOutsideAnyScopeSyncWorkTakesThePermitsOfTheProcess(t *testing.T) {
	must[int](t)(bridge.RunSync(t.Context(), func() (int, error) {
		if n := bridge.DefaultLimits().Blocking.Stats().InUse; n != 1 {
			t.Errorf("%d in use", n)
		}
		return 0, nil
	}))
	idle(t, bridge.DefaultLimits().Blocking)
}

// Random trees of sync, await, gather, parallel and pinned calls over few permits
// come to an end and leave every permit behind, whatever the shape.
func TestRandomNestingEndsAndLeavesNothing(t *testing.T) {
	for seed := range uint64(30) {
		l := limits(2)
		extra := bridge.NewLimiter(1)
		var wg sync.WaitGroup
		for who := range uint64(8) {
			wg.Go(func() {
				_, ctx := request(t, t.Context(), l)
				n := nester{extra}
				if err := n.async(ctx, rand.New(rand.NewPCG(seed, who)), 5); err != nil {
					t.Errorf("seed %d request %d: %v", seed, who, err)
				}
			})
		}
		wg.Wait()
		idle(t, l.Blocking, l.CPU, extra)
	}
}

type nester struct{ extra *bridge.Limiter }

func (n nester) async(ctx context.Context, r *rand.Rand, depth int) error {
	if depth == 0 {
		return ctx.Err()
	}
	one := func(seed uint64) func(context.Context) (struct{}, error) {
		return func(ctx context.Context) (struct{}, error) {
			r := rand.New(rand.NewPCG(seed, 2))
			var opts []bridge.SyncOption
			if r.IntN(4) == 0 {
				opts = append(opts, bridge.As("nested"))
			}
			switch r.IntN(8) {
			case 0:
				opts = append(opts, bridge.Parallel())
			case 1:
				opts = append(opts, bridge.On(n.extra))
			case 2:
				return struct{}{}, n.async(ctx, r, depth-1)
			case 3, 4:
				opts = append(opts, bridge.Pinned())
			}
			return bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (struct{}, error) {
				return struct{}{}, n.sync(s, r, depth-1)
			}, opts...)
		}
	}
	switch r.IntN(3) {
	case 0:
		_, err := one(r.Uint64())(ctx)
		return err
	case 1:
		_, _, err := bridge.Gather2(ctx, one(r.Uint64()), one(r.Uint64()))
		return err
	}
	_, _, _, err := bridge.Gather3(ctx, one(r.Uint64()), one(r.Uint64()), one(r.Uint64()))
	return err
}

func (n nester) sync(s *bridge.Scope, r *rand.Rand, depth int) error {
	for range r.IntN(3) {
		_, err := bridge.Await(s, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, n.async(ctx, r, depth)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
