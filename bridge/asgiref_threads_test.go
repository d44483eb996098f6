package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// asgiref's own tests of thread-sensitive code, in tests/test_sync.py and
// test_sync_contextvars.py. Its threads are those of Pinned; what it asks of
// capacity holds of all frames.

// pinnedTid tells the thread of a scope.
var pinnedTid = bridge.SyncToAsync(func(struct{}) (int, error) { return tid() }, bridge.Pinned())

func thread(ctx context.Context) (int, error) { return pinnedTid(ctx, struct{}{}) }

// task starts f on a goroutine and waits for it, as asyncio.create_task and await.
func task[R any](f func() (R, error)) (r R, err error) {
	done := make(chan struct{})
	go func() { defer close(done); r, err = f() }()
	<-done
	return r, err
}

func TestAsgirefThreadSensitiveOutsideSync(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(1))
	must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
		outside, _ := tid()
		return bridge.Await(s, func(ctx context.Context) (struct{}, error) {
			directly := must[int](t)(thread(ctx))
			inTask := must[int](t)(task(func() (int, error) { return thread(ctx) }))
			if directly != outside || inTask != outside {
				t.Errorf("on threads %d and %d, want %d", directly, inTask, outside)
			}
			return struct{}{}, nil
		})
	}, bridge.Pinned()))
}

func TestAsgirefThreadSensitiveOutsideAsync(t *testing.T) {
	_, ctx := request(t, t.Context(), limits(1))
	outer := bridge.SyncToAsyncScoped(func(s *bridge.Scope, _ struct{}) (int, error) {
		return bridge.Await(s, thread)
	}, bridge.Pinned())
	a, b, err := bridge.Gather2(ctx, func(ctx context.Context) (int, error) { return outer(ctx, struct{}{}) }, thread)
	if here, _ := tid(); err != nil || a != b || a == here {
		t.Errorf("on threads %d and %d, async code on %d, err %v; want one of its own", a, b, here, err)
	}
}

func TestAsgirefThreadSensitiveWithContextMatches(t *testing.T) {
	_, ctx := request(t, t.Context(), limits(2))
	a, b, err := bridge.Gather2(ctx, thread, thread)
	if here, _ := tid(); err != nil || a != b || a == here {
		t.Errorf("on threads %d and %d, async code on %d, err %v; want one of its own", a, b, here, err)
	}
}

func TestAsgirefThreadSensitiveNestedContext(t *testing.T) {
	_, ctx := request(t, t.Context(), limits(1))
	a := must[int](t)(thread(ctx))
	_, nested := request(t, ctx, limits(1))
	if b := must[int](t)(thread(nested)); a != b {
		t.Errorf("on threads %d and %d, want one", a, b)
	}
}

func TestAsgirefThreadSensitiveWithContextDifferent(t *testing.T) {
	l := limits(2)
	var meet sync.WaitGroup
	meet.Add(2)
	one := func(context.Context) (int, error) {
		_, ctx := request(t, t.Context(), l)
		return bridge.RunSync(ctx, func() (int, error) { meet.Done(); meet.Wait(); return tid() }, bridge.Pinned())
	}
	a, b, err := bridge.Gather2(t.Context(), one, one)
	if err != nil || a == b {
		t.Errorf("on threads %d and %d at the same time, err %v", a, b, err)
	}
}

func TestAsgirefThreadSensitiveContextWithoutSyncWork(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	for range 1000 {
		s := new(bridge.Scope)
		ctx := s.Open(t.Context(), l)
		if bridge.HasThread(s) {
			t.Fatal("it has a thread")
		}
		s.Close()
		if _, err := thread(ctx); !errors.Is(err, bridge.ErrScopeClosed) || bridge.HasThread(s) {
			t.Fatalf("closed: err %v, a thread: %v", err, bridge.HasThread(s))
		}
	}
	if st := l.Blocking.Stats(); st != (bridge.Stats{Permits: 1}) {
		t.Errorf("%+v", st)
	}
}

// parked is a request whose sync code awaits f when its task has been cancelled.
func parked(t *testing.T, l bridge.Limits, wg *sync.WaitGroup, f func(context.Context) (struct{}, error)) (s *bridge.Scope) {
	s, ctx := request(t, t.Context(), l)
	ctx, cancel := context.WithCancel(ctx)
	wg.Go(func() {
		_, _ = bridge.RunSync(ctx, func() (struct{}, error) { return bridge.Await(s, f) }, bridge.Pinned())
	})
	synctest.Wait()
	cancel()
	synctest.Wait()
	return s
}

