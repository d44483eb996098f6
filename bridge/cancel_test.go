package bridge_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

var errGoodbye = errors.New("the server drains")

// ended fails the test unless ctx has ended with an error and a cause.
func ended(t *testing.T, ctx context.Context, err, cause error) {
	t.Helper()
	if got := ctx.Err(); got != err {
		t.Errorf("Err = %v, want %v", got, err)
	}
	if got := context.Cause(ctx); got != cause {
		t.Errorf("cause = %v, want %v", got, cause)
	}
	select {
	case <-ctx.Done():
	default:
		t.Error("Done is open")
	}
}

func TestCancelEndsTheScopesContextWhoeverAskedBefore(t *testing.T) {
	for name, ask := range map[string]func(context.Context){
		"nobody":               func(context.Context) {},
		"somebody for Done":    func(ctx context.Context) { ctx.Done() },
		"somebody for the Err": func(ctx context.Context) { _ = ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			s, ctx := request(t, t.Context(), limits(1))
			ask(ctx)
			if ctx.Err() != nil || context.Cause(ctx) != nil {
				t.Errorf("before: %v, %v", ctx.Err(), context.Cause(ctx))
			}
			s.Cancel(errGoodbye)
			ended(t, ctx, context.Canceled, errGoodbye)
			s.Cancel(errors.New("another"))
			s.Close()
			ended(t, ctx, context.Canceled, errGoodbye)
		})
	}
}

func TestCancelEndsWhatWasDerivedButNotWhatIsShielded(t *testing.T) {
	type key struct{}
	s, ctx := request(t, context.WithValue(t.Context(), key{}, "value"), limits(1))
	below, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	shielded := context.WithoutCancel(ctx)
	told := make(chan struct{})
	context.AfterFunc(below, func() { close(told) })
	s.Cancel(errGoodbye)
	ended(t, below, context.Canceled, errGoodbye)
	<-told
	if shielded.Err() != nil || shielded.Value(key{}) != "value" || below.Value(key{}) != "value" {
		t.Errorf("shielded: %v, value %v; derived: value %v", shielded.Err(), shielded.Value(key{}), below.Value(key{}))
	}
}

func TestCancelReachesEveryAwaitInProgress(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(1))
	must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
		return bridge.Await(s, func(outer context.Context) (struct{}, error) {
			return bridge.RunSyncScoped(outer, func(inner *bridge.Scope) (struct{}, error) {
				return bridge.Await(inner, waiting(func(innermost context.Context) {
					inner.Cancel(errGoodbye) // of the request's, not of the frame's alone
					<-innermost.Done()
					for _, ctx := range []context.Context{ctx, outer, innermost} {
						ended(t, ctx, context.Canceled, errGoodbye)
					}
				}))
			})
		})
	}))
}

// Two goroutines of one frame await: whose frame is meant cannot be told, and the
// context is the scope's.
func TestCancelReachesAnAwaitWhoseFrameCannotBeTold(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(2))
	must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
		return bridge.Await(s, waiting(func(outer context.Context) {
			must[struct{}](t)(bridge.RunSync(outer, run(func() {
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						must[struct{}](t)(bridge.Await(s, waiting(func(ctx context.Context) {
							s.Cancel(errGoodbye)
							<-ctx.Done()
							ended(t, ctx, context.Canceled, errGoodbye)
						})))
					})
				}
				wg.Wait()
			})))
		}))
	}))
}

func TestCancelDropsWorkThatWaitsAndLeavesWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		s, ctx := request(t, t.Context(), l)
		other, elsewhere := request(t, t.Context(), l)
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { <-release }))) })
		synctest.Wait()
		dropped := func(ctx context.Context) {
			if _, err := bridge.RunSync(ctx, run(func() { t.Error("it ran") })); err != errGoodbye {
				t.Errorf("err = %v, want the cause", err)
			}
		}
		wg.Go(func() { dropped(ctx) })       // waits for its turn
		wg.Go(func() { dropped(elsewhere) }) // for a permit
		synctest.Wait()
		s.Cancel(errGoodbye)
		other.Cancel(errGoodbye)
		synctest.Wait()
		if st := l.Blocking.Stats(); st.InUse != 1 || st.Queued != 0 || st.Rejected != 0 {
			t.Errorf("%+v, want one frame that runs and nobody who waits", st)
		}
		dropped(ctx)
		close(release)
		wg.Wait()
		idle(t, l.Blocking)
	})
}

