package supervise

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// snapshot is a status, and what has to be looked at to fill it in.
type snapshot struct {
	control.Status
	live []lively // of each worker
}

// lively is where a worker is looked at.
type lively struct {
	memory *resident         // nil: it has not been started
	board  *scoreboard.Board // nil: it has none that says anything
}

// status is everything that the loop knows, for people and programs.
func (s *Supervisor) status() snapshot {
	snap := s.core.Snapshot()
	st := snapshot{Status: control.Status{
		State:         snap.Phase.String(),
		PID:           os.Getpid(),
		Version:       s.opt.Version,
		Generation:    int(snap.Generation),
		Wanted:        snap.Wanted,
		UptimeSeconds: seconds(time.Since(s.started)),
		Listeners:     make([]string, 0, len(s.opt.Listeners)),
		Workers:       make([]control.WorkerStatus, 0, len(snap.Workers)),
		Suspects:      s.poison.Suspects(time.Now()),
	}}
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
	st.Progress = progressOf(time.Now(), snap, s.begun())
	for _, w := range snap.Workers {
		ws := control.WorkerStatus{
			ID: uint64(w.ID), Generation: int(w.Generation), State: shownState(w),
			AgeSeconds: seconds(time.Since(w.Since)), Liveness: shownLiveness(w),
		}
		var at lively
		if live := s.workers[w.ID]; live != nil {
			ws.PID = live.process.PID()
			ws.DatabaseConnections = live.share.Connections
			at.memory = &live.memory
			if w.Speaks {
				at.board = live.board
			}
		}
		st.Workers = append(st.Workers, ws)
		st.live = append(st.live, at)
	}
	return st
}

// around adds what is read of the workers' memory and from their boards. The
// loop does not wait for that: with many workers most of an answer's time goes
// into it, and whoever watches asks ten times a second.
func (l *snapshot) around() control.Status {
	for i := range l.Workers {
		w := &l.Workers[i]
		if m := l.live[i].memory; m != nil {
			w.RSSBytes = m.get(w.PID)
		}
		if b := l.live[i].board; b != nil {
			fromBoard(w, b)
		}
		if w.Latency != nil {
			l.LatencyBounds = scoreboard.DurationBounds[:]
		}
	}
	if l.Progress != nil {
		complete(l.Progress, listed(l.Workers))
	}
	return l.Status
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
	c := board.Brief()
	ws.Requests, ws.InFlight, ws.Connections = &c.Requests, &c.InFlight, &c.Connections
	if h, ok := board.Durations(); ok && h.Count() > 0 {
		ws.Latency = &control.LatencyStatus{Counts: h.Counts, SumSeconds: h.Sum}
	}
	for _, p := range board.Permits() {
		ws.Permits = append(ws.Permits, control.PermitStatus{
			Limiter: p.Name, Limit: p.Limit, InUse: p.InUse, Queue: p.Queue, Rejected: p.Rejected, StarvingSeconds: seconds(p.Starving),
			Abandoned: p.Abandoned, OldestAbandonedSeconds: seconds(p.OldestAbandoned),
		})
	}
	for i, r := range board.Oldest(mostNamed) {
		if i == 0 {
			ws.OldestRequestSeconds = ptr(seconds(r.Age))
		}
		ws.OldestRequests = append(ws.OldestRequests, requestStatus(r))
	}
}

func requestStatus(r scoreboard.Request) control.RequestStatus {
	return control.RequestStatus{Method: r.Method, Route: r.Route, RequestID: r.ID, AgeSeconds: seconds(r.Age), Matched: r.Matched}
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// rssFor is for how long a reading of a worker's memory is given out again. It
// is half of what a status takes, and does not change much within it.
const rssFor = 500 * time.Millisecond

// resident is the resident memory of one worker. It may be asked from any
// goroutine.
type resident struct {
	mu   sync.Mutex
	at   time.Time
	last *int64
}

// get is what rss says of pid, at most so old as rssFor says.
func (r *resident) get(pid int) *int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.at.IsZero() || now.Sub(r.at) >= rssFor {
		r.at, r.last = now, rss(pid)
	}
	return r.last
}

// rss is a process's resident memory; nil when it is gone. It goes around
// os.ReadFile, which takes three times the system calls.
func rss(pid int) *int64 {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/statm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var text [128]byte // seven numbers
	n, err := unix.Read(fd, text[:])
	if err != nil {
		return nil
	}
	fields := bytes.Fields(text[:n])
	if len(fields) < 2 {
		return nil
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return nil
	}
	size := pages * int64(os.Getpagesize())
	return &size
}
