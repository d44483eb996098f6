package supervise

import (
	"regexp"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/logpipe"
	"github.com/tandem-go/tandem/internal/timeline"
)

// A worker becomes ready in exactly the way that its generation says: what it
// says in another way does not count. Who asks for a line does so because
// READY=1 comes too early, or from a child that is not the server.

// seenReady says that a worker is ready by --ready log: or alive:.
type seenReady struct{ id arbiter.WorkerID }

func (m seenReady) handle(s *Supervisor) {
	if w := s.workers[m.id]; w != nil {
		s.becomeReady(w)
	}
}

// notifiedReady takes in READY=1.
func (s *Supervisor) notifiedReady(w *worker) {
	if w.readyBy.Notify {
		s.becomeReady(w)
		return
	}
	if !w.unheard {
		w.unheard = true
		s.log.Debug("READY=1 does not count: --ready says otherwise", "worker", w.id, "ready", w.readyBy.String())
	}
}

// becomeReady counts once: a worker that repeats it must not fill the log.
func (s *Supervisor) becomeReady(w *worker) {
	if w.ready {
		return
	}
	w.ready = true
	s.log.Info("worker ready", "worker", w.id, "pid", w.process.PID(), "generation", w.generation,
		"after", time.Since(w.started).Round(time.Millisecond).String())
	s.noteWorker(w, timeline.WorkerReady, "", byWorker(w), "is ready, "+time.Since(w.started).Round(time.Millisecond).String()+" after its start")
	s.step(arbiter.WorkerReady{ID: w.id})
}

// watchReady begins to wait for a worker that does not say READY=1, and gives
// what its streams are watched for; nil for nothing. What it starts ends with
// notAlive.
func (s *Supervisor) watchReady(w *worker) logpipe.Watch {
	switch {
	case w.readyBy.Log != nil:
		return s.watchLine(w.id, w.readyBy.Log)
	case w.readyBy.Alive > 0:
		// From the fork on, so that nothing but the time decides.
		w.alive = time.AfterFunc(time.Until(w.started.Add(w.readyBy.Alive)), func() { s.send(seenReady{w.id}) })
	}
	return nil
}

// watchLine looks, in the readers of both streams, for the first line that
// matches. They see each line, whatever happens to it later: a log that
// overflows cannot lose it. A reader waits for the loop with that one message
// only, and the loop never waits for a reader.
func (s *Supervisor) watchLine(id arbiter.WorkerID, re *regexp.Regexp) logpipe.Watch {
	var seen atomic.Bool
	return func(line []byte) bool {
		if seen.Load() {
			return true
		}
		if !re.Match(line) {
			return false
		}
		if seen.CompareAndSwap(false, true) {
			s.send(seenReady{id})
		}
		return true
	}
}

// notAlive is called when the process has ended: it did not live for so long.
// From any goroutine.
func (w *worker) notAlive() {
	if w.alive != nil {
		w.alive.Stop()
	}
}