func TestCloseEndsTheScopesContext(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(1))
	below, cancel := context.WithCancel(ctx)
	defer cancel()
	s.Close()
	ended(t, ctx, context.Canceled, bridge.ErrScopeClosed)
	ended(t, below, context.Canceled, bridge.ErrScopeClosed)

	never, unasked := request(t, t.Context(), limits(1))
	never.Close()
	ended(t, unasked, context.Canceled, bridge.ErrScopeClosed)
}

func TestAScopesContextKeepsTheErrorItEndedWithFirst(t *testing.T) {
	errLate := errors.New("too late")
	for name, ask := range map[string]func(context.Context){
		"asked before": func(ctx context.Context) { ctx.Done() }, "not asked": func(context.Context) {},
	} {
		t.Run(name, func(t *testing.T) {
			parent, cancel := context.WithDeadlineCause(t.Context(), time.Now().Add(-time.Second), errLate)
			defer cancel()
			s, ctx := request(t, parent, limits(1))
			ask(ctx)
			if at, ok := ctx.Deadline(); !ok || at.After(time.Now()) {
				t.Errorf("deadline %v, %v", at, ok)
			}
			s.Close()
			s.Cancel(errGoodbye)
			ended(t, ctx, context.DeadlineExceeded, errLate)
		})
	}
}

// registry is a parent that counts who wants to be told of its end.
type registry struct {
	context.Context
	done chan struct{}
	mu   sync.Mutex
	open int
	all  int
}

func (r *registry) Done() <-chan struct{} { return r.done }

func (r *registry) AfterFunc(func()) (stop func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open++
	r.all++
	return sync.OnceValue(func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.open--
		return true
	})
}

func TestAClosedScopeLeavesNothingWithItsParent(t *testing.T) {
	parent := &registry{Context: t.Context(), done: make(chan struct{})}
	for range 3 {
		s, ctx := request(t, parent, limits(1))
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {})))
		s.Close()
	}
	if parent.all != 0 {
		t.Errorf("%d requests that asked for nothing registered with the parent", parent.all)
	}
	for range 3 {
		s, ctx := request(t, parent, limits(1))
		ctx.Done()
		s.Close()
		late, unasked := request(t, parent, limits(1))
		late.Close()
		<-unasked.Done()
	}
	if parent.all == 0 || parent.open != 0 {
		t.Errorf("of %d that registered with the parent %d are still there", parent.all, parent.open)
	}
}

func TestDerivingFromAScopeTakesNoGoroutine(t *testing.T) {
	_, ctx := request(t, t.Context(), limits(1))
	before := runtime.NumGoroutine()
	for range 100 {
		_, cancel := context.WithCancel(ctx)
		defer cancel()
	}
	if n := runtime.NumGoroutine() - before; n > 50 { // those of other tests may come and go
		t.Errorf("%d goroutines more for 100 contexts", n)
	}
}

func TestCancelCloseAndReadersRaceForOneEnd(t *testing.T) {
	for range 200 {
		parent, cancel := context.WithCancelCause(t.Context())
		s := new(bridge.Scope)
		ctx := s.Open(parent, limits(1))
		var wg sync.WaitGroup
		start := make(chan struct{})
		for _, f := range []func(){
			func() { s.Cancel(errGoodbye) },
			s.Close,
			func() { cancel(context.DeadlineExceeded) },
			func() { <-ctx.Done() },
			func() {
				for ctx.Err() == nil {
					runtime.Gosched()
				}
				first := context.Cause(ctx)
				for range 10 {
					if now := context.Cause(ctx); now != first || ctx.Err() != context.Canceled {
						t.Errorf("the cause was %v and is %v, Err %v", first, now, ctx.Err())
					}
				}
			},
		} {
			wg.Go(func() { <-start; f() })
		}
		close(start)
		wg.Wait()
	}
}
