package supervise

import (
	"fmt"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
)

// waiting is what was said of something that takes its time. The loop owns it; an
// upgrade need not carry it.
type waiting struct {
	what   string        // identifies it; "": nothing is under way
	logged time.Duration // it is in the log up to so long; the next time is twice that
	told   time.Time     // when the service manager was told
}

// begun gives the times from which progress is counted.
func (s *Supervisor) begun() begun {
	b := begun{stop: s.by.StopAt, asked: s.by.AskedAt, undo: s.by.UndoneAt, drain: map[arbiter.WorkerID]time.Time{}}
	for id, w := range s.workers {
		if !w.leaving.IsZero() {
			b.drain[id] = w.leaving
		}
	}
	return b
}

// underWay says whether there may be progress to tell of, which is cheap to know.
func (s *Supervisor) underWay() bool {
	switch s.core.Phase() {
	case arbiter.PhaseReloading, arbiter.PhaseStopping:
		return true
	}
	for _, w := range s.workers {
		if !w.leaving.IsZero() {
			return true
		}
	}
	return false
}

// tellProgress says what is waited for: to the service manager once a second, to
// the log after a second and each time that it has taken twice as long again.
func (s *Supervisor) tellProgress() {
	var p *control.Progress
	now := time.Now()
	if s.underWay() {
		p = progressOf(now, s.core.Snapshot(), s.begun())
	}
	if p == nil {
		if s.waiting = (waiting{}); s.told.progress != "" {
			s.told.progress = ""
			s.report()
		}
		return
	}
	if what := fmt.Sprint(p.What, p.Generation); what != s.waiting.what {
		s.waiting = waiting{what: what}
	}
	took := time.Duration(p.Seconds * float64(time.Second))
	log := took >= max(progressAfter, 2*s.waiting.logged)
	tell := now.Sub(s.waiting.told) >= progressAfter
	if !log && !tell {
		return
	}
	complete(p, s.inFlight(p))
	if log {
		s.waiting.logged = took
		s.log.Info("still waiting", "progress", p.Text)
	}
	if tell {
		s.waiting.told, s.told.progress = now, p.Text
		s.report()
	}
}

// inFlight reads what the workers that are waited for have in flight.
func (s *Supervisor) inFlight(p *control.Progress) (all []inFlight) {
	if !drains(p) {
		return nil
	}
	for _, id := range p.Workers {
		w := s.workers[arbiter.WorkerID(id)]
		if w == nil {
			continue
		}
		f := inFlight{worker: id, count: w.board.Brief().InFlight}
		for _, r := range w.board.Oldest(namedRequests) {
			f.requests = append(f.requests, requestStatus(r))
		}
		all = append(all, f)
	}
	return all
}

// listed gives the same from a status that is filled in.
func listed(workers []control.WorkerStatus) (all []inFlight) {
	for _, w := range workers {
		f := inFlight{worker: w.ID, requests: w.OldestRequests}
		if w.InFlight != nil {
			f.count = *w.InFlight
		}
		all = append(all, f)
	}
	return all
}
