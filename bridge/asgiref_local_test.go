package bridge_test

import (
	"context"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/bridge"
)

// asgiref's own tests of Local, in tests/test_local.py: goroutines have no locals;
// contexts carry what goes down, and threads what is kept on them.

func TestAsgirefLocalThreadsAndTasks(t *testing.T) {
	type key struct{}
	l := limits(4)
	var wg sync.WaitGroup
	for id := range 100 {
		wg.Go(func() {
			s, ctx := request(t, t.Context(), l)
			ctx = context.WithValue(ctx, key{}, id)
			var nest func(ctx context.Context, depth int) (int, error)
			nest = func(ctx context.Context, depth int) (int, error) {
				if depth == 0 {
					return ctx.Value(key{}).(int), nil
				}
				return bridge.RunSync(ctx, func() (int, error) {
					return bridge.Await(s, func(ctx context.Context) (int, error) {
						return task(func() (int, error) { return nest(ctx, depth-1) })
					})
				})
			}
			if got := must[int](t)(nest(ctx, 3)); got != id {
				t.Errorf("request %d finds the value of %d", id, got)
			}
		})
	}
	wg.Wait()
	idle(t, l.Blocking)
}

// name is the name of the calling thread, which the system keeps for each.
func name() (string, error) {
	var name [16]byte
	err := unix.Prctl(unix.PR_GET_NAME, uintptr(unsafe.Pointer(&name)), 0, 0, 0)
	return unix.ByteSliceToString(name[:]), err
}

func setName(to string) error {
	var name [16]byte
	copy(name[:15], to)
	return unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name)), 0, 0, 0)
}

// What sync code leaves on the thread of its scope is there for all pinned code of
// the scope, and for nobody else.
func TestAsgirefThreadCriticalLocalNotContextDependentInSyncThread(t *testing.T) {
	s, ctx := request(t, t.Context(), limits(2))
	must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
		must[struct{}](t)(bridge.Await(s, func(ctx context.Context) (struct{}, error) {
			_, err := task(func() (int, error) {
				return bridge.RunSync(ctx, func() (int, error) { return 0, setName("_123_") })
			})
			if here := must[string](t)(name()); here == "_123_" {
				t.Error("async code is on the thread of the scope")
			}
			return struct{}{}, err
		}))
		if here := must[string](t)(name()); here != "_123_" {
			t.Errorf("the frame above finds %q", here)
		}
		return struct{}{}, nil
	}, bridge.Pinned()))
	_, other := request(t, t.Context(), limits(1))
	for how, ctx := range map[string]context.Context{"another scope": other, "no scope": t.Context()} {
		if there := must[string](t)(bridge.RunSync(ctx, name, bridge.Pinned())); there == "_123_" {
			t.Errorf("%s finds it", how)
		}
	}
}
