package oncpu

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// How calls are sampled.
const (
	firstFew    = 4    // of each route
	oneIn       = 64   // then
	settledIn   = 1024 // of a route of which nothing was found in settledFrom samples
	settledFrom = 64
	eagerly     = 16 // at once, where something was found, and not all of it yet
	perRoute    = 2  // at the same time
)

// Watcher is an application's routes and what was found of them. The zero value
// logs to slog's default.
type Watcher struct {
	Log *slog.Logger // nil: slog.Default, as it is when something is found

	async, sync atomic.Uint64

	mu         sync.Mutex
	suspicions map[string]*suspicion // by function
	stacks     time.Time             // when all were last taken
}

// Found is how often code was found to compute where it should wait, in sampled
// calls; fewer are reported.
type Found struct {
	Async uint64 // async code that held its thread
	Sync  uint64 // sync frames that used the CPU inside a permit for code that waits
}

// Found returns the totals as they are now.
func (w *Watcher) Found() Found { return Found{Async: w.async.Load(), Sync: w.sync.Load()} }

func (w *Watcher) log() *slog.Logger {
	if w.Log != nil {
		return w.Log
	}
	return slog.Default()
}

// Route is what is known of the calls of one route. Its methods may be called
// concurrently.
type Route struct {
	watcher *Watcher
	pattern string
	view    string

	eager  atomic.Int32  // so many more calls are sampled at once
	mask   atomic.Uint32 // then one in mask+1
	clean  atomic.Uint32 // samples in a row of which nothing was found
	active atomic.Int32
	report report
}

// Route makes one, for a pattern and the name of its view.
func (w *Watcher) Route(pattern, view string) *Route {
	r := &Route{watcher: w, pattern: pattern, view: view}
	r.eager.Store(firstFew)
	r.mask.Store(oneIn - 1)
	return r
}

// Watch returns what the call that begins now is sampled with, nil for most. The
// caller calls its Run, once.
func (r *Route) Watch() *Watch {
	if r.eager.Load() <= 0 && rand.Uint32()&r.mask.Load() != 0 {
		return nil
	}
	return r.begin()
}

func (r *Route) begin() *Watch {
	if !measurable {
		return nil
	}
	if r.active.Add(1) > perRoute {
		r.active.Add(-1)
		return nil
	}
	slot := takeSlot()
	if slot < 0 {
		r.active.Add(-1)
		return nil
	}
	eager := r.eager.Load() > 0
	if eager {
		r.eager.Add(-1)
	}
	return &Watch{route: r, slot: slot}
}

// suspect has the next calls sampled, because something was found.
func (r *Route) suspect() {
	r.clean.Store(0)
	r.mask.Store(oneIn - 1)
	r.eager.Store(eagerly)
}

// innocent counts a sample of which nothing was found.
func (r *Route) innocent() {
	if r.clean.Add(1) == settledFrom {
		r.mask.Store(settledIn - 1)
	}
}
