package oncpu

import (
	"runtime"
	"time"
)

// burns is the CPU time from which on a frame's share of its time is looked at.
const burns = 5 * time.Millisecond

// Frame is a sync frame of a sampled call. It has its thread for itself, too; that
// may be another than the call's.
type Frame struct {
	watch   *Watch
	name    string
	limiter string
	tid     int
	clock   int32
	held    *suspicion // nil: wall and CPU time are measured, and nothing else
	began   spent      // what the thread and the process had used
	outside spent      // while it awaited
	was     bool       // what the call was
}

// spent is what came between two moments, or before one.
type spent struct {
	wall     time.Duration
	cpu      time.Duration
	delay    time.Duration // ready to run, on no CPU
	switches int64         // of the thread, by itself
	runnable runnable      // what goroutines waited for a P
}

func (s spent) plus(b spent) spent {
	return spent{s.wall + b.wall, s.cpu + b.cpu, s.delay + b.delay, s.switches + b.switches, s.runnable.plus(b.runnable)}
}

func (s spent) minus(b spent) spent {
	return spent{s.wall - b.wall, s.cpu - b.cpu, s.delay - b.delay, s.switches - b.switches, s.runnable.minus(b.runnable)}
}

// spent reads what has been used so far. Reading takes time itself, much where
// the kernel has others run meanwhile. It must not make a frame's time look
// shorter than it was: the wall clock is read early where that time begins, and
// late where it ends.
func (f *Frame) spent(late bool) spent {
	s := spent{wall: time.Since(f.watch.began), cpu: used(f.clock)}
	if f.held != nil {
		s.delay, s.switches, s.runnable = delayed(f.tid), switched(), waits()
	}
	if late {
		s.wall = time.Since(f.watch.began)
	}
	return s
}

// computes says whether that is the account of code that computes for most of its
// time. Time for which the kernel had no CPU for it does not count, nor that for
// which Go had no P: about as much each time that the goroutine gave its own away
// as all goroutines waited on average.
func (s spent) computes() bool {
	own := s.wall - s.delay - time.Duration(s.switches)*s.runnable.mean()
	return s.cpu >= burns && s.cpu >= own/2
}

// Frame begins a sync frame on the calling goroutine: code of that name, inside a
// permit of a limiter for code that waits. The goroutine calls its End.
func (w *Watch) Frame(name, limiter string) *Frame {
	runtime.LockOSThread()
	f := &Frame{watch: w, name: name, limiter: limiter, tid: thread(), held: w.route.watcher.suspects(name)}
	f.clock = clockOf(f.tid)
	f.was = w.to(true)
	f.began = f.spent(false)
	return f
}

// End ends the frame, and judges it.
func (f *Frame) End() {
	w := f.watch
	if time.Since(w.began)-f.began.wall-f.outside.wall >= burns {
		own := f.spent(true).minus(f.began).minus(f.outside)
		if own.cpu >= burns && f.held == nil {
			f.held = w.route.watcher.suspect(f.name, f.limiter)
			w.route.suspect() // measure it
		}
		if f.held != nil && f.held.judge(w.route, own) {
			w.computed.Store(true)
		}
	}
	w.to(f.was)
	runtime.UnlockOSThread()
}

// Await runs g, which the frame awaits, as async code; it does not count as the
// frame's. On another goroutine than the frame's it only runs g.
func (f *Frame) Await(g func()) {
	if f.tid != thread() {
		g()
		return
	}
	was := f.watch.to(false)
	began := f.spent(true)
	defer func() {
		f.outside = f.outside.plus(f.spent(false).minus(began))
		f.watch.to(was)
	}()
	g()
}
