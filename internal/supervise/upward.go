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
)

// upward is what the service manager has been told, or will be: it may take its
// time to listen, and the loop does not wait for it.
type upward struct {
	phase  arbiter.Phase
	ready  bool // READY=1 has been said once
	status string
}

// report tells the service manager what has changed, in the terms of
// sd_notify. Without a service manager it does nothing.
func (s *Supervisor) report() {
	if s.opt.Notify == "" {
		return
	}
	snap, told := s.core.Snapshot(), s.told
	state := ""
	if snap.Phase != told.phase || !told.ready {
		switch snap.Phase {
		case arbiter.PhaseRunning, arbiter.PhaseDegraded:
			if !told.ready || told.phase == arbiter.PhaseReloading {
				state += "READY=1\n"
			}
			told.ready = true
		case arbiter.PhaseReloading:
			if told.ready {
				state += "RELOADING=1\nMONOTONIC_USEC=" + monotonicUsec() + "\n"
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
		if w.State == arbiter.Ready {
			ready++
		}
	}
	status := fmt.Sprintf("%s: %d of %d workers ready, generation %d", snap.Phase, ready, snap.Wanted, snap.Generation)
	if status != told.status {
		told.status = status
		state += "STATUS=" + status + "\n"
	}
	if state == "" {
		s.told = told
		return
	}
	select {
	case s.news <- state:
		s.told = told
	default: // said when there is room, if it is still news then
	}
}

// tellNews sends what report has queued, until the queue is closed or the end
// has waited for it long enough.
func (s *Supervisor) tellNews() {
	defer close(s.newsTold)
	for state := range s.news {
		select {
		case <-s.newsLate:
			return
		default:
		}
		if err := notify.Send(s.opt.Notify, state); err != nil {
			s.log.Warn("tell the service manager", "error", err)
		}
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
