package supervise

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/logpipe"
	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/socket"
	"github.com/tandem-go/tandem/internal/timeline"
	"github.com/tandem-go/tandem/internal/upgrade"
)

// takenOver is what Run does first in the place of another program.
type takenOver struct {
	from, failure string
	signals       []os.Signal
	callers       []*control.Caller
	unwatched     int64
}

// restore makes a Supervisor that goes on with the state in o.Taken. It uses
// nothing up: nothing is read, signalled or started before Run.
func restore(o Options) (*Supervisor, error) {
	var st saved
	found, err := o.Taken.Get(PartName, &st)
	if err == nil && !found {
		err = fmt.Errorf("the state has no part %q", PartName)
	}
	if err != nil {
		return nil, err
	}
	now := time.Now()
	then := now.Add(-o.Taken.Elapsed()) // ages count from there
	if o.Totals == nil {
		var was metrics.State
		if _, err := o.Taken.Get(MetricsPart, &was); err != nil {
			return nil, err
		}
		o.Totals = metrics.Restore(was)
	}
	s := blank(o)
	s.started = then.Add(-st.Age)
	s.refused, s.termed, s.spawns, s.ticket = st.Refused, st.Termed, st.Spawns, st.Ticket
	s.lastWords, s.poison, s.lastUpgrade = st.LastWords, st.Poison, st.LastUpgrade
	s.lookout.print = string(st.Watched)
	if s.by = st.By; s.by.Starts == nil {
		s.by.Starts = map[arbiter.WorkerID]string{}
	}
	s.tickets = st.Tickets.tickets(then)
	s.tickets.rotate(now)
	s.told.vigil.inRow, s.told.vigil.hung = st.HungInRow, map[arbiter.WorkerID]bool{}
	for _, id := range st.Hung {
		s.told.vigil.hung[id] = true
	}
	if s.core, err = arbiter.Restore(st.Core, then); err != nil {
		return nil, err
	}
	take := func(fd int) (int, error) { return o.Taken.FD(fd) }
	for _, sl := range st.Listeners {
		l, err := socket.Adopt(sl, take)
		if err != nil {
			return nil, err
		}
		s.opt.Listeners = append(s.opt.Listeners, l)
	}
	if s.opt.Siblings, err = st.Siblings.adopt(take); err != nil {
		return nil, err
	}
	for _, sg := range st.Generations {
		if s.generations[sg.Number], err = sg.adopt(o.Taken, take); err != nil {
			return nil, err
		}
	}
	serving := s.generations[st.Core.Generation]
	if serving == nil {
		return nil, fmt.Errorf("the state does not have generation %d, which serves", st.Core.Generation)
	}
	s.config = serving.config
	for _, sw := range st.Workers {
		if err := s.restoreWorker(sw, take, then); err != nil {
			return nil, fmt.Errorf("worker %d: %w", sw.ID, err)
		}
	}
	for _, known := range s.core.Snapshot().Workers {
		if w := s.workers[known.ID]; w != nil {
			w.stopped = known.Stopped // or nobody would tell when it goes on
		}
	}
	for _, sw := range st.Waiters {
		c, err := control.AdoptCaller(sw.FD, take)
		if err != nil {
			return nil, err
		}
		s.waiters[sw.Ticket] = waiter{answer: func(r control.ReloadResult) { _ = c.Answer(r) }, caller: c}
	}
	s.taken = &takenOver{from: o.Taken.From(), failure: o.Taken.Failure, unwatched: st.Unwatched}
	for _, n := range st.Signals {
		s.taken.signals = append(s.taken.signals, syscall.Signal(n))
	}
	s.taken.signals = append(s.taken.signals, o.Taken.Signals...)
	for _, fd := range st.Callers {
		c, err := control.AdoptCaller(fd, take)
		if err != nil {
			return nil, err
		}
		s.taken.callers = append(s.taken.callers, c)
	}
	for _, g := range st.Core.Open {
		if !g.Answered { // whoever prepared it is gone
			s.unprepared = append(s.unprepared, g.Number)
		}
	}
	return s, nil
}

func (s *Supervisor) restoreWorker(sw savedWorker, take func(int) (int, error), then time.Time) error {
	w, err := sw.adopt(take, then)
	if err != nil {
		return err
	}
	if g := s.generations[w.generation]; g != nil {
		w.readyBy = g.config.Ready
	} else {
		w.readyBy = s.config.Ready
	}
	w.oom = s.oom.Watch(w.process.PID())
	sw.Log.Source.Crash = &w.dump
	var watch logpipe.Watch
	if !w.ready {
		watch = s.watchReady(w)
	}
	w.stdout, w.stderr, err = s.opt.Logs.AdoptWorker(sw.Log, take, [2]logpipe.Watch{watch, watch})
	if err != nil {
		return err
	}
	s.workers[w.id] = w
	return nil
}

// resume begins to watch what was taken over, and ends the upgrade.
func (s *Supervisor) resume() {
	t := s.taken
	for _, w := range s.workers {
		s.watch(w)
	}
	for _, n := range s.unprepared {
		s.prepare(n)
	}
	gap := time.Duration(max(0, boottime()-t.unwatched))
	switch {
	case t.failure != "":
		s.upgradeFailed(t.failure, "")
	default:
		s.lastUpgrade = &control.LastUpgrade{Result: control.ResultOK, From: t.from, To: s.opt.Version, Time: time.Now()}
		s.log.Info("supervisor upgraded", "from", t.from, "version", s.opt.Version, "pid", os.Getpid(),
			"workers", len(s.workers), "unwatched", gap.Round(time.Millisecond).String())
		s.note(timeline.Event{
			Kind: timeline.UpgradeDone, Actor: s.by.Upgrade,
			Text: fmt.Sprintf("supervisor upgraded from %s to %s, pid %d, workers untouched", t.from, s.opt.Version, os.Getpid()),
		})
	}
	result := control.UpgradeResult{Version: s.opt.Version, From: t.from, PID: os.Getpid(), Seconds: seconds(gap)}
	for _, c := range t.callers { // an answer fits in an empty socket: nobody is waited for
		if t.failure != "" {
			_ = c.Refuse(t.failure)
		} else {
			_ = c.Answer(result)
		}
	}
	for _, sig := range t.signals {
		signalled{sig}.handle(s)
	}
	s.step(arbiter.Tick{})
}

// Taken says whether New has gone on with the state of another program.
func (s *Supervisor) Taken() bool { return s.taken != nil }

// CheckLog is the check of the log's part.
func CheckLog(t *upgrade.Taken, name string) error {
	var st logpipe.State
	if _, err := t.Get(name, &st); err != nil {
		return err
	}
	_, err := t.FD(st.File)
	return err
}
