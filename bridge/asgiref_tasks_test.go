package bridge_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/bridge"
)

// asgiref's own tests of tasks, which are goroutines here, in tests/test_sync.py,
// and of what must not be left over, in test_garbage_collection.py.

func TestAsgirefSyncToAsyncDeadlockIgnoredWithException(t *testing.T) {
	l := limits(1, bridge.Queue(0)) // whoever finds anything held is refused
	boom := errors.New("boom")
	for how, opts := range map[string][]bridge.SyncOption{"plain": nil, "pinned": {bridge.Pinned()}, "parallel": {bridge.Parallel()}} {
		_, ctx := request(t, t.Context(), l)
		for range 2 {
			if _, err := bridge.RunSync(ctx, func() (int, error) { return 0, boom }, opts...); !errors.Is(err, boom) {
				t.Errorf("%s: err = %v", how, err)
			}
			func() {
				defer func() {
					if v := recover(); v == nil {
						t.Errorf("%s: the panic is lost", how)
					}
				}()
				_, _ = bridge.RunSync(ctx, func() (int, error) { panic(boom) }, opts...)
			}()
		}
		must[int](t)(bridge.RunSync(ctx, tid, opts...))
		idle(t, l.Blocking)
	}
}

// asgiref expects this one to fail: who would set the event waits behind who waits
// for it, for ever. Here he is told at his deadline.
func TestAsgirefSyncToAsyncWithBlockerThreadSensitive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(2)
		_, ctx := request(t, t.Context(), l)
		event := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { must[struct{}](t)(bridge.RunSync(ctx, run(func() { <-event }))) })
		synctest.Wait()
		start := time.Now()
		trigger, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err := bridge.RunSync(trigger, run(func() { close(event) }))
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 2*time.Second {
			t.Errorf("after %v: %v; want the deadline's error after 2s", took, err)
		}
		close(event)
		wg.Wait()
		idle(t, l.Blocking)
	})
}

func TestAsgirefSyncToAsyncWithBlockerNonThreadSensitive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(2)
		_, ctx := request(t, t.Context(), l)
		event := make(chan struct{})
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Second)
			must[struct{}](t)(bridge.RunSync(ctx, run(func() { close(event) })))
		})
		bounded, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		must[struct{}](t)(bridge.RunSync(bounded, run(func() { <-event }), bridge.Parallel()))
		if took := time.Since(start); took != time.Second {
			t.Errorf("the event took %v", took)
		}
		wg.Wait()
		idle(t, l.Blocking)
	})
}

func TestAsgirefSyncToAsyncWithinCreateTask(t *testing.T) {
	_, ctx := request(t, t.Context(), limits(1, bridge.Queue(0)))
	middleware := bridge.SyncToAsyncScoped(func(s *bridge.Scope, _ struct{}) (bool, error) {
		mine, _ := tid()
		return bridge.Await(s, func(ctx context.Context) (bool, error) { // the view
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			id, err := task(func() (int, error) { return bridge.RunSync(ctx, tid) })
			return id == mine, err
		})
	}, bridge.Pinned())
	if same := must[bool](t)(middleware(ctx, struct{}{})); !same {
		t.Error("the sync task of the view runs on another thread than the middleware")
	}
}

// begun is a goroutine that calls sync code once it is let go.
type begun struct {
	release chan struct{}
	done    chan error
}

func begin(ctx context.Context, f func() (struct{}, error), opts ...bridge.SyncOption) *begun {
	b := &begun{release: make(chan struct{}), done: make(chan error, 1)}
	go func() {
		<-b.release
		_, err := bridge.RunSync(ctx, f, opts...)
		b.done <- err
	}()
	return b
}

func (b *begun) await() error { close(b.release); return <-b.done }

func TestAsgirefNestedTask(t *testing.T) {
	for how, opts := range map[string][]bridge.SyncOption{"plain": nil, "pinned": {bridge.Pinned()}} {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		ran := false
		inner := must[*begun](t)(bridge.RunSync(ctx, func() (*begun, error) {
			return bridge.Await(s, func(ctx context.Context) (*begun, error) {
				return begin(ctx, run(func() { ran = true }), opts...), nil
			})
		}, opts...))
		if err := inner.await(); err != nil || !ran { // the frame it was begun below is over
			t.Errorf("%s: ran %v, err %v", how, ran, err)
		}
		idle(t, l.Blocking)
	}
}

func TestAsgirefNestedTaskLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		later := must[chan *begun](t)(bridge.RunSync(ctx, func() (chan *begun, error) {
			return bridge.Await(s, func(ctx context.Context) (chan *begun, error) {
				future := make(chan *begun, 1)
				time.AfterFunc(100*time.Millisecond, func() { future <- begin(ctx, run(func() {})) })
				return future, nil
			})
		}))
		if err := (<-later).await(); err != nil {
			t.Error(err)
		}
		s.Close()
		idle(t, l.Blocking)
	})
}

func TestAsgirefDoubleNestedTask(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	s, ctx := request(t, t.Context(), l)
	var inner *begun
	outer := must[*begun](t)(bridge.RunSync(ctx, func() (*begun, error) {
		return bridge.Await(s, func(ctx context.Context) (*begun, error) {
			return begin(ctx, func() (struct{}, error) {
				return bridge.Await(s, waiting(func(ctx context.Context) { inner = begin(ctx, run(func() {})) }))
			}), nil
		})
	}))
	if err := outer.await(); err != nil {
		t.Error(err)
	}
	if err := inner.await(); err != nil {
		t.Error(err)
	}
	idle(t, l.Blocking)
}

func TestAsgirefTwoNestedTasksWithAsyncioRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for how, opts := range map[string][]bridge.SyncOption{"plain": nil, "pinned": {bridge.Pinned()}} {
			l := limits(1) // one may outlive the frame while the other asks
			s, ctx := request(t, t.Context(), l)
			event := make(chan struct{})
			var tasks, barrier sync.WaitGroup
			barrier.Add(3)
			ran := 0
			must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
				return bridge.Await(s, waiting(func(ctx context.Context) {
					for range 2 {
						tasks.Go(func() {
							waits := begin(ctx, run(func() { <-event; ran++ }))
							close(waits.release)
							barrier.Done()
							barrier.Wait()
							if err := <-waits.done; err != nil {
								t.Errorf("%s: %v", how, err)
							}
						})
					}
					barrier.Done()
					barrier.Wait()
					close(event)
				}))
			}, opts...))
			tasks.Wait()
			if ran != 2 {
				t.Errorf("%s: %d tasks ran", how, ran)
			}
			s.Close()
			idle(t, l.Blocking)
		}
	})
}

func TestAsgirefAsyncToSyncWithStoppedMainLoop(t *testing.T) {
	l := limits(1)
	s, ctx := request(t, t.Context(), l)
	must[struct{}](t)(bridge.RunSync(ctx, run(func() {
		call := bridge.AsyncToSync(s, answer)
		if n := must[int](t)(call(42)); n != 42 {
			t.Errorf("n = %d", n)
		}
		s.Close()
		_, err := task(func() (int, error) { return call(42) }) // never hangs
		if !errors.Is(err, bridge.ErrScopeClosed) {
			t.Errorf("err = %v, want ErrScopeClosed", err)
		}
	})))
	idle(t, l.Blocking)
}

// Nothing of a request is left: no goroutine, thread, permit or memory.
func TestAsgirefThreadCriticalLocalRemoveAllReferenceCycles(t *testing.T) {
	before := goleak.IgnoreCurrent()
	l := limits(1)
	use := func() (left weak.Pointer[bridge.Scope], id int) {
		s := new(bridge.Scope)
		ctx := s.Open(t.Context(), l)
		defer s.Close()
		id = must[int](t)(bridge.RunSync(ctx, func() (int, error) {
			return bridge.Await(s, func(ctx context.Context) (int, error) { return thread(ctx) })
		}, bridge.As("cycle"), bridge.Pinned()))
		return weak.Make(s), id
	}
	left, id := use()
	for left.Value() != nil || alive(id) { // hangs if anything keeps it
		runtime.GC()
	}
	goleak.VerifyNone(t, before)
	idle(t, l.Blocking)
}
