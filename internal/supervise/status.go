package supervise

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/notify"
)

// status is everything that is known, for people and programs.
func (s *Supervisor) status() control.Status {
	snap := s.core.Snapshot()
	st := control.Status{
		State:         snap.Phase.String(),
		PID:           os.Getpid(),
		Version:       s.opt.Version,
		Generation:    int(snap.Generation),
		UptimeSeconds: seconds(time.Since(s.started)),
		Listeners:     make([]string, 0, len(s.opt.Listeners)),
		Workers:       make([]control.WorkerStatus, 0, len(snap.Workers)),
	}
	for _, l := range s.opt.Listeners {
		st.Listeners = append(st.Listeners, l.Addr().String())
	}
	if r := snap.LastReload; r.Generation != 0 {
		st.LastReload = &control.LastReload{Generation: int(r.Generation), Result: control.ResultOK}
		if !r.OK {
			st.LastReload.Result, st.LastReload.Error = control.ResultFailed, r.Reason
		}
	}
	for _, w := range snap.Workers {
		ws := control.WorkerStatus{
			ID: uint64(w.ID), Generation: int(w.Generation), State: w.State.String(),
			AgeSeconds: seconds(time.Since(w.Since)), Liveness: w.Liveness,
		}
		if live := s.workers[w.ID]; live != nil {
			ws.PID = live.process.PID()
			ws.RSSBytes = rss(ws.PID)
			if w.Speaks {
				c := live.board.Read()
				ws.Requests, ws.InFlight, ws.Connections = &c.Requests, &c.InFlight, &c.Connections
			}
		}
		st.Workers = append(st.Workers, ws)
	}
	return st
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// rss is a process's resident memory; nil when it is gone.
func rss(pid int) *int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return nil
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return nil
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return nil
	}
	n := pages * int64(os.Getpagesize())
	return &n
}

// upward is what the service manager has been told.
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
	snap := s.core.Snapshot()
	state := ""
	if snap.Phase != s.told.phase || !s.told.ready {
		switch snap.Phase {
		case arbiter.PhaseRunning, arbiter.PhaseDegraded:
			if !s.told.ready || s.told.phase == arbiter.PhaseReloading {
				state += "READY=1\n"
			}
			s.told.ready = true
		case arbiter.PhaseReloading:
			if s.told.ready {
				state += "RELOADING=1\nMONOTONIC_USEC=" + monotonicUsec() + "\n"
			}
		case arbiter.PhaseStopping:
			if s.told.phase != arbiter.PhaseStopping {
				state += "STOPPING=1\n"
			}
		}
		s.told.phase = snap.Phase
	}
	ready := 0
	for _, w := range snap.Workers {
		if w.State == arbiter.Ready {
			ready++
		}
	}
	status := fmt.Sprintf("%s: %d of %d workers ready, generation %d", snap.Phase, ready, snap.Wanted, snap.Generation)
	if status != s.told.status {
		s.told.status = status
		state += "STATUS=" + status + "\n"
	}
	if state == "" {
		return
	}
	if err := notify.Send(s.opt.Notify, state); err != nil {
		s.log.Warn("tell the service manager", "error", err)
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
