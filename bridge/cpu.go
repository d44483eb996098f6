package bridge

import (
	"os"
	"runtime"
	"sync"
	"time"
	"weak"
)

// Isolation of code that computes.
//
// Go preempts a goroutine that computes after 10 ms, so with as many of them as
// there are Ps all else waits for such slices. What helps is not threads but a P
// that none of them has: frames of a CPU limiter are fewer than the Ps, because
// GOMAXPROCS is the process's share plus the limiter's permits while they run.
// The kernel then divides the CPUs fairly between the threads, in steps far
// shorter than the runtime's.
//
// Threads help the tail only, by being few and the same ones: the kernel sees who
// used the CPU lately and lets a thread that wakes for light work go first. Two
// cores, 8 clients each computing 30 ms, light requests beside them, p50/p99 in
// ms: no limiter 60/101; permits and spare Ps 0.2/3.3; with frames locked where
// they are called 0.2/3.9; on a pool of as many threads as permits 0.2/0.5. The
// price is two thread switches, some 10 us, per frame.
//
// More Ps than CPUs cost light work dear (one connection, one small request after
// the other: 27.6 us at 2 Ps on 2 CPUs, 32.5 at 3, 35.9 at 4), so the raise is lazy:
// with the first frame, and undone after linger without one. Each change stops the
// world for some tens of microseconds, after a garbage collection that is under way.
//
// GOMAXPROCS is the process's. Nobody else in the process may set it while it is
// raised; if somebody does, his value stays. Programs that read
// runtime.GOMAXPROCS(0) to size something should read it at start.

// procs is the process's number of Ps and who raised it.
var procs = processors{linger: 5 * time.Second}

type processors struct {
	mu    sync.Mutex
	extra int  // Ps on top of base; 0: not raised
	base  int  // what it was, and will be
	auto  bool // the runtime follows the cgroup's quota by itself: let it again

	followers []weak.Pointer[Limiter] // those of Auto permits

	// linger is how long the raise outlasts the last frame: long enough that
	// steady light use of a CPU limiter does not stop the world per request.
	linger time.Duration
}

// computing is a CPU limiter's part in procs, guarded by procs.mu.
type computing struct {
	frames int
	raised int       // Ps that were raised for it; 0: none
	ended  time.Time // the last frame
}

// begin counts a frame of l and makes room for l's frames if it is the first.
func (p *processors) begin(l *Limiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.computing.frames++
	if l.computing.raised > 0 {
		return
	}
	if p.extra == 0 {
		p.remember()
		p.lead(p.base)
	}
	l.computing.raised = int(l.permits.Load())
	p.extra += l.computing.raised
	runtime.GOMAXPROCS(p.base + p.extra)
	time.AfterFunc(p.linger, func() { p.lower(l) })
}

func (p *processors) end(l *Limiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.computing.frames--
	if l.computing.frames == 0 {
		l.computing.ended = time.Now()
	}
}

// remember notes what to go back to. Setting GOMAXPROCS ends the runtime's own
// updates from the cgroup's quota; where they were on, lower turns them on again.
func (p *processors) remember() {
	p.base = runtime.GOMAXPROCS(0)
	p.auto = false
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.SetDefaultGOMAXPROCS()
		p.auto = runtime.GOMAXPROCS(0) == p.base
	}
}

// lower takes l's part back if l has had no frame for linger, else looks again
// when it may have.
func (p *processors) lower(l *Limiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.computing.raised == 0 {
		return
	}
	if l.computing.frames > 0 {
		time.AfterFunc(p.linger, func() { p.lower(l) })
		return
	}
	if left := p.linger - time.Since(l.computing.ended); left > 0 {
		time.AfterFunc(left, func() { p.lower(l) })
		return
	}
	l.threads.rest()
	ours := p.ours()
	p.extra -= l.computing.raised
	l.computing.raised = 0
	switch {
	case !ours: // somebody else's by now: leave it
	case p.extra == 0 && p.auto:
		runtime.SetDefaultGOMAXPROCS()
		p.lead(runtime.GOMAXPROCS(0))
	default:
		runtime.GOMAXPROCS(p.base + p.extra)
	}
}

// compute runs f as a frame of a CPU limiter, on one of its threads. A frame that
// borrows its permit stays where it is: below the same frame that is such a thread
// already. An error says why f was not begun.
func (fr *frame) compute(f func()) error {
	procs.begin(fr.limiter)
	defer procs.end(fr.limiter)
	if fr.borrowed {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f()
		return nil
	}
	return fr.limiter.threads.do(fr.ctx, f)
}
