package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// asgiref's own tests of its adapters, in tests/test_sync.py.

// under says whether a function of that name is on the caller's stack.
func under(name string) bool {
	pcs := make([]uintptr, 128)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		fr, more := frames.Next()
		if strings.HasSuffix(fr.Function, "."+name) {
			return true
		}
		if !more {
			return false
		}
	}
}

func TestAsgirefSyncToAsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		call := bridge.SyncToAsync(func(n int) (int, error) { time.Sleep(time.Second); return 2 * n, nil })
		if n := must[int](t)(call(t.Context(), 21)); n != 42 {
			t.Errorf("n = %d", n)
		}
		// Fewer workers than calls: one after the other, also from two requests.
		start := time.Now()
		two := func(context.Context) (int, error) {
			_, ctx := request(t, t.Context(), l)
			return call(ctx, 1)
		}
		if _, _, err := bridge.Gather2(t.Context(), two, two); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("two calls of 1s over one permit took %v", took)
		}
		idle(t, l.Blocking)
	})
}

var decorated = bridge.SyncToAsync(func(n int) (int, error) { return n + 1, nil })

func TestAsgirefSyncToAsyncDecorator(t *testing.T) {
	if n := must[int](t)(decorated(t.Context(), 42)); n != 43 {
		t.Errorf("n = %d", n)
	}
}

func (c calculator) tenTimes() (int, error) { return 10 * c.factor, nil }

func TestAsgirefSyncToAsyncMethodDecorator(t *testing.T) {
	method := bridge.SyncToAsync(calculator.tenTimes) // the receiver is the argument
	if n := must[int](t)(method(t.Context(), calculator{4})); n != 40 {
		t.Errorf("n = %d", n)
	}
}

func TestAsgirefSyncToAsyncMethodSelfAttribute(t *testing.T) {
	method := bridge.SyncToAsync(calculator{9}.times) // the receiver is bound
	if n := must[int](t)(method(t.Context(), 5)); n != 45 {
		t.Errorf("n = %d", n)
	}
}

func TestAsgirefSyncToAsyncFailAsync(t *testing.T) {
	defer func() {
		const want = "the function takes a context.Context, so it is async already: call it directly"
		if msg := fmt.Sprint(recover()); !strings.Contains(msg, want) {
			t.Errorf("panic %q, want %q in it", msg, want)
		}
	}()
	bridge.SyncToAsync(func(context.Context) (int, error) { return 0, nil })
}

func TestAsgirefNestedSyncToAsyncRetainsWrappedFunctionAttributes(t *testing.T) {
	outer := bridge.SyncToAsync(snapshot{t, `{"sync":"bridge_test.snapshot.plain"}`}.plain)
	again := bridge.SyncToAsyncScoped(func(s *bridge.Scope, n int) (int, error) {
		return bridge.AsyncToSync(s, outer)(n) // adapted, adapted back and again
	})
	must[int](t)(again(t.Context(), 1))
}

func TestAsgirefAsyncToSyncToAsync(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	_, ctx := request(t, t.Context(), l)
	call := bridge.SyncToAsyncScoped(func(s *bridge.Scope, n int) (int, error) {
		return bridge.AsyncToSync(s, func(_ context.Context, n int) (int, error) {
			if !under("TestAsgirefAsyncToSyncToAsync") {
				t.Error("the inner async function runs on another goroutine than the outer")
			}
			return n, nil
		})(n)
	})
	if n := must[int](t)(call(ctx, 65)); n != 65 {
		t.Errorf("n = %d", n)
	}
	idle(t, l.Blocking)
}

