package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/bridge"
)

// tid is a sync function that tells which thread it ran on.
func tid() (int, error) { return unix.Gettid(), nil }

// alive says whether the process has that thread.
func alive(tid int) bool { return unix.Tgkill(unix.Getpid(), tid, 0) == nil }

func TestPinnedFramesOfAScopeShareOneThreadThatEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(2)
		s, ctx := request(t, t.Context(), l)
		pinned := bridge.SyncToAsync(func(int) (int, error) { return tid() }, bridge.Pinned())
		threads, err := bridge.GatherAll(ctx, 0, make([]int, 20), pinned)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range threads {
			if id != threads[0] {
				t.Fatalf("frames ran on threads %v, want one", threads)
			}
		}
		if !alive(threads[0]) {
			t.Error("the thread is gone before its scope")
		}
		s.Close()
		for alive(threads[0]) {
			runtime.Gosched()
		}
		idle(t, l.Blocking)
	})
}

// The thread goes, with what was set on it, and does not serve another request.
func TestTheThreadOfAScopeIsNotUsedAgain(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		s, ctx := request(t, t.Context(), limits(1))
		found := must[string](t)(bridge.RunSync(ctx, func() (string, error) {
			found, err := name()
			return found, errors.Join(err, setName("left"))
		}, bridge.Pinned()))
		seen[found] = true
		s.Close()
	}
	if seen["left"] {
		t.Errorf("a frame found what a closed scope's had left on its thread: %v", seen)
	}
}

func TestTheThreadOfAPinnedFrameServesWhileItAwaits(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	s, ctx := request(t, t.Context(), l)
	var nest func(ctx context.Context, depth, want int) error
	nest = func(ctx context.Context, depth, want int) error {
		_, err := bridge.RunSync(ctx, func() (struct{}, error) {
			here, _ := tid()
			if want != 0 && here != want {
				t.Errorf("depth %d runs on thread %d, want %d", depth, here, want)
			}
			if n := l.Blocking.Stats().InUse; n != 1 {
				t.Errorf("depth %d: %d permits in use", depth, n)
			}
			if depth == 0 {
				return struct{}{}, nil
			}
			return bridge.Await(s, func(ctx context.Context) (struct{}, error) {
				if now, _ := tid(); now == here {
					t.Errorf("depth %d: what is awaited is on the thread itself", depth)
				}
				if n := l.Blocking.Stats().InUse; n != 0 {
					t.Errorf("depth %d: %d permits in use in Await", depth, n)
				}
				below := func(ctx context.Context) (struct{}, error) { return struct{}{}, nest(ctx, depth-1, here) }
				_, _, err := bridge.Gather2(ctx, below, below)
				return struct{}{}, err
			})
		}, only(depth == 4, bridge.Pinned())...) // those below are pinned by it
		return err
	}
	if err := nest(ctx, 4, 0); err != nil {
		t.Error(err)
	}
	idle(t, l.Blocking)
}

// only gives an option if it is wanted.
func only(want bool, o bridge.SyncOption) []bridge.SyncOption {
	if want {
		return []bridge.SyncOption{o}
	}
	return nil
}

func TestAFrameWithOptionsOfItsOwnBelowAPinnedOneIsNotPinned(t *testing.T) {
	l := limits(3)
	defer bridge.Lower(l.CPU)
	_, ctx := request(t, t.Context(), l)
	must[struct{}](t)(bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (struct{}, error) {
		mine, _ := tid()
		for name, test := range map[string]struct {
			opt    bridge.SyncOption
			pinned bool
		}{
			"named":    {bridge.As("name"), true},
			"pinned":   {bridge.Pinned(), true},
			"parallel": {bridge.Parallel(), false},
			"on":       {bridge.On(l.Blocking), false},
			"computes": {bridge.On(l.CPU), false},
		} {
			id := must[int](t)(bridge.Await(s, func(ctx context.Context) (int, error) {
				return bridge.RunSync(ctx, tid, test.opt)
			}))
			if (id == mine) != test.pinned {
				t.Errorf("%s: on the thread: %v, want %v", name, id == mine, test.pinned)
			}
		}
		return struct{}{}, nil
	}, bridge.Pinned()))
	idle(t, l.Blocking, l.CPU)
}

func TestAPinnedFrameBelowOneThatComputesTakesABlockingPermit(t *testing.T) {
	l := limits(1, bridge.Queue(0))
	defer bridge.Lower(l.CPU)
	s, ctx := request(t, t.Context(), l)
	must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
		above, _ := tid()
		return bridge.Await(s, func(ctx context.Context) (struct{}, error) {
			return bridge.RunSync(ctx, func() (struct{}, error) {
				if now, _ := tid(); now == above {
					t.Error("it runs on the CPU limiter's thread")
				}
				if b, c := l.Blocking.Stats().InUse, l.CPU.Stats().InUse; b != 1 || c != 0 {
					t.Errorf("blocking %d, cpu %d in use; want 1 and 0", b, c)
				}
				return struct{}{}, nil
			}, bridge.Pinned())
		})
	}, bridge.On(l.CPU)))
	idle(t, l.Blocking, l.CPU)
}

