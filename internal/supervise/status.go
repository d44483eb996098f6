package supervise

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/internal/control"
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
