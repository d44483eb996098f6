package supervise

import (
	"context"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/postmortem"
)

// phases and workerStates are what the service and a worker can be in, so that
// what they are not in now is shown with 0.
var (
	phases = []string{
		arbiter.PhaseStarting.String(), arbiter.PhaseRunning.String(), arbiter.PhaseReloading.String(),
		arbiter.PhaseDegraded.String(), arbiter.PhaseStopping.String(),
	}
	workerStates = []arbiter.State{arbiter.Starting, arbiter.Ready, arbiter.Draining, arbiter.Killed}
)

// stopped is the state of a worker that a signal or a debugger has stopped,
// whatever it was before.
const stopped = "stopped"

// metrics asks the loop for what a scrape shows, and adds what needs no loop.
func (s *Supervisor) metrics() (metrics.Snapshot, error) {
	snap, err := ask(context.Background(), s, func(answer chan<- metrics.Snapshot) message { return metricsWanted{answer, false} })
	if err != nil {
		return snap, err
	}
	logs := s.opt.Logs.Stats()
	snap.Logs = metrics.Logs{Lines: logs.Lines, Dropped: logs.Dropped, Lost: logs.Lost}
	for _, l := range s.opt.Listeners {
		// A socket that is closed, in a stop, or of which this machine does not
		// tell has no queue to be shown.
		if length, limit, err := l.Queue(); err == nil {
			snap.Queues = append(snap.Queues, metrics.Queue{Listener: l.Addr().String(), Length: length, Limit: limit})
		}
	}
	return snap, nil
}

// pulse is metrics without what a history of the service has no use for: it is
// asked for as often as ten times a second.
func (s *Supervisor) pulse() (metrics.Snapshot, error) {
	return ask(context.Background(), s, func(answer chan<- metrics.Snapshot) message { return metricsWanted{answer, true} })
}

type metricsWanted struct {
	answer chan<- metrics.Snapshot
	brief  bool
}

func (m metricsWanted) handle(s *Supervisor) {
	now, core := time.Now(), s.core.Snapshot()
	snap := metrics.Snapshot{
		Version: s.opt.Version, State: core.Phase.String(), States: phases,
		Generation: int(core.Generation), Wanted: core.Wanted,
		Workers: map[string]int{stopped: 0},
	}
	for _, state := range workerStates {
		snap.Workers[state.String()] = 0
	}
	if !m.brief {
		s.countHandovers(now)
	}
	for _, w := range core.Workers {
		state := w.State.String()
		if w.Stopped {
			state = stopped
		}
		snap.Workers[state]++
		live := s.workers[w.ID]
		if live == nil {
			continue // it waits for its start
		}
		each := metrics.Worker{ID: uint64(w.ID), Generation: int(w.Generation), Memory: live.memory.get(live.process.PID())}
		switch {
		case w.Speaks:
			counters := live.board.Read()
			s.sound(live, s.totals.Read(uint64(w.ID), now.Sub(live.started), counters))
			snap.Present.Add(counters)
			each.InFlight, each.Connections = &counters.InFlight, &counters.Connections
			if !counters.Detailed { // built with another release
				snap.Present.Uncounted++
			}
		default:
			snap.Present.Uncounted++
		}
		snap.Each = append(snap.Each, each)
	}
	if m.brief {
		snap.Totals = s.totals.Brief()
	} else {
		snap.Totals = s.totals.State()
	}
	m.answer <- snap
}

// countEnd adds a worker that has ended to the totals, with what it had counted
// until its last moment: its process is gone, and its board is not.
func (s *Supervisor) countEnd(w *worker, r *postmortem.Record) {
	cause := metrics.CauseAsked
	if r != nil {
		cause = metrics.Cause(r.Cause.Class)
	}
	s.countHandovers(time.Now())
	s.sound(w, s.totals.Ended(uint64(w.id), cause, time.Since(w.started), w.board.Read()))
}

// countHandovers reads what workers have counted in the memory that they share.
func (s *Supervisor) countHandovers(now time.Time) {
	if s.opt.Siblings == nil {
		return
	}
	for _, f := range s.opt.Siblings.Workers() {
		w := s.workers[arbiter.WorkerID(f.ID)]
		if w == nil {
			continue // a slot with another number in it than the supervisor's is a lie
		}
		s.sound(w, s.totals.Handed(f.ID, now.Sub(w.started), metrics.Handovers{
			AcceptCalls: f.AcceptCalls, Accepted: f.Accepted, Passed: f.Passed, Moved: f.Moved, Received: f.Received,
		}))
	}
}

// sound says that a worker's board is not.
func (s *Supervisor) sound(w *worker, sound bool) {
	if !sound {
		s.log.Warn("the scoreboard of a worker says what cannot be (a counter that went back, or leapt); that is left out of the metrics",
			"worker", w.id, "pid", w.process.PID(), "generation", w.generation)
	}
}

// countReload counts a reload that was begun.
func (s *Supervisor) countReload(a arbiter.ReloadDone) {
	if a.Generation != 0 {
		s.totals.Reloaded(a.Reason == "", time.Now())
	}
}
