package bridge_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

func TestAPanicInAPinnedFrameReachesItsCallerAndLeavesTheThread(t *testing.T) {
	l := limits(1)
	s, ctx := request(t, t.Context(), l)
	must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
		mine, _ := tid()
		func() {
			defer func() {
				p, ok := recover().(*bridge.PanicError)
				if !ok || p.Value != "kaboom" || !strings.Contains(string(p.Stack), "bridge_test.explode") {
					t.Errorf("recovered %#v, want a PanicError with the stack of explode", p)
				}
			}()
			_, _ = bridge.Await(s, func(ctx context.Context) (struct{}, error) {
				return bridge.RunSync(ctx, run(explode)) // over two goroutines, and on the thread
			})
		}()
		if id := must[int](t)(bridge.Await(s, func(ctx context.Context) (int, error) { return bridge.RunSync(ctx, tid) })); id != mine {
			t.Errorf("then on thread %d, want %d", id, mine)
		}
		return struct{}{}, nil
	}, bridge.Pinned()))
	idle(t, l.Blocking)
}

// exits runs f on a goroutine of its own and says whether that ended by Goexit.
func exits(f func()) bool {
	ended := make(chan bool)
	go func() {
		returned := false
		defer func() { ended <- !returned }()
		f()
		returned = true
	}()
	return <-ended
}

func TestGoexitInAPinnedFrameEndsItsCallerAndTheThread(t *testing.T) {
	l := limits(1)
	_, ctx := request(t, t.Context(), l)
	first := must[int](t)(bridge.RunSync(ctx, tid, bridge.Pinned()))
	if !exits(func() { _, _ = bridge.RunSync(ctx, run(runtime.Goexit), bridge.Pinned()) }) {
		t.Error("the caller went on")
	}
	if id := must[int](t)(bridge.RunSync(ctx, tid, bridge.Pinned())); id == first {
		t.Error("the next frame found the thread that was ended")
	}
	idle(t, l.Blocking)
}

// One goroutine has the thread, so what ends it ends all that nest on it.
func TestGoexitInANestedPinnedFrameEndsTheFramesBelowIt(t *testing.T) {
	l := limits(1)
	s, ctx := request(t, t.Context(), l)
	inner := make(chan bool, 1)
	outer := exits(func() {
		_, _ = bridge.RunSync(ctx, func() (struct{}, error) {
			return bridge.Await(s, waiting(func(ctx context.Context) {
				inner <- exits(func() { _, _ = bridge.RunSync(ctx, run(runtime.Goexit)) })
			}))
		}, bridge.Pinned())
	})
	if !<-inner || !outer {
		t.Error("a caller went on")
	}
	must[int](t)(bridge.RunSync(ctx, tid, bridge.Pinned()))
	idle(t, l.Blocking)
}

func TestAnAbandonedPinnedFrameKeepsTheThreadUntilItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(2)
		s, ctx := request(t, t.Context(), l)
		release, ended := make(chan struct{}), make(chan struct{})
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := bridge.RunSync(bounded, run(func() {
			before, _ := tid()
			<-release
			if now, _ := tid(); now != before {
				t.Errorf("moved from thread %d to %d", before, now)
			}
			close(ended)
		}), bridge.Pinned(), bridge.Abandonable())
		if !errors.Is(err, bridge.ErrAbandoned) {
			t.Errorf("err = %v, want ErrAbandoned", err)
		}
		s.Close()
		if !bridge.HasThread(s) {
			t.Error("the thread was given up under the frame")
		}
		close(release)
		<-ended
		synctest.Wait()
		if bridge.HasThread(s) {
			t.Error("the thread is left")
		}
		idle(t, l.Blocking)
	})
}

func TestGoexitInWhatAPinnedFrameAwaitsEndsTheFrame(t *testing.T) {
	l := limits(1)
	s, ctx := request(t, t.Context(), l)
	if !exits(func() {
		_, _ = bridge.RunSync(ctx, func() (struct{}, error) {
			return bridge.Await(s, waiting(func(context.Context) { runtime.Goexit() }))
		}, bridge.Pinned())
	}) {
		t.Error("the caller went on")
	}
	idle(t, l.Blocking)
}

func TestTheThreadOutlivesItsScopeUntilTheLastFrameHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		s, ctx := request(t, t.Context(), l)
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			must[struct{}](t)(bridge.RunSync(ctx, run(func() {
				before, _ := tid()
				<-release
				if now, _ := tid(); now != before {
					t.Errorf("moved from thread %d to %d", before, now)
				}
			}), bridge.Pinned()))
		})
		synctest.Wait()
		s.Close()
		close(release)
		wg.Wait()
		idle(t, l.Blocking)
	})
}
