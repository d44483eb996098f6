package oncpu

import (
	"sync"
	"testing"
	"time"
)

// A call that is not sampled, of a route that nothing was ever found of.
func BenchmarkNotSampled(b *testing.B) {
	r := new(Watcher).Route("GET /", "app.view")
	r.eager.Store(0)
	r.mask.Store(1<<32 - 1)
	b.ReportAllocs()
	for b.Loop() {
		if w := r.Watch(); w != nil {
			w.Run(func() {})
		}
	}
}

// A call that is, with one sync frame.
func BenchmarkSampled(b *testing.B) {
	r := new(Watcher).Route("GET /", "app.view")
	b.ReportAllocs()
	for b.Loop() {
		w := r.begin()
		w.Run(func() { w.Frame("app.sync", "blocking").End() })
	}
}

// One stack among ten thousand goroutines that wait, and how long somebody else
// is held up by that at the most.
func BenchmarkStackAmong10000(b *testing.B) {
	var wg sync.WaitGroup
	end := make(chan struct{})
	defer wg.Wait()
	defer close(end)
	for range 10_000 {
		wg.Go(func() { <-end })
	}
	w := new(Watcher).Route("GET /", "app.view").begin()
	held := make(chan struct{})
	wg.Go(func() { w.Run(func() { close(held); <-end }) })
	<-held
	var late time.Duration
	wg.Go(func() {
		for last := time.Now(); ; {
			select {
			case <-end:
				return
			default:
			}
			now := time.Now()
			late, last = max(late, now.Sub(last)), now
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		if recordOf(w.slot) == "" {
			b.Fatal("not found")
		}
	}
	b.ReportMetric(float64(late.Microseconds()), "µs-held-up")
}
