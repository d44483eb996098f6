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

func TestAScopeCountsHowLongItsFramesWaited(t *testing.T) {
	const hold = time.Second
	cases := map[string]struct {
		opts []bridge.SyncOption
		// occupy runs f where it makes a frame of ctx wait.
		occupy func(ctx context.Context, l bridge.Limits, f func())
		want   time.Duration
	}{
		"not at all": {occupy: func(context.Context, bridge.Limits, func()) {}},
		"for its turn": {
			want: hold,
			occupy: func(ctx context.Context, _ bridge.Limits, f func()) {
				_, _ = bridge.RunSync(ctx, run(f))
			},
		},
		"for a permit": {
			want: hold,
			occupy: func(ctx context.Context, l bridge.Limits, f func()) {
				_, _ = bridge.RunSync(context.Background(), run(f), bridge.On(l.Blocking))
			},
		},
		"for a permit, in parallel": {
			want: hold, opts: []bridge.SyncOption{bridge.Parallel()},
			occupy: func(ctx context.Context, l bridge.Limits, f func()) {
				_, _ = bridge.RunSync(ctx, run(f))
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits(1)
				s, ctx := request(t, t.Context(), l)
				var wg sync.WaitGroup
				wg.Go(func() { c.occupy(ctx, l, func() { time.Sleep(hold) }) })
				synctest.Wait()
				must[struct{}](t)(bridge.RunSyncScoped(ctx, func(own *bridge.Scope) (struct{}, error) {
					if got := own.Waited(); got != c.want {
						t.Errorf("the frame's own scope says %v, want %v", got, c.want)
					}
					return struct{}{}, nil
				}, c.opts...))
				wg.Wait()
				if got := s.Waited(); got != c.want {
					t.Errorf("waited %v, want %v", got, c.want)
				}
				idle(t, l.Blocking)
			})
		})
	}
}

func TestAWaitThatCameToNothingCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1, bridge.QueueTimeout(3*time.Second))
		s, ctx := request(t, t.Context(), l)
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = bridge.RunSync(context.Background(), run(func() { <-release }), bridge.On(l.Blocking)) })
		synctest.Wait()
		if _, err := bridge.RunSync(ctx, run(func() { t.Error("it ran") })); !errors.Is(err, bridge.ErrQueueTimeout) {
			t.Errorf("err = %v", err)
		}
		if got := s.Waited(); got != 3*time.Second {
			t.Errorf("waited %v, want 3s", got)
		}
		close(release)
		wg.Wait()
	})
}

func TestTheWayBackFromAwaitIsNoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ctx := request(t, t.Context(), limits(1))
		must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
			return bridge.Await(s, waiting(func(context.Context) { time.Sleep(time.Second) }))
		}))
		if got := s.Waited(); got != 0 {
			t.Errorf("waited %v", got)
		}
	})
}
