package supervise

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/scoreboard"
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
		Suspects:      s.poison.Suspects(time.Now()),
	}
	for _, l := range s.opt.Listeners {
		st.Listeners = append(st.Listeners, l.Addr().String())
	}
	if r := snap.LastReload; r.Generation != 0 {
		st.LastReload = &control.LastReload{Generation: int(r.Generation), Result: control.ResultOK}
		if !r.OK {
			st.LastReload.Result, st.LastReload.Error = control.ResultFailed, r.Reason
			st.LastReload.LastWords = s.lastWords
		}
	}
	st.LastUpgrade = s.lastUpgrade
	for _, w := range snap.Workers {
		ws := control.WorkerStatus{
			ID: uint64(w.ID), Generation: int(w.Generation), State: shownState(w),
			AgeSeconds: seconds(time.Since(w.Since)), Liveness: shownLiveness(w),
		}
		if live := s.workers[w.ID]; live != nil {
			ws.PID = live.process.PID()
			ws.RSSBytes = rss(ws.PID)
			ws.DatabaseConnections = live.share.Connections
			if w.Speaks {
				fromBoard(&ws, live.board)
			}
		}
		st.Workers = append(st.Workers, ws)
	}
	return st
}

// shownState is a worker's state for status and metrics: that it is stopped says
// more than whether it was ready or drained when that came.
func shownState(w arbiter.Worker) string {
	if w.Stopped && w.State != arbiter.Killed {
		return "stopped"
	}
	return w.State.String()
}

func shownLiveness(w arbiter.Worker) string {
	if w.Stopped && w.Liveness != "hung" {
		return "stopped"
	}
	return w.Liveness
}

// fromBoard adds what a worker writes on its scoreboard.
func fromBoard(ws *control.WorkerStatus, board *scoreboard.Board) {
	c := board.Read()
	ws.Requests, ws.InFlight, ws.Connections = &c.Requests, &c.InFlight, &c.Connections
	for _, p := range c.Permits {
		ws.Permits = append(ws.Permits, control.PermitStatus{
			Limiter: p.Name, Limit: p.Limit, InUse: p.InUse, Queue: p.Queue, Rejected: p.Rejected, StarvingSeconds: seconds(p.Starving),
			Abandoned: p.Abandoned, OldestAbandonedSeconds: seconds(p.OldestAbandoned),
		})
	}
	for i, r := range board.InFlight() {
		if i == 0 {
			ws.OldestRequestSeconds = ptr(seconds(r.Age))
		}
		if i == mostNamed {
			break
		}
		ws.OldestRequests = append(ws.OldestRequests, control.RequestStatus{
			Method: r.Method, Route: r.Route, RequestID: r.ID, AgeSeconds: seconds(r.Age),
		})
	}
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