func TestAsgirefAsyncToSyncToAsyncDecorator(t *testing.T) {
	for name, test := range map[string]struct {
		opts []bridge.SyncOption
		want error
	}{
		"nested sync returns to the outer frame": {nil, nil},
		"parallel sync does not":                 {[]bridge.SyncOption{bridge.Parallel()}, bridge.ErrSaturated},
	} {
		l := limits(1, bridge.Queue(0))
		s, ctx := request(t, t.Context(), l)
		inner := bridge.SyncToAsync(func(n int) (int, error) { return n, nil }, test.opts...)
		outer := bridge.SyncToAsync(func(n int) (int, error) {
			return bridge.Await(s, func(ctx context.Context) (int, error) {
				var wg sync.WaitGroup
				end := hold(t, &wg, l.Blocking) // another request has the permit meanwhile
				defer wg.Wait()
				defer end()
				return inner(ctx, n)
			})
		})
		n, err := outer(ctx, 42)
		if !errors.Is(err, test.want) || err == nil && n != 42 {
			t.Errorf("%s: %d, %v; want 42 or %v", name, n, err, test.want)
		}
		idle(t, l.Blocking)
	}
}

// job runs f as a job on a goroutine of its own, which no scope has anything to do
// with.
func job[R any](t *testing.T, f func(*bridge.Scope) (R, error)) R {
	t.Helper()
	result := make(chan R, 1)
	go func() {
		root := bridge.NewRoot(context.Background(), bridge.Limits{})
		defer root.Close()
		r, err := f(root)
		if err != nil {
			t.Error(err)
		}
		result <- r
	}()
	return <-result
}

func answer(_ context.Context, n int) (int, error) { return n, nil }

func TestAsgirefAsyncToSyncToThreadDecorator(t *testing.T) {
	_, ctx := request(t, t.Context(), limits(1))
	n := must[int](t)(bridge.RunSync(ctx, func() (int, error) {
		return job(t, func(root *bridge.Scope) (int, error) { return bridge.AsyncToSync(root, answer)(42) }), nil
	}))
	if n != 42 {
		t.Errorf("n = %d", n)
	}
}

func TestAsgirefAsyncToSync(t *testing.T) {
	worked := false
	n := job(t, func(root *bridge.Scope) (int, error) {
		return bridge.Await(root, func(context.Context) (int, error) { worked = true; return 84, nil })
	})
	if n != 84 || !worked {
		t.Errorf("n = %d, worked %v", n, worked)
	}
}

func TestAsgirefAsyncToSyncDecorator(t *testing.T) {
	root := bridge.NewRoot(t.Context(), limits(1))
	defer root.Close()
	call := bridge.AsyncToSync(root, answer)
	if a, b := must[int](t)(call(85)), must[int](t)(call(86)); a != 85 || b != 86 {
		t.Errorf("%d and %d", a, b)
	}
}

type fetcher struct{ base int }

func (f fetcher) fetch(_ context.Context, n int) (int, error) { return f.base + n, nil }

func TestAsgirefAsyncToSyncMethodDecorator(t *testing.T) {
	n := job(t, func(root *bridge.Scope) (int, error) { return bridge.AsyncToSync(root, fetcher{80}.fetch)(6) })
	if n != 86 {
		t.Errorf("n = %d", n)
	}
}

func TestAsgirefAsyncToSyncInAsync(t *testing.T) {
	s, _ := request(t, t.Context(), limits(1))
	if _, err := bridge.AsyncToSync(s, answer)(84); !errors.Is(err, bridge.ErrNotSync) {
		t.Errorf("err = %v, want ErrNotSync", err)
	}
}

func TestAsgirefAsyncToSyncInThread(t *testing.T) {
	if n := job(t, func(root *bridge.Scope) (int, error) { return bridge.AsyncToSync(root, answer)(1) }); n != 1 {
		t.Errorf("n = %d", n)
	}
}

func TestAsgirefAsyncToSyncPartial(t *testing.T) {
	both := func(_ context.Context, a, b int) ([]int, error) { return []int{a, b}, nil }
	partial := func(ctx context.Context, b int) ([]int, error) { return both(ctx, 42, b) }
	got := job(t, func(root *bridge.Scope) ([]int, error) { return bridge.AsyncToSync(root, partial)(84) })
	if !slices.Equal(got, []int{42, 84}) {
		t.Errorf("got %v", got)
	}
}

type callable func(context.Context, int) (int, error)

func TestAsgirefAsyncToSyncOnCallableObject(t *testing.T) {
	if n := job(t, func(root *bridge.Scope) (int, error) { return bridge.AsyncToSync(root, callable(answer))(42) }); n != 42 {
		t.Errorf("n = %d", n)
	}
}
