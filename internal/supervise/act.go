package supervise

import (
	"fmt"
	"log/slog"
	"slices"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/timeline"
)

// act carries out one action of the arbiter.
func (s *Supervisor) act(a arbiter.Action) {
	s.noteAction(a)
	s.noteEnding(a)
	switch a := a.(type) {
	case arbiter.Spawn:
		s.spawns = append(s.spawns, a)
		s.by.Starts[a.ID] = startReason(s.events[0], s.core.Snapshot(), a)
		s.extend(time.Duration(s.config.BootTimeout))
	case arbiter.Drain:
		s.log.Info("worker asked to drain", "worker", a.ID)
		s.signal(a.ID, syscall.Signal(s.config.StopSignal))
	case arbiter.Interrupt:
		s.log.Info("worker asked to end at once", "worker", a.ID)
		s.signal(a.ID, syscall.SIGINT)
	case arbiter.Abort:
		s.log.Error("worker is put down, after a dump of its goroutines", "worker", a.ID, "reason", a.Reason)
		s.signal(a.ID, syscall.SIGABRT)
	case arbiter.Kill:
		s.log.Error("worker is killed", "worker", a.ID, "reason", a.Reason)
		s.signal(a.ID, syscall.SIGKILL)
	case arbiter.Prepare:
		s.log.Info("reload begins", "generation", a.Generation)
		s.extend(time.Duration(s.config.ReloadTimeout))
		s.prepare(a.Generation)
	case arbiter.Release:
		s.release(a.Generation)
	case arbiter.ReloadDone:
		s.reloadDone(a)
	case arbiter.Refuse:
		s.refuse()
	case arbiter.Exit:
		s.result = &Result{Code: a.Code, Reason: a.Reason}
	case arbiter.Wake:
		s.signal(a.ID, syscall.SIGCONT)
	case arbiter.Degraded:
		if a.On {
			s.log.Error("degraded: workers keep failing; a replacement is tried every 10 s", "why", a.Why, "see", "the workers' last lines above")
		} else {
			s.log.Info("no longer degraded")
		}
	case arbiter.Backoff:
		s.log.Warn("workers failed early; the replacement waits", "failures", a.Failures,
			"for", time.Until(a.Until).Round(time.Millisecond).String())
	case arbiter.Stuck:
		s.log.Error("worker does not end although it was killed; it may wait for a device or be traced",
			"worker", a.ID, "since", a.Since.Round(time.Second).String())
	case arbiter.ClockJump:
		s.log.Warn("this machine stood still; the silence of workers meanwhile is not held against them",
			"for", a.Late.Round(time.Millisecond).String())
	default:
		panic(fmt.Sprintf("supervise: no such action: %T", a))
	}
}

// spawn starts the worker that has waited longest. Each takes milliseconds, on a
// busy machine many, so they are started one by one between messages: a status,
// or TERM, does not wait for two hundred of them.
func (s *Supervisor) spawn() {
	id, n := s.spawns[0].ID, s.spawns[0].Generation
	s.spawns = s.spawns[1:]
	reason := s.by.Starts[id]
	delete(s.by.Starts, id)
	w, err := s.launch(id, s.generations[n])
	if err != nil {
		s.note(timeline.Event{
			Kind: timeline.WorkerFailed, Worker: uint64(id), Generation: int(n), Cause: err.Error(),
			Text: fmt.Sprintf("worker %d could not be started: %v", id, err),
		})
		s.log.Error("worker could not be started", "worker", id, "error", err)
		s.totals.NotStarted()
		s.step(arbiter.SpawnFailed{ID: id, Reason: err.Error()})
		return
	}
	s.workers[id] = w
	s.totals.Started()
	s.noteWorker(w, timeline.WorkerStarted, reason, byUs, fmt.Sprintf("of generation %d started, pid %d", n, w.process.PID()))
	s.log.Info("worker started", "worker", id, "pid", w.process.PID(), "generation", n)
}

// signal sends sig to a worker. A worker that has ended meanwhile needs none:
// its exit is on its way to the loop. One that still waits for its start never
// gets one: whatever is sent to it is the wish that it goes.
func (s *Supervisor) signal(id arbiter.WorkerID, sig syscall.Signal) {
	if w := s.workers[id]; w != nil {
		s.logError("signal a worker", w.process.Signal(sig))
		return
	}
	waiting := len(s.spawns)
	s.spawns = slices.DeleteFunc(s.spawns, func(a arbiter.Spawn) bool { return a.ID == id })
	if len(s.spawns) < waiting {
		delete(s.by.Starts, id)
		s.step(arbiter.SpawnFailed{ID: id, Reason: "no longer wanted"})
	}
}

// refuse turns new connections away and gives up our hold on the sockets, so
// that each ends with the last worker that has emptied its queue.
func (s *Supervisor) refuse() {
	s.refused = true
	s.opt.Siblings.stop()
	tandem := true
	for _, w := range s.core.Snapshot().Workers {
		// One that is not ready yet may just not have spoken yet.
		tandem = tandem && (w.Speaks || w.ReadyAt.IsZero())
	}
	for _, l := range s.opt.Listeners {
		if err := l.Refuse(tandem); err != nil {
			s.log.Warn("connections that arrive during the stop may be reset; CAP_NET_ADMIN, or a socket that systemd holds, avoids that",
				"listener", l.Addr().String(), "error", err)
		}
		s.forgetStored(l)
		s.logError("close a listener", l.Close())
	}
}

// reloadDone makes the outcome of a reload known to all who asked.
func (s *Supervisor) reloadDone(a arbiter.ReloadDone) {
	s.countReload(a)
	s.lookout.failed = a.Reason != ""
	result := control.ReloadResult{Generation: int(a.Generation), Result: control.ResultOK}
	if a.Reason == "" {
		s.lastWords = nil
		s.commit(a.Generation)
		s.log.Info("reload done", "generation", a.Generation)
	} else {
		result.Result, result.Error = control.ResultFailed, a.Reason
		if w := s.workers[a.Worker]; w != nil {
			result.LastWords = w.lastWords()
		}
		if a.Generation != 0 {
			s.lastWords = result.LastWords
		}
		attrs := []any{"generation", a.Generation, "reason", a.Reason}
		if a.Worker != 0 {
			attrs = append(attrs, "worker", a.Worker)
		}
		s.log.Error("reload failed; the old generation goes on", attrs...)
	}
	for _, ticket := range a.Tickets {
		s.answer(ticket, result)
	}
}

// commit makes the settings of a generation those of the supervisor.
func (s *Supervisor) commit(n arbiter.Generation) {
	g := s.generations[n]
	if g == nil {
		return
	}
	s.config = g.config
	if s.opt.SetLevel != nil {
		s.opt.SetLevel(slog.Level(g.config.LogLevel))
	}
}

func (s *Supervisor) answer(ticket uint64, r control.ReloadResult) {
	if w, ok := s.waiters[ticket]; ok {
		delete(s.waiters, ticket)
		w.answer(r)
	}
}
