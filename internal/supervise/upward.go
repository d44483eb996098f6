package supervise

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/notify"
)

const (
	// newsAhead is how many notifications may wait for the service manager.
	newsAhead = 8
	// lastNewsWait bounds how long the end waits for it to take them.
	lastNewsWait = time.Second
	// leeway is what the service manager is asked to wait beyond a bound of ours,
	// so that our clear report comes before its kill. What comes after a drain takes
	// 13 s at worst: last lines 1, this news 1, callers on the control socket 2,
	// timeline 1, records 2, the log 5, a last word 1.
	leeway = 15 * time.Second
)

// upward is what the service manager has been told, or will be: it may take its
// time to listen, and the loop does not wait for it.
type upward struct {
	phase    arbiter.Phase
	ready    bool // READY=1 has been said once
	status   string
	progress string        // the end of it: what is waited for; "": nothing
	extend   time.Duration // what is to be asked for; 0: nothing
	owed     string        // RELOADING=1, when there was no room for it
	vigil    vigil
	lost     bool // it was said that the watchdog is not fed any more
}

// extend asks the service manager to wait for so long from now, should its own
// bound on the start, reload or stop that is under way be shorter: d is our own
// bound on the next thing that happens. It is asked once for each, so a phase
// that makes no progress is not extended for ever. It is said by the next report.
func (s *Supervisor) extend(d time.Duration) {
	s.told.extend = max(s.told.extend, d+leeway)
}

// watchdogBeats ticks when the service manager wants a sign of life: twice in
// the time that it waits for one. Without a watchdog it never does.
func (s *Supervisor) watchdogBeats() (ticks <-chan time.Time, stop func()) {
	if s.opt.Notify == "" || s.opt.Watchdog <= 0 {
		return nil, func() {}
	}
	t := time.NewTicker(max(s.opt.Watchdog/2, time.Millisecond))
	return t.C, t.Stop
}

// beat gives the service manager a sign of life, unless the fleet is hung beyond
// what we can cure: then it is to restart us, and everything with us.
func (s *Supervisor) beat() {
	snap := s.core.Snapshot()
	s.told.vigil.observe(time.Now(), snap, time.Duration(s.config.Timeout))
	lost := s.told.vigil.lost(snap)
	switch {
	case lost && !s.told.lost:
		s.log.Error("workers hang, and their replacements hang again: the watchdog of the service manager is not fed any more, so that it restarts the service",
			"hung_in_a_row", s.told.vigil.inRow, "watchdog", s.opt.Watchdog.String())
	case !lost && s.told.lost:
		s.log.Info("a worker has lived on: the watchdog of the service manager is fed again")
	}
	s.told.lost = lost
	if lost {
		return
	}
	select {
	case s.news <- "WATCHDOG=1\n":
	default: // it has not taken what was said before; this adds nothing
	}
}

// report tells the service manager what has changed, in the terms of
// sd_notify. Without a service manager it does nothing.
func (s *Supervisor) report() {
	if s.opt.Notify == "" || !s.payUp() {
		return
	}
	snap := s.core.Snapshot()
	s.told.vigil.observe(time.Now(), snap, time.Duration(s.config.Timeout))
	if snap.Phase == arbiter.PhaseStopping && s.told.phase != arbiter.PhaseStopping {
		s.extend(time.Duration(s.config.LameDuck + s.config.GracefulTimeout))
	}
	told := s.told
	state, reloading := "", ""
	if snap.Phase != told.phase || !told.ready {
		switch snap.Phase {
		case arbiter.PhaseRunning, arbiter.PhaseDegraded:
			if !told.ready || told.phase == arbiter.PhaseReloading {
				state += "READY=1\n"
			}
			told.ready = true
		case arbiter.PhaseReloading:
			if told.ready {
				reloading = "RELOADING=1\nMONOTONIC_USEC=" + monotonicUsec() + "\n"
				state += reloading
			}
		case arbiter.PhaseStopping:
			if told.phase != arbiter.PhaseStopping {
				state += "STOPPING=1\n"
			}
		}
		told.phase = snap.Phase
	}
	ready := 0
	for _, w := range snap.Workers {
		if w.State == arbiter.Ready && !w.Stopped {
			ready++
		}
	}
	status := fmt.Sprintf("%s: %d of %d workers ready, generation %d", snap.Phase, ready, snap.Wanted, snap.Generation)
	if told.progress != "" {
		status += "; " + told.progress
	}
	if status != told.status {
		told.status = status
		state += "STATUS=" + status + "\n"
	}
	if told.extend > 0 {
		switch snap.Phase {
		case arbiter.PhaseStarting, arbiter.PhaseReloading, arbiter.PhaseStopping:
			state += "EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(told.extend.Microseconds(), 10) + "\n"
			// systemd puts its watchdog off by as much, until the next beat. Should we stand
			// still before that, a service that was up would be without both for minutes.
			if snap.Phase == arbiter.PhaseReloading && s.opt.Watchdog > 0 && !told.lost {
				state += "WATCHDOG=1\n"
			}
		}
		told.extend = 0
	}
	if state == "" {
		s.told = told
		return
	}
	select {
	case s.news <- state:
		s.told = told
	default: // said when there is room, if it is still news then
		s.told.owed = reloading // and this in any case
	}
}

// payUp says that a reload has begun which could not be said at the time, and
// reports whether nothing is owed any more. The service manager may be waiting
// for that and for the READY=1 after it, also when the reload is over by now.
func (s *Supervisor) payUp() bool {
	if s.told.owed == "" {
		return true
	}
	select {
	case s.news <- s.told.owed:
		s.told.owed, s.told.phase = "", arbiter.PhaseReloading
		return true
	default:
		return false
	}
}

// tellNews sends what report has queued, until the queue is closed or the end
// has waited for it long enough.
func (s *Supervisor) tellNews() {
	defer close(s.newsTold)
	failing := false // said once, until it listens again
	for state := range s.news {
		select {
		case <-s.newsLate:
			return
		default:
		}
		err := notify.Send(s.opt.Notify, state)
		if err != nil && !failing {
			s.log.Warn("tell the service manager", "error", err)
		}
		failing = err != nil
		if len(s.news) == 0 {
			s.send(moreNews{})
		}
	}
}

// moreNews says that there is room again for what could not be queued.
type moreNews struct{}

func (moreNews) handle(s *Supervisor) { s.report() }

// endNews gives the service manager a moment to hear the last of it. Nothing is
// reported after that.
func (s *Supervisor) endNews() {
	close(s.news)
	limit := time.NewTimer(lastNewsWait)
	defer limit.Stop()
	select {
	case <-s.newsTold:
	case <-limit.C:
		close(s.newsLate)
	}
}

// monotonicUsec is the time that systemd compares RELOADING=1 with.
func monotonicUsec() string {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return "0"
	}
	return strconv.FormatInt(t.Nano()/1000, 10)
}
