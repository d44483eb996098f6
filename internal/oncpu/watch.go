package oncpu

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Async code holds its thread when it has used the CPU for hog and been off it for
// less than waiting. That is certain. A thread that is off its CPU because others
// are on it may hide waits of its goroutine, which are over when it runs again. So
// where that comes in between it takes more, sure, to hold it against the code.
const (
	hog     = 10 * time.Millisecond
	sure    = 3 * hog
	waiting = hog / 4
	longest = time.Second // a call is looked at for so long
)

// Watch is one sampled call.
type Watch struct {
	route *Route
	slot  int
	tid   int
	clock int32
	timer *time.Timer
	began time.Time
	over  atomic.Bool

	mu     sync.Mutex
	inSync bool    // a sync frame runs, and does not await
	awake  reading // from where on async code has not slept
	onCPU  reading // from where on it has had its CPU, too
	last   time.Duration
	pause  time.Duration // until the next look
	caught bool          // its async code was found to hold its thread
	ended  bool

	computed atomic.Bool // a frame was found to compute
}

// reading is what a thread had used and waited at one moment.
type reading struct {
	from, to time.Time // the moment is between them
	cpu      time.Duration
	delay    time.Duration // ready to run, on no CPU; -1: not asked for
}

func (w *Watch) read(delay bool) reading {
	r := reading{from: time.Now(), cpu: used(w.clock), delay: -1}
	if delay {
		r.delay = delayed(w.tid)
	}
	r.to = time.Now()
	return r
}

// since gives the CPU time from an earlier reading to r, how long the thread was
// off its CPU, and how long of that it slept, as far as it was asked what else
// it did. Both are rather too long, because reading takes time.
func (r reading) since(was reading) (cpu, off, slept time.Duration) {
	cpu = r.cpu - was.cpu
	off = r.to.Sub(was.from) - cpu
	slept = off
	if r.delay >= 0 && was.delay >= 0 {
		slept -= r.delay - was.delay
	}
	return cpu, off, slept
}

// holds takes a new reading of async code into account, and says how much CPU time
// it has held its thread for, 0 if it has not. Called with the lock held.
func (w *Watch) holds(now reading) time.Duration {
	if _, _, slept := now.since(w.awake); slept >= waiting {
		w.awake = now
	}
	if _, off, _ := now.since(w.onCPU); off >= waiting {
		w.onCPU = now
	}
	if cpu := now.cpu - w.awake.cpu; cpu >= sure {
		return cpu
	}
	if cpu := now.cpu - w.onCPU.cpu; cpu >= hog {
		return cpu
	}
	return 0
}

type watched struct {
	context.Context
	watch *Watch
}

// Context returns ctx with w in it, for Of.
func (w *Watch) Context(ctx context.Context) context.Context { return &watched{ctx, w} }

// Of returns the Watch that ctx itself was made with, nil where it was not. A
// context that was derived from such a one has none.
func Of(ctx context.Context) *Watch {
	if c, is := ctx.(*watched); is {
		return c.watch
	}
	return nil
}

// Run runs f, which begins as async code, and looks at it meanwhile. The goroutine
// has its thread for itself until f has returned.
func (w *Watch) Run(f func()) {
	runtime.LockOSThread()
	defer w.end()
	w.tid = thread()
	w.clock = clockOf(w.tid)
	w.mu.Lock()
	w.restart()
	w.began, w.last, w.pause = w.awake.from, w.awake.cpu, hog
	w.timer = time.AfterFunc(hog, w.look)
	w.mu.Unlock()
	slots[w.slot](f)
}

func (w *Watch) end() {
	w.timer.Stop()
	w.mu.Lock()
	w.ended = true
	w.stretch()
	found := w.caught || w.computed.Load()
	w.mu.Unlock()
	if !found {
		w.route.innocent()
	}
	w.over.Store(true)
	runtime.UnlockOSThread()
	giveSlot(w.slot)
	w.route.active.Add(-1)
}

// stretch ends a stretch of async code whose end the timer did not see, with the
// lock held. Too late for its stack: the next calls are looked at for that.
func (w *Watch) stretch() {
	if w.inSync || w.caught {
		return
	}
	if w.holds(w.read(w.awake.delay >= 0)) > 0 {
		w.caught = true
		w.route.missed()
	}
}

// restart begins a stretch of async code, with the lock held.
func (w *Watch) restart() {
	w.awake = w.read(w.route.report.known())
	w.onCPU = w.awake
}

// look is the timer's: it finds out whether async code holds its thread.
func (w *Watch) look() {
	w.mu.Lock()
	if w.ended || w.caught || time.Since(w.began) > longest {
		w.mu.Unlock()
		return
	}
	tell := func() {}
	if cpu := w.held(); cpu > 0 {
		w.caught = true
		tell = w.route.holds(w.slot, cpu) // it cannot end meanwhile
	}
	w.mu.Unlock()
	tell()
}

// held is how much CPU time async code has held its thread for; while it has not,
// 0, and the timer comes again.
func (w *Watch) held() time.Duration {
	if w.inSync {
		w.timer.Reset(w.pause)
		return 0
	}
	now := w.read(true)
	if cpu := w.holds(now); cpu > 0 {
		return cpu
	}
	if now.cpu-w.last < hog/100 && !w.route.report.known() {
		w.pause = min(2*w.pause, longest) // it waits for something that takes its time
	} else {
		w.pause = hog
	}
	w.last = now.cpu
	w.timer.Reset(max(min(w.pause, hog-(now.cpu-w.onCPU.cpu)), hog/10))
	return 0
}

// mine says whether the caller is the sampled goroutine. No other runs on its
// thread before the call is over.
func (w *Watch) mine() bool { return w.tid == thread() && !w.over.Load() }

// to switches between sync and async code, for the sampled goroutine; for others
// it does nothing. It returns what it was.
func (w *Watch) to(inSync bool) (was bool) {
	if !w.mine() {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	was = w.inSync
	if was == inSync {
		return was
	}
	if inSync {
		w.stretch()
	} else {
		w.restart()
	}
	w.inSync = inSync
	return was
}
