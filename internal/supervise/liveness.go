package supervise

import (
	"errors"
	"os"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/process"
	"github.com/tandem-go/tandem/internal/timeline"
)

const (
	// looksEvery is how often the living are looked at where no --timeout asks for
	// more: what is seen is at most so old.
	looksEvery = 500 * time.Millisecond
	// looksPerTimeout is how often at least within a --timeout, so that a worker
	// that was stopped is known as such long before its silence is judged.
	looksPerTimeout = 8
	looksAtMost     = 10 * time.Millisecond
)

// vitals is what was last seen of a worker. The loop owns it. Its zero value is
// that of a worker which was not looked at yet, so an upgrade need not carry it.
type vitals struct {
	timeout  time.Duration // the --timeout of its generation; 0: none
	beat     int64         // the board's last beat
	toldBeat time.Time     // when the arbiter was told of one
	traced   int           // looks in a row that found it held by a tracer
	seen     bool          // whether it is stopped has been told to the arbiter
	stopped  bool          // what was told
	resumed  time.Time     // when it last went on
	stalled  bool          // its permits were stuck at the last look
}

// looksIn is the time from one look to the next.
func (s *Supervisor) looksIn() time.Duration {
	every := looksEvery
	for _, g := range s.generations {
		if t := time.Duration(g.config.Timeout); t > 0 {
			every = min(every, t/looksPerTimeout)
		}
	}
	return max(every, looksAtMost)
}

// look sees which workers stand still, which beat, and which starve. It neither
// blocks nor trusts what it reads: a worker's board can bring harm to that worker
// alone.
func (s *Supervisor) look() {
	for _, w := range s.workers {
		if g := s.generations[w.generation]; g != nil { // else it drains, and is not judged
			w.timeout = time.Duration(g.config.Timeout)
		}
		s.lookAtState(w)
		if !w.stopped {
			s.lookAtBeat(w)
			s.lookAtPermits(w)
		}
	}
}

// lookAtState sees whether a worker is stopped. A tracer that follows system
// calls holds its process for moments, many times a second; one at a breakpoint is
// still there at the next look.
func (s *Supervisor) lookAtState(w *worker) {
	held, err := w.process.Standstill()
	if err != nil {
		if !errors.Is(err, os.ErrProcessDone) {
			s.log.Debug("look at a worker", "worker", w.id, "error", err)
		}
		return // its end is on its way, or nothing is known: nothing has changed
	}
	if held != process.Traced {
		w.traced = 0
	} else {
		w.traced++
	}
	stopped := held == process.Stopped || w.traced > 1
	if w.seen && stopped == w.stopped || held == process.Traced && !stopped {
		return
	}
	first := !w.seen
	w.seen, w.stopped = true, stopped
	if stopped {
		by := "a signal; SIGCONT lets it go on"
		if held == process.Traced {
			by = "a tracer"
		}
		s.log.Warn("worker is stopped: it does not serve, and is not judged until it goes on", "worker", w.id, "pid", w.process.PID(), "by", by)
		s.noteWorker(w, timeline.WorkerStopped, by, byNobody, "is stopped and does not serve")
		s.step(arbiter.Suspended{ID: w.id})
		return
	}
	// The first look tells that, too: before an upgrade it may have been stopped.
	if !first {
		w.stalled, w.resumed = false, time.Now()
		s.log.Info("worker goes on", "worker", w.id, "pid", w.process.PID())
		s.noteWorker(w, timeline.WorkerContinued, "", byNobody, "goes on")
	}
	s.step(arbiter.Resumed{ID: w.id})
}

// lookAtBeat tells of a beat on the board. Notifications tell of the same, but
// may be lost in a queue that is full.
func (s *Supervisor) lookAtBeat(w *worker) {
	beat := w.board.LastBeat()
	if beat == w.beat {
		return
	}
	if now := time.Now(); now.Sub(w.toldBeat) >= w.timeout/looksPerTimeout {
		w.beat, w.toldBeat = beat, now
		s.step(arbiter.Beat{ID: w.id})
	}
}

// lookAtPermits tells of a worker whose permits are stuck: for the whole of its
// --timeout all permits of a limiter were taken, none was given back, and
// somebody waited. What a pool at its limit does is not that, however slow, as
// long as a permit changes hands. The time in which it was stopped does not count.
func (s *Supervisor) lookAtPermits(w *worker) {
	if w.timeout <= 0 {
		return
	}
	starving := w.board.Starving()
	if !w.resumed.IsZero() {
		starving = min(starving, time.Since(w.resumed))
	}
	was := w.stalled
	w.stalled = starving >= w.timeout
	if w.stalled && !was {
		s.logStuck(w)
	}
	if w.stalled || was { // again at each look: the arbiter judges workers that serve
		s.step(arbiter.Stalled{ID: w.id, On: w.stalled})
	}
}

// logStuck names the limiter, and the requests that have been there longest.
func (s *Supervisor) logStuck(w *worker) {
	for _, p := range w.board.Permits() {
		if p.Starving >= w.timeout {
			s.log.Error("worker has all its permits taken, gives none back, and work waits for one", "worker", w.id, "limiter", p.Name,
				"permits", p.Limit, "waiting", p.Queue, "abandoned", p.Abandoned, "for", p.Starving.Round(time.Millisecond).String())
		}
	}
	for i, r := range w.board.InFlight() {
		if i == mostNamed {
			break
		}
		s.log.Error("request in flight of a stuck worker", "worker", w.id, "method", r.Method, "route", r.Route,
			"request_id", r.ID, "age", r.Age.Round(time.Millisecond).String())
	}
}

// mostNamed is how many of its requests, the oldest, a worker is shown with.
const mostNamed = 10