func TestAsgirefThreadSensitiveContextExitDoesNotBlockEventLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		start := time.Now()
		var wg sync.WaitGroup
		var finished atomic.Bool
		s := parked(t, l, &wg, waiting(func(context.Context) { time.Sleep(time.Hour); finished.Store(true) }))
		s.Close()
		if took := time.Since(start); took != 0 || finished.Load() {
			t.Errorf("closing took %v, what was awaited is over: %v", took, finished.Load())
		}
		wg.Wait()
		if !finished.Load() {
			t.Error("what was awaited was given up")
		}
		idle(t, l.Blocking)
	})
}

func TestAsgirefThreadSensitiveContextExitDoesNotStarveDefaultExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(2, bridge.Queue(0))
		var wg sync.WaitGroup
		for range 2 {
			s := parked(t, l, &wg, func(ctx context.Context) (struct{}, error) {
				time.Sleep(time.Minute) // the scope is closed meanwhile
				_, err := bridge.RunSync(context.WithoutCancel(ctx), run(func() {}), bridge.Parallel())
				if !errors.Is(err, bridge.ErrScopeClosed) {
					t.Errorf("err = %v, want ErrScopeClosed", err)
				}
				return struct{}{}, err
			})
			s.Close()
			if n := l.Blocking.Stats().InUse; n != 0 {
				t.Errorf("a closed scope has %d permits", n)
			}
		}
		wg.Wait()
		idle(t, l.Blocking)
	})
}

func TestAsgirefThreadSensitiveDoubleNestedSync(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(1, bridge.Queue(0)))
	must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
		outside, _ := tid()
		innermost := must[int](t)(bridge.Await(s, func(ctx context.Context) (int, error) { // level 1
			return bridge.RunSync(ctx, func() (int, error) { // level 2
				return bridge.Await(s, func(ctx context.Context) (int, error) { // level 3
					return bridge.RunSync(ctx, tid) // level 4
				})
			})
		}))
		if innermost != outside {
			t.Errorf("on thread %d, want %d", innermost, outside)
		}
		return struct{}{}, nil
	}, bridge.Pinned()))
}

func TestAsgirefThreadSensitiveDoubleNestedAsync(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(1, bridge.Queue(0)))
	nest := func(f func(context.Context) (bool, error)) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			return bridge.RunSync(ctx, func() (bool, error) { return bridge.Await(s, f) })
		}
	}
	same := must[bool](t)(nest(nest(func(context.Context) (bool, error) {
		return under("TestAsgirefThreadSensitiveDoubleNestedAsync"), nil
	}))(ctx))
	if !same {
		t.Error("the innermost async function runs on another goroutine than the outermost")
	}
}

func TestAsgirefThreadSensitiveDisabled(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(1))
	must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
		mine, _ := tid()
		inner := must[int](t)(bridge.Await(s, func(ctx context.Context) (int, error) {
			return bridge.RunSync(ctx, tid, bridge.Parallel())
		}))
		if inner == mine {
			t.Error("it runs on the thread of the frame")
		}
		return struct{}{}, nil
	}, bridge.Pinned()))
}

// Go has no fork: a child is another program, which finds no scope and needs none.
func TestAsgirefMultiprocessing(t *testing.T) {
	const child = "TANDEM_TEST_CHILD"
	if os.Getenv(child) != "" {
		fmt.Println("child says", job(t, func(root *bridge.Scope) (int, error) { return bridge.AsyncToSync(root, answer)(42) }))
		return
	}
	_, ctx := request(t, t.Context(), limits(1))
	out := must[string](t)(bridge.RunSync(ctx, func() (string, error) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAsgirefMultiprocessing$")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}))
	if !strings.HasPrefix(out, "child says 42\n") {
		t.Errorf("the child: %s", out)
	}
}

func TestAsgirefSyncToAsyncUsesExecutor(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	custom := bridge.NewLimiter(1, bridge.Queue(0), bridge.Named("custom"))
	_, ctx := request(t, t.Context(), l)
	times := 0
	call := bridge.SyncToAsync(func(s string) (string, error) {
		times++
		if a, b := l.Blocking.Stats().InUse, custom.Stats().InUse; a != 0 || b != 1 {
			t.Errorf("blocking %d, custom %d in use; want 0 and 1", a, b)
		}
		return s, nil
	}, bridge.On(custom))
	if got := must[string](t)(call(ctx, "expected")); got != "expected" || times != 1 {
		t.Errorf("got %q after %d calls", got, times)
	}
	idle(t, l.Blocking, custom)
	defer func() {
		if msg := fmt.Sprint(recover()); !strings.Contains(msg, `On("custom") with Pinned`) {
			t.Errorf("panic %q", msg)
		}
	}()
	bridge.SyncToAsync(func(struct{}) (int, error) { return tid() }, bridge.Pinned(), bridge.On(custom))
}
