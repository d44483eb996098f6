package bridge_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tandem-go/tandem/bridge"
)

// deep runs f below n frames of the stack.
func deep(n int, f func() error) error {
	if n == 0 {
		return f()
	}
	return deep(n-1, f)
}

func TestASyncCallInsideAFrameThatWouldWaitForItsOwnIsRefused(t *testing.T) {
	extra := bridge.NewLimiter(1, bridge.Named("extra"))
	for name, test := range map[string]struct {
		frame  []bridge.SyncOption // of the frame
		inside []bridge.SyncOption // of the call inside it
	}{
		"for its turn":                      {nil, nil},
		"for its turn, named":               {[]bridge.SyncOption{bridge.As("outer")}, []bridge.SyncOption{bridge.As("inner")}},
		"for its turn, pinned":              {[]bridge.SyncOption{bridge.Pinned()}, nil},
		"for its turn, computing":           {nil, nil}, // the limiter is set below
		"for a permit":                      {nil, []bridge.SyncOption{bridge.Parallel()}},
		"for a permit, parallel":            {[]bridge.SyncOption{bridge.Parallel()}, []bridge.SyncOption{bridge.Parallel()}},
		"for a permit of another limiter":   {nil, []bridge.SyncOption{bridge.Parallel(), bridge.On(extra)}},
		"for its turn, on another limiter":  {nil, []bridge.SyncOption{bridge.On(extra)}},
		"for a permit, from a named thread": {[]bridge.SyncOption{bridge.Pinned(), bridge.As("x")}, []bridge.SyncOption{bridge.Parallel()}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits(1)
				if name == "for its turn, computing" {
					test.frame = []bridge.SyncOption{bridge.On(l.CPU)}
					defer rest()
				}
				_, ctx := request(t, t.Context(), l)
				var wg sync.WaitGroup
				end := hold(t, &wg, extra) // another has that one's permit
				must[struct{}](t)(bridge.RunSync(ctx, run(func() {
					for _, depth := range []int{0, 200} {
						err := deep(depth, func() error {
							_, err := bridge.RunSync(ctx, run(func() { t.Error("it ran") }), test.inside...)
							return err
						})
						if !errors.Is(err, bridge.ErrWouldDeadlock) {
							t.Errorf("err = %v, want ErrWouldDeadlock", err)
						}
					}
				}), test.frame...))
				end()
				wg.Wait()
				idle(t, l.Blocking, l.CPU, extra)
			})
		})
	}
}

func TestAPinnedCallInsideAPinnedFrameIsRefused(t *testing.T) {
	l := limits(2)
	_, ctx := request(t, t.Context(), l)
	_, below := request(t, ctx, l) // lane and permit are free there, the thread is not
	_, err := bridge.RunSync(ctx, func() (int, error) {
		return bridge.RunSync(below, tid, bridge.Pinned())
	}, bridge.Pinned())
	if !errors.Is(err, bridge.ErrWouldDeadlock) {
		t.Errorf("err = %v, want ErrWouldDeadlock", err)
	}
	idle(t, l.Blocking)
}

func TestASyncCallInsideAFrameThatNeedNotWaitRuns(t *testing.T) {
	l := limits(2)
	extra := bridge.NewLimiter(1)
	_, ctx := request(t, t.Context(), l)
	_, other := request(t, t.Context(), l)
	must[struct{}](t)(bridge.RunSync(ctx, run(func() {
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {}), bridge.Parallel()))
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {}), bridge.Parallel(), bridge.On(extra)))
		must[struct{}](t)(bridge.RunSync(other, run(func() {})))
	})))
	idle(t, l.Blocking, extra)
}

// Whoever waits elsewhere than inside a frame waits, and gets what he waits for.
func TestWaitingOutsideAFrameIsNotRefused(t *testing.T) {
	one := func(ctx context.Context) (struct{}, error) { return bridge.RunSync(ctx, run(func() {})) }
	for name, wait := range map[string]func(t *testing.T, s *bridge.Scope, l bridge.Limits){
		"below Await, behind another goroutine's frame": func(t *testing.T, s *bridge.Scope, _ bridge.Limits) {
			must[struct{}](t)(bridge.Await(s, func(ctx context.Context) (struct{}, error) {
				release := make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { <-release }))) })
				synctest.Wait()
				wg.Go(func() { synctest.Wait(); close(release) })
				_, err := one(ctx)
				wg.Wait()
				return struct{}{}, err
			}))
		},
		"in a gather below Await": func(t *testing.T, s *bridge.Scope, _ bridge.Limits) {
			must[struct{}](t)(bridge.Await(s, func(ctx context.Context) (struct{}, error) {
				_, _, _, err := bridge.Gather3(ctx, one, one, one)
				return struct{}{}, err
			}))
		},
		"below Await, for a permit of another limiter": func(t *testing.T, s *bridge.Scope, _ bridge.Limits) {
			extra := bridge.NewLimiter(1)
			var wg sync.WaitGroup
			end := hold(t, &wg, extra)
			must[struct{}](t)(bridge.Await(s, func(ctx context.Context) (struct{}, error) {
				wg.Go(func() { synctest.Wait(); end() })
				return bridge.RunSync(ctx, run(func() {}), bridge.On(extra))
			}))
			wg.Wait()
		},
		"on a goroutine of the frame, in another request": func(t *testing.T, _ *bridge.Scope, l bridge.Limits) {
			_, other := request(t, t.Context(), l)
			var wg sync.WaitGroup
			wg.Go(func() { must[struct{}](t)(one(other)) })
			synctest.Wait()
			t.Cleanup(wg.Wait)
		},
	} {
		for how, opts := range map[string][]bridge.SyncOption{"plain": nil, "pinned": {bridge.Pinned(), bridge.As("frame")}} {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := limits(1)
					_, ctx := request(t, t.Context(), l)
					must[struct{}](t)(bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (struct{}, error) {
						wait(t, s, l)
						return struct{}{}, nil
					}, opts...))
				})
			})
		}
	}
}

// A job's awaits are not the frame's that it is opened inside: nobody has given its
// permit back. Frames inside the job do so for themselves.
func TestAJobInsideAFrameDoesNotWaitWithTheFramesPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		extra := bridge.NewLimiter(1)
		_, ctx := request(t, t.Context(), l)
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {
			job := bridge.NewRoot(t.Context(), bridge.Limits{Blocking: extra})
			defer job.Close()
			must[struct{}](t)(bridge.Await(job, func(ctx context.Context) (struct{}, error) {
				refused := func(ctx context.Context) {
					if _, err := bridge.RunSync(ctx, run(func() {}), bridge.On(l.Blocking)); !errors.Is(err, bridge.ErrWouldDeadlock) {
						t.Errorf("err = %v, want ErrWouldDeadlock", err)
					}
				}
				refused(ctx)
				return bridge.RunSync(ctx, func() (struct{}, error) { return bridge.Await(job, waiting(refused)) })
			}))
		})))
		idle(t, l.Blocking, extra)
	})
}
