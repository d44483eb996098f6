package bridge

import (
	"context"
	"runtime"
	"runtime/pprof"
	"testing"
)

// One crossing into sync code with a free permit, on the request's goroutine.
func BenchmarkCrossing(b *testing.B) {
	var s Scope
	ctx := s.Open(b.Context(), Limits{})
	defer s.Close()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n, _ = RunSync(ctx, func() (int, error) { return n + 1, nil })
	}
}

type benchKey struct{}

// The same from below middleware that derived its own context.
func BenchmarkCrossingBelowDerivedContext(b *testing.B) {
	var s Scope
	ctx := s.Open(b.Context(), Limits{})
	defer s.Close()
	ctx, cancel := context.WithCancel(context.WithValue(ctx, benchKey{}, 1))
	defer cancel()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n, _ = RunSync(ctx, func() (int, error) { return n + 1, nil })
	}
}

func BenchmarkCrossingParallelRequests(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var s Scope
		ctx := s.Open(b.Context(), Limits{})
		defer s.Close()
		n := 0
		for pb.Next() {
			n, _ = RunSync(ctx, func() (int, error) { return n + 1, nil })
		}
	})
}

// One Await from a sync frame.
func BenchmarkAwait(b *testing.B) {
	var s Scope
	ctx := s.Open(b.Context(), Limits{})
	defer s.Close()
	b.ReportAllocs()
	_, err := RunSync(ctx, func() (int, error) {
		n := 0
		for b.Loop() {
			n, _ = Await(&s, func(context.Context) (int, error) { return n + 1, nil })
		}
		return n, nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// One crossing into a frame on a CPU limiter's thread.
func BenchmarkCrossingCPU(b *testing.B) {
	var s Scope
	ctx := s.Open(b.Context(), Limits{})
	defer s.Close()
	l := NewCPULimiter(1)
	defer Lower(l)
	on := On(l)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n, _ = RunSync(ctx, func() (int, error) { return n + 1, nil }, on)
	}
}

// One crossing onto the thread of the scope and back.
func BenchmarkCrossingPinned(b *testing.B) {
	var s Scope
	ctx := s.Open(b.Context(), Limits{})
	defer s.Close()
	pinned := Pinned()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n, _ = RunSync(ctx, func() (int, error) { return n + 1, nil }, pinned)
	}
}

// What Go itself takes to hand something to a goroutine that has a thread for
// itself and to get it back: the least that a pinned crossing can cost.
func BenchmarkLockedThread(b *testing.B) {
	work := make(chan chan struct{})
	defer close(work)
	go func() {
		runtime.LockOSThread()
		for done := range work {
			close(done)
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		done := make(chan struct{})
		work <- done
		<-done
	}
}

// One crossing of a function that an adapter has named, in a request with a label.
func BenchmarkCrossingNamed(b *testing.B) {
	defer pprof.SetGoroutineLabels(context.Background())
	var s Scope
	ctx := s.Open(pprof.WithLabels(b.Context(), pprof.Labels("route", "GET /")), Limits{})
	defer s.Close()
	next := SyncToAsync(func(n int) (int, error) { return n + 1, nil })
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n, _ = next(ctx, n)
	}
}

func BenchmarkGather3(b *testing.B) {
	f := func(context.Context) (int, error) { return 1, nil }
	b.ReportAllocs()
	for b.Loop() {
		_, _, _, _ = Gather3(b.Context(), f, f, f)
	}
}