func TestContradictoryOptionsPanicWhenGiven(t *testing.T) {
	lim := bridge.NewLimiter(1, bridge.Named("printer"))
	f := func(int) (int, error) { return 0, nil }
	scoped := func(*bridge.Scope, int) (int, error) { return 0, nil }
	for _, test := range []struct {
		with bridge.SyncOption
		want string
	}{
		{bridge.On(lim), `On("printer") with Pinned`},
		{bridge.Parallel(), "Parallel with Pinned"},
	} {
		for name, make := range map[string]func(){
			"SyncToAsync":       func() { bridge.SyncToAsync(f, bridge.Pinned(), test.with) },
			"SyncToAsyncScoped": func() { bridge.SyncToAsyncScoped(scoped, test.with, bridge.Pinned()) },
			"RunSync":           func() { _, _ = bridge.RunSync(t.Context(), tid, bridge.Pinned(), test.with) },
		} {
			func() {
				defer func() {
					if msg := fmt.Sprint(recover()); !strings.Contains(msg, test.want) {
						t.Errorf("%s: panic %q, want %q in it", name, msg, test.want)
					}
				}()
				make()
			}()
		}
	}
	idle(t, lim)
}

// A goroutine that the frame started has its own thread: its Await leaves that of
// the frame alone, and pinned work below waits until the frame lets it.
func TestAwaitFromAGoroutineOfAPinnedFrameLeavesTheThreadToTheFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		s, ctx := request(t, t.Context(), l)
		must[struct{}](t)(bridge.RunSync(ctx, func() (struct{}, error) {
			mine, _ := tid()
			below := make(chan int, 1)
			go func() {
				below <- must[int](t)(bridge.Await(s, func(ctx context.Context) (int, error) { return bridge.RunSync(ctx, tid) }))
			}()
			synctest.Wait()
			if len(below) != 0 {
				t.Error("it ran beside the frame")
			}
			return bridge.Await(s, waiting(func(context.Context) {
				if id := <-below; id != mine {
					t.Errorf("on thread %d, want %d", id, mine)
				}
			}))
		}, bridge.Pinned()))
		idle(t, l.Blocking)
	})
}

func TestWorkThatWaitsForTheThreadIsDroppedWithItsContext(t *testing.T) {
	ends := func(_ *bridge.Scope, cancel context.CancelCauseFunc) { cancel(errGoodbye) }
	closes := func(s *bridge.Scope, _ context.CancelCauseFunc) { s.Close() }
	for name, drop := range map[string]struct {
		by       func(s *bridge.Scope, cancel context.CancelCauseFunc)
		shielded bool // it waits until the thread is free, and does not run then
		want     error
	}{
		"its ctx ends":                         {ends, false, errGoodbye},
		"the scope is closed":                  {closes, false, bridge.ErrScopeClosed},
		"the scope is closed, its ctx goes on": {closes, true, bridge.ErrScopeClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits(1)
				s, ctx := request(t, t.Context(), l)
				dropped := make(chan error, 1)
				must[struct{}](t)(bridge.RunSync(ctx, run(func() {
					var cancel context.CancelCauseFunc
					go func() {
						_, _ = bridge.Await(s, waiting(func(ctx context.Context) {
							if drop.shielded {
								ctx = context.WithoutCancel(ctx)
							}
							ctx, cancel = context.WithCancelCause(ctx)
							_, err := bridge.RunSync(ctx, run(func() { t.Error("it ran") }))
							dropped <- err
						}))
					}()
					synctest.Wait()
					drop.by(s, cancel)
					synctest.Wait()
					if len(dropped) == 0 != drop.shielded {
						t.Errorf("dropped while the frame runs: %v", len(dropped) > 0)
					}
				}), bridge.Pinned()))
				if err := <-dropped; !errors.Is(err, drop.want) {
					t.Errorf("err = %v, want %v", err, drop.want)
				}
				idle(t, l.Blocking)
			})
		})
	}
}

func TestAScopeBelowAnotherUsesItsThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(1)
		outer, ctx := request(t, t.Context(), l)
		inner, below := request(t, ctx, l)
		a := must[int](t)(bridge.RunSync(below, tid, bridge.Pinned()))
		b := must[int](t)(bridge.RunSync(ctx, tid, bridge.Pinned()))
		if a != b {
			t.Errorf("threads %d and %d, want one", a, b)
		}
		outer.Close() // the inner scope still has it
		if c := must[int](t)(bridge.RunSync(context.WithoutCancel(below), tid, bridge.Pinned())); c != a {
			t.Errorf("then on thread %d, want %d", c, a)
		}
		inner.Close()

		late, lateCtx := request(t, context.WithoutCancel(ctx), l) // below a scope that has ended
		if c := must[int](t)(bridge.RunSync(lateCtx, tid, bridge.Pinned())); c == a {
			t.Error("it found the thread of a scope that has ended")
		}
		late.Close()
		idle(t, l.Blocking)
	})
}
