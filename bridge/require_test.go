package bridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/bridge"
)

// guarded fails the test unless the guard lets pass, or refuses for that reason.
func guarded(t *testing.T, s bridge.Scoped, why string) {
	t.Helper()
	err := bridge.RequireSync(s, "orm: Query.Get")
	switch {
	case why == "" && err != nil:
		t.Errorf("refused: %v", err)
	case why == "":
	case !errors.Is(err, bridge.ErrSynchronousOnly):
		t.Errorf("err = %v, want ErrSynchronousOnly", err)
	case !strings.HasPrefix(err.Error(), "orm: Query.Get: "), !strings.Contains(err.Error(), why), !strings.Contains(err.Error(), "takes a ctx"):
		t.Errorf("err = %q, want it to say what, %q, and what to do", err, why)
	}
}

func TestRequireSyncLetsPassInALiveFrameAlone(t *testing.T) {
	const none, awaits, over = "no sync code of this scope is running", "this scope awaits", "has returned"
	for how, opts := range map[string][]bridge.SyncOption{"plain": nil, "pinned": {bridge.Pinned()}} {
		t.Run(how, func(t *testing.T) {
			s, ctx := request(t, t.Context(), limits(2))
			guarded(t, s, none)
			own := must[*bridge.Scope](t)(bridge.RunSyncScoped(ctx, func(own *bridge.Scope) (*bridge.Scope, error) {
				guarded(t, s, "")
				guarded(t, own, "")
				must[struct{}](t)(bridge.Await(s, func(ctx context.Context) (struct{}, error) {
					guarded(t, s, awaits)
					guarded(t, own, "whose scope this is awaits")
					return bridge.RunSync(ctx, run(func() {
						guarded(t, s, "")
						guarded(t, own, "whose scope this is awaits")
					}))
				}))
				guarded(t, s, "")
				guarded(t, own, "")
				return own, nil
			}, opts...))
			guarded(t, own, over)
			must[struct{}](t)(bridge.RunSync(ctx, run(func() { guarded(t, own, over) }))) // another frame
			must[struct{}](t)(bridge.RunSyncScoped(ctx, func(own *bridge.Scope) (struct{}, error) {
				guarded(t, own, "")
				guarded(t, s, none) // a parallel frame is never meant by the request's scope
				return struct{}{}, nil
			}, bridge.Parallel()))
			must[struct{}](t)(bridge.RunSync(ctx, run(func() {
				s.Close()
				guarded(t, s, "") // it runs to its end
			})))
			guarded(t, s, none)
		})
	}
}

func TestRequireSyncLetsPassInAJobsOwnCode(t *testing.T) {
	job := bridge.NewRoot(t.Context(), limits(1))
	guarded(t, job, "")
	must[struct{}](t)(bridge.Await(job, func(ctx context.Context) (struct{}, error) {
		guarded(t, job, "this scope awaits")
		return bridge.RunSync(ctx, run(func() { guarded(t, job, "") }))
	}))
	guarded(t, job, "")
	job.Close()
	guarded(t, job, "no sync code")
}
