package supervise

import (
	"context"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/logpipe"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/process"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

const (
	// lookEvery is how often living workers are looked at, to have something to
	// compare the dead with.
	lookEvery = 5 * time.Second
	// killsEvery is how often the counters of out-of-memory kills are: the time of
	// a kill is known as exactly as that.
	killsEvery = time.Second
)

// mortal is what is gathered of a worker for the record of its end.
type mortal struct {
	command []string
	oom     string            // the counter of out-of-memory kills that it counts in
	dump    postmortem.Folder // of its goroutines

	left atomic.Pointer[remains] // what was looked at when it ended; nil: it lives. Its watcher sets it, once

	// Below: the loop's.
	drain, quick    bool
	aborted, killed string // why
	failed          string // the reload that it failed, and how
	lastRSS         *int64
}

// noteEnding remembers what was asked of a worker, before it is.
func (s *Supervisor) noteEnding(a arbiter.Action) {
	switch a := a.(type) {
	case arbiter.Drain:
		if w := s.workers[a.ID]; w != nil {
			w.drain = true
			w.leave()
		}
	case arbiter.Interrupt:
		if w := s.workers[a.ID]; w != nil {
			w.quick = true
			w.leave()
		}
	case arbiter.Abort:
		if w := s.workers[a.ID]; w != nil {
			w.aborted, w.lastRSS = a.Reason, rss(w.process.PID())
		}
	case arbiter.Kill:
		if w := s.workers[a.ID]; w != nil && w.killed == "" {
			w.killed, w.lastRSS = a.Reason, rss(w.process.PID())
		}
	case arbiter.ReloadDone:
		if w := s.workers[a.Worker]; w != nil {
			w.failed = a.Reason
		}
	}
}

// remains is what a dead worker has left, gathered off the loop.
type remains struct {
	oom      postmortem.OOMKill
	requests []postmortem.Request
	unlisted int
	lines    []postmortem.Line
	dump     *postmortem.Dump
}

// rest looks at what a worker that has just ended was at, before time passes.
func (s *Supervisor) rest(w *worker, exit process.Exit) (r remains) {
	if exit.Err == nil && exit.Status.Signaled() && exit.Status.Signal() == unix.SIGKILL {
		r.oom = s.oom.Killed(w.oom)
	}
	for _, q := range w.board.InFlight() {
		kind := kindOf(q)
		r.requests = append(r.requests, postmortem.Request{Method: kind.Method, Route: kind.Route, ID: q.ID, AgeSeconds: seconds(q.Age)})
	}
	if n := w.board.Brief().InFlight; len(r.requests) > 0 {
		r.unlisted = max(0, int(min(n, 1<<30))-len(r.requests))
	}
	return r
}

// kindOf is the method and the route; a pattern of net/http may begin with the
// method.
func kindOf(q scoreboard.Request) postmortem.Kind {
	return postmortem.Kind{Method: q.Method, Route: strings.TrimPrefix(q.Route, q.Method+" ")}
}

// words adds what it had to say, when that has been read.
func (r remains) words(w *worker) remains {
	r.dump = w.dump.Dump()
	for _, l := range w.stderr.LastLines() { // of both streams
		text := strings.ToValidUTF8(string(l.Text), "\ufffd")
		r.lines = append(r.lines, postmortem.Line{Stream: l.Stream.String(), Text: text})
	}
	r.lines = postmortem.Strip(r.lines, r.dump)
	return r
}

// examine says what is known of the end of a worker; nil if it ended as it
// should. It comes before the arbiter forgets it.
func (s *Supervisor) examine(w *worker, m exited) *postmortem.Record {
	facts := postmortem.Facts{
		Ready: w.ready, Drain: w.drain, Quick: w.quick, Aborted: w.aborted, Killed: w.killed,
		StopSignal: syscall.Signal(s.config.StopSignal), OOM: m.left.oom,
	}
	switch {
	case m.exit.Exec != nil:
		facts.Exec = m.exit.Exec.Error()
	case m.exit.Err != nil:
		facts.Unobserved = m.exit.Err.Error()
	case m.exit.Status.Signaled():
		facts.Signal, facts.CoreDumped = m.exit.Status.Signal(), m.exit.Status.CoreDump()
	default:
		facts.Code = m.exit.Status.ExitStatus()
	}
	if d := m.left.dump; d != nil && len(d.Head) > 0 {
		facts.Panic = d.Head[0]
	}
	snap := s.core.Snapshot()
	var known arbiter.Worker
	for _, k := range snap.Workers {
		if k.ID == w.id {
			known = k
		}
	}
	facts.Hung = known.Liveness == "hung"
	cause, abnormal := postmortem.Decode(facts)
	if !abnormal {
		return nil
	}
	now := time.Now()
	r := &postmortem.Record{
		Time: now, Worker: uint64(w.id), PID: w.process.PID(), Generation: int(w.generation), Command: w.command,
		Cause: cause, State: stateBefore(w, known.State), AgeSeconds: seconds(now.Sub(w.started)),
		Memory: postmortem.Memory{LastBytes: w.lastRSS}, Lines: m.left.lines, Dump: m.left.dump,
		Requests: m.left.requests, RequestsOmitted: m.left.unlisted,
	}
	if w.ready && !known.ReadyAt.IsZero() {
		r.ReadySeconds = ptr(seconds(now.Sub(known.ReadyAt)))
	}
	if m.exit.Exec == nil && m.exit.Err == nil {
		r.Memory.PeakBytes, r.CPUSeconds = ptr(peak(m.exit.PeakRSS, w.lastRSS)), ptr(seconds(m.exit.CPU))
	}
	if s.opt.Limits.Memory > 0 {
		r.Memory.LimitBytes = ptr(s.opt.Limits.Memory)
	}
	if known.Speaks {
		c := w.board.Brief()
		r.Counters = &postmortem.Counters{Requests: c.Requests, InFlight: c.InFlight, Connections: c.Connections}
	}
	if w.generation > snap.Generation {
		r.Reload = &postmortem.Reload{Generation: int(w.generation)}
	}
	return r
}

// peak is the most memory that a worker had. The kernel counts that now and then, and may
// have missed the last growth that we saw.
func peak(counted int64, seen *int64) int64 {
	if seen == nil {
		return counted
	}
	return max(counted, *seen)
}

// stateBefore is the state that a worker was in before it was killed.
func stateBefore(w *worker, now arbiter.State) string {
	switch {
	case now != arbiter.Killed:
		return now.String()
	case w.drain || w.quick:
		return arbiter.Draining.String()
	case w.ready:
		return arbiter.Ready.String()
	}
	return arbiter.Starting.String()
}

// keep stores the record of a worker's end, after the arbiter has judged it.
func (s *Supervisor) keep(w *worker, r *postmortem.Record) {
	if r == nil {
		s.poison.Left(uint64(w.id))
		return
	}
	if w.failed != "" {
		r.Reload = &postmortem.Reload{Generation: int(w.generation), Failed: w.failed}
	}
	kinds, counts := r.Kinds()
	s.poison.Died(r.Time, uint64(w.id), kinds, counts)
	s.lookAtTheLiving(w)
	if s.opt.Postmortem != nil {
		s.opt.Postmortem.Add(*r)
	}
}

// lookAtTheLiving notes what workers have in flight that do not die, and says
// which request is under suspicion now.
func (s *Supervisor) lookAtTheLiving(dead *worker) {
	now := time.Now()
	for _, w := range s.workers {
		if w == dead || !w.ready || w.aborted != "" || w.killed != "" || !s.poison.Due(now, uint64(w.id)) {
			continue // the last of these, or sixty-four deaths at once would read every board sixty-four times
		}
		var kinds []postmortem.Kind
		for _, q := range w.board.InFlight() {
			kinds = append(kinds, kindOf(q))
		}
		s.poison.Alive(now, uint64(w.id), kinds)
	}
	for _, suspicion := range s.poison.News(now) {
		s.log.Error("a request is under suspicion of ending workers: "+suspicion.String(),
			"method", suspicion.Kind.Method, "route", suspicion.Kind.Route, "deaths", suspicion.Deaths, "of", suspicion.Of,
			"chance", suspicion.Chance, "see", "supervisor why")
	}
}

// Why gives the records that are kept, in short.
func (s *Supervisor) Why(ctx context.Context) (postmortem.Report, error) {
	if s.opt.Postmortem == nil {
		return postmortem.Report{Records: []postmortem.Record{}, Suspects: []postmortem.Suspicion{}}, nil
	}
	suspects, err := ask(ctx, s, func(answer chan<- []postmortem.Suspicion) message { return suspectsWanted{answer} })
	if err != nil {
		return postmortem.Report{}, err
	}
	r := s.opt.Postmortem.List()
	r.Suspects = append(r.Suspects, suspects...)
	return r, nil
}

type suspectsWanted struct {
	answer chan<- []postmortem.Suspicion
}

func (m suspectsWanted) handle(s *Supervisor) { m.answer <- s.poison.Suspects(time.Now()) }

// Postmortem gives one record whole.
func (s *Supervisor) Postmortem(_ context.Context, which string) (postmortem.Record, error) {
	if s.opt.Postmortem == nil {
		return postmortem.Record{}, postmortem.ErrNotFound
	}
	return s.opt.Postmortem.Get(which)
}

// lookAround has the loop look at the living, now and then.
func (s *Supervisor) lookAround() {
	living, kills := time.NewTicker(lookEvery), time.NewTicker(killsEvery)
	defer living.Stop()
	defer kills.Stop()
	for {
		select {
		case <-kills.C:
			s.oom.Look()
		case <-living.C:
			s.send(looked{})
		case <-s.done:
			return
		}
	}
}

type looked struct{}

func (looked) handle(s *Supervisor) {
	for _, w := range s.workers {
		w.lastRSS = rss(w.process.PID())
	}
	s.lookAtTheLiving(nil)
}

func ptr[T any](v T) *T { return &v }

var _ logpipe.CrashTap = (*postmortem.Folder)(nil)
