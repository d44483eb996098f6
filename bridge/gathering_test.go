package bridge_test

import (
	"context"
	"testing"

	"github.com/tandem-go/tandem/bridge"
)

func TestGatheringTellsWhatRunsBesideOthers(t *testing.T) {
	ctx := t.Context()
	if g := bridge.Gathering(ctx); g != nil {
		t.Errorf("outside of any: %v", g)
	}
	of := func(ctx context.Context) (any, error) { return bridge.Gathering(ctx), nil }
	a, b, err := bridge.Gather2(ctx, of, func(ctx context.Context) (any, error) {
		outer := bridge.Gathering(ctx)
		inner, same, err := bridge.Gather2(ctx, of, of)
		if inner == nil || inner == outer || inner != same {
			t.Errorf("inner %p %p, outer %p", inner, same, outer)
		}
		return outer, err
	})
	if err != nil || a == nil || a != b {
		t.Errorf("%p %p, %v", a, b, err)
	}
	for limit, beside := range map[int]bool{1: false, 2: true, 0: true} {
		got, err := bridge.GatherAll(ctx, limit, []int{1, 2}, func(ctx context.Context, _ int) (any, error) { return of(ctx) })
		if err != nil || (got[0] != nil) != beside || got[0] != got[1] {
			t.Errorf("limit %d: %v, %v", limit, got, err)
		}
	}
}
