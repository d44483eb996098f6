package strict

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Event is the end of one request.
type Event struct {
	Time    time.Time
	Took    time.Duration
	Mode    Mode
	ID      string
	Outcome Outcome
	How     string // in words; empty when OK
	Nth     int    // which request of its connection, from 1; 0: never connected
	Tag     string // who answered last on this connection
	Local   string // the client's address; empty: never connected
	Target  string // of its group
	// Idle is how long the connection had been unused when the request was
	// sent; 0 for its first.
	Idle time.Duration
}

func (e Event) String() string {
	s := fmt.Sprintf("%s %s %s %s", e.Time.Format("15:04:05.000"), e.Outcome, e.Mode, e.ID)
	if e.Nth > 0 {
		s += fmt.Sprintf(" (request %d of its connection", e.Nth)
		if e.Tag != "" {
			s += ", last answered by " + e.Tag
		}
		if e.Idle > 0 {
			s += ", idle for " + e.Idle.Round(time.Millisecond).String()
		}
		s += ")"
	}
	return s + ": " + e.How
}

type result struct{ Event }

// maxEvents bounds how many events a report lists; the counts go on.
const maxEvents = 10000

// Report is what a run has seen.
type Report struct {
	Started time.Time
	Elapsed time.Duration
	Counts  map[Outcome]int
	// Connections is how many were opened; IdleClosed how many of them the
	// server ended between two requests, which is its right.
	Connections, IdleClosed int
	// Unsent is how many requests were not sent in time and so not at all, because
	// Load.Backlog does not let their client make up for them. Counts has none of them.
	Unsent int
	// Events lists every request that was neither OK nor Refused, in the
	// order of their ends, at most 10000.
	Events []Event
	// LastOK is when the last good answer came.
	LastOK time.Time
	// FirstRefused is when a connection was refused for the first time; zero if
	// none was.
	FirstRefused time.Time
	// Latency is that of the good answers, the late ones included.
	Latency Histogram
}

// Sent is the number of requests that ended, the refused ones included.
func (r Report) Sent() int {
	n := 0
	for _, c := range r.Counts {
		n += c
	}
	return n
}

// Err is nil when every request that was accepted was answered well, in time
// and once. Refusals are for the caller to judge.
func (r Report) Err() error {
	var bad []string
	for _, o := range []Outcome{Lost, Wrong, Doubled, Late, Fault} {
		if n := r.Counts[o]; n > 0 {
			bad = append(bad, fmt.Sprintf("%d %s", n, o))
		}
	}
	switch {
	case len(bad) > 0:
		return fmt.Errorf("of %d requests %s:\n%s", r.Sent(), strings.Join(bad, ", "), r.list(10))
	case r.Counts[OK] == 0:
		return fmt.Errorf("no request was answered, %d were refused", r.Counts[Refused])
	}
	return nil
}

// Hows counts the events by outcome and cause.
func (r Report) Hows() map[string]int {
	m := map[string]int{}
	for _, e := range r.Events {
		m[string(e.Outcome)+": "+e.How]++
	}
	return m
}

func (r Report) list(n int) string {
	var b strings.Builder
	hows := r.Hows()
	for _, how := range slices.Sorted(maps.Keys(hows)) {
		fmt.Fprintf(&b, "  %6d x %s\n", hows[how], how)
	}
	for i, e := range r.Events {
		if i == n {
			fmt.Fprintf(&b, "  … and %d more\n", len(r.Events)-n)
			break
		}
		fmt.Fprintf(&b, "  %s\n", e)
	}
	return b.String()
}

// String is the report for people: one line of counts, one of latency, then
// what went wrong.
func (r Report) String() string {
	return fmt.Sprintf("%d requests in %s: %d ok, %d lost, %d wrong, %d doubled, %d late, %d refused, %d faults, %d not sent in time; %d connections, %d closed while idle\n  latency %s\n%s",
		r.Sent(), r.Elapsed.Round(time.Millisecond), r.Counts[OK], r.Counts[Lost], r.Counts[Wrong], r.Counts[Doubled],
		r.Counts[Late], r.Counts[Refused], r.Counts[Fault], r.Unsent, r.Connections, r.IdleClosed, &r.Latency, r.list(20))
}

// recorder gathers what the clients see.
type recorder struct {
	inFlight, connections, idleClosed, unsent atomic.Int64
	left                                      atomic.Int64 // may still be sent
	bounded                                   bool
	until                                     atomic.Pointer[time.Time] // when the sending ends, or has ended

	mu      sync.Mutex
	rep     Report
	good    int
	waiters []waiter
}

type waiter struct {
	at   int
	done chan struct{}
}

func newRecorder(l Load) *recorder {
	r := &recorder{bounded: l.Requests > 0, rep: Report{Started: time.Now(), Counts: map[Outcome]int{}}}
	r.left.Store(int64(l.Requests))
	until := r.rep.Started.Add(l.Duration)
	r.until.Store(&until)
	return r
}

// stopSending notes that nothing is due any more from now on.
func (r *recorder) stopSending(now time.Time) {
	now = r.sendingUntil(now)
	r.until.Store(&now)
}

// sendingUntil is now, or the end of the sending if that was before.
func (r *recorder) sendingUntil(now time.Time) time.Time {
	if until := *r.until.Load(); until.Before(now) {
		return until
	}
	return now
}

// take asks for leave to send one request.
func (r *recorder) take() bool { return !r.bounded || r.left.Add(-1) >= 0 }

func (r *recorder) add(res result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rep.Counts[res.Outcome]++
	switch res.Outcome {
	case Refused:
		if r.rep.FirstRefused.IsZero() {
			r.rep.FirstRefused = res.Time
		}
		return
	case OK, Late:
		r.rep.Latency.Add(res.Took)
		r.rep.LastOK = res.Time
		r.good++
		r.waiters = slices.DeleteFunc(r.waiters, func(w waiter) bool {
			if r.good < w.at {
				return false
			}
			close(w.done)
			return true
		})
	}
	if res.Outcome != OK && len(r.rep.Events) < maxEvents {
		r.rep.Events = append(r.rep.Events, res.Event)
	}
}

func (r *recorder) after(n int) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := waiter{at: r.good + n, done: make(chan struct{})}
	r.waiters = append(r.waiters, w)
	return w.done
}

func (r *recorder) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rep.Elapsed = time.Since(r.rep.Started)
	r.rep.Connections = int(r.connections.Load())
	r.rep.IdleClosed = int(r.idleClosed.Load())
	r.rep.Unsent = int(r.unsent.Load())
}

func (r *recorder) report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := r.rep
	rep.Counts = maps.Clone(rep.Counts)
	rep.Events = slices.Clone(rep.Events)
	rep.Latency = rep.Latency.clone()
	return rep
}

// Ledger is the server's side of the account: it counts how often each request
// was seen there. The zero value is ready; its methods may be called at once
// from many goroutines.
type Ledger struct {
	mu   sync.Mutex
	seen map[string]int
}

// Saw notes that the server began on the request with this id.
func (l *Ledger) Saw(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]int{}
	}
	l.seen[id]++
}

// Len is the number of different requests seen.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

// Twice lists the ids that were seen more than once, sorted.
func (l *Ledger) Twice() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for id, n := range l.seen {
		if n > 1 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
