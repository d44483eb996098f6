// Package verify puts a service under a load that believes nothing while it is reloaded,
// and says what was lost and what caused it. Its invariants: only GET is sent; nothing is
// retried; the run is bounded in time and in number; and what it says is a function of what it
// saw ([Judge]), so that each cause is proven by a table.
//
// The smallest use:
//
//	target, err := verify.FromListeners(status.Listeners)
//	report, err := verify.Run(ctx, verify.Config{Supervisor: client, Target: target, Paths: []string{"/"}, Reloads: 3})
//	if err == nil && !report.OK() { … }
package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/strict"
)

// Supervisor is what is asked of the control socket; [*control.Client] is one.
type Supervisor interface {
	Status(ctx context.Context) (control.Status, error)
	Reload(ctx context.Context, wait bool) (control.ReloadResult, error)
	Why(ctx context.Context) (postmortem.Report, error)
	// Peer is the process that answers; 0 where the kernel does not say.
	Peer(ctx context.Context) (pid int, err error)
}

// Config says what to do. All but Supervisor, Target and Paths has a default.
type Config struct {
	Supervisor Supervisor
	Target     Target
	Paths      []string
	Reloads    int           // 3
	Kept       int           // clients that keep their connections; 8
	Short      int           // clients with a connection for each request; 4, negative: none
	Rate       float64       // requests a second in all, at most; 100
	Timeout    time.Duration // of one request; 30 s
	Within     time.Duration // bound on the whole; 5 minutes
	Before     time.Duration // for how long to look before the first reload; 2 s
	Rest       time.Duration // how long to go on after each reload; 1 s
	// Expect are the statuses that a path may have before the first reload, also by turns.
	// Empty: one below 400.
	Expect []int
	// Progress is told what begins. Nil: nobody is.
	Progress func(string)

	drain   time.Duration // for how long a drain is waited for; longer than any request of ours
	network func(pid string) (string, error)
}

func (c Config) withDefaults() Config {
	set := func(n *int, to int) {
		if *n == 0 {
			*n = to
		}
	}
	span := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&c.Reloads, 3)
	set(&c.Kept, 8)
	set(&c.Short, 4)
	if c.Rate <= 0 {
		c.Rate = 100
	}
	span(&c.Timeout, 30*time.Second)
	span(&c.Within, 5*time.Minute)
	span(&c.Before, 2*time.Second)
	span(&c.Rest, time.Second)
	span(&c.drain, c.Timeout+askTimeout)
	if c.network == nil {
		c.network = network
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return c
}

const (
	// lookEvery is how often the status is asked for while workers change.
	lookEvery = 50 * time.Millisecond
	// askTimeout bounds one question to the supervisor that is no reload.
	askTimeout = 5 * time.Second
	// longerBefore is how many times Before it may take until each path has enough
	// answers to be compared with.
	longerBefore = 10
)

// Run puts the target under load, reloads, and judges. An error says that nothing could be
// verified, as [*UnjudgedError] unless the supervisor could not be asked; what went wrong under
// load is in the report. It returns when all requests have ended, at the
// latest a request's timeout after Within or the end of ctx.
func Run(ctx context.Context, c Config) (Report, error) {
	c = c.withDefaults()
	bounded, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	began := time.Now()
	r := &run{Config: c, counts: map[string]int{}, learned: make(chan struct{})}
	err := r.learn(bounded)
	if err == nil {
		err = r.reloads(bounded)
	}
	if err != nil {
		return Report{}, err
	}
	report := Judge(r.seen)
	report.Target, report.Seconds = c.Target.Name, time.Since(began).Seconds()
	return report, nil
}

// run is one verification under way.
type run struct {
	Config
	known map[string]int // records that there were before, with their counts
	ended string         // why it ended before all reloads were done
	own   bool           // the target is a listener of the supervisor

	learned chan struct{} // closed when each path has enough answers

	mu       sync.Mutex // guards what follows: the clients write it
	seen     Evidence
	counts   map[string]int // answers by path
	answered uint64         // whole answers, those while it learned included
	reach    reach
}

// reloads is the part under load.
func (r *run) reloads(ctx context.Context) error {
	report, err := r.Supervisor.Why(ctx)
	if err != nil {
		return err
	}
	r.known = map[string]int{}
	for _, rec := range report.Records {
		r.known[rec.ID] = rec.Count
	}
	r.Progress(fmt.Sprintf("%s of load before the first reload", r.Before))
	load := strict.Start(context.WithoutCancel(ctx), r.load())
	defer load.Stop() // when it has not been by then
	watching, done := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { r.watch(watching) })
	defer watch.Wait()
	defer done()

	r.before(ctx)
	if err := r.reached(); err != nil {
		return err
	}
	r.each(ctx)
	if r.ended == "" {
		wait(ctx, r.Rest)
		r.stopped(ctx, "after the last reload, before it was seen what that had left")
	}
	unsent := load.Stop().Unsent
	done()
	watch.Wait()
	r.afterwards(ctx)
	r.seen.Unsent, r.seen.Ended = unsent, r.ended
	return nil
}

// before looks on until there is something to compare with, within a bound.
func (r *run) before(ctx context.Context) {
	wait(ctx, r.Before)
	late := time.NewTimer((longerBefore - 1) * r.Before)
	defer late.Stop()
	select {
	case <-r.learned:
	case <-late.C:
	case <-ctx.Done():
	}
}

// each does the reloads, and ends at the first that fails or cannot be seen to its end.
func (r *run) each(ctx context.Context) {
	for n := range r.Reloads {
		which := fmt.Sprintf("reload %d of %d", n+1, r.Reloads)
		if r.stopped(ctx, "before "+which) {
			return
		}
		r.Progress(which)
		if !r.reload(ctx, which) {
			return
		}
		r.drained(ctx, n, which)
		if r.stopped(ctx, "while the old workers of "+which+" drained") {
			return
		}
		wait(ctx, r.Rest)
		if r.stopped(ctx, "just after "+which) {
			return
		}
	}
}

// stopped says whether all has to end, and remembers where that was.
func (r *run) stopped(ctx context.Context, where string) bool {
	switch {
	case r.ended != "":
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		r.ended = fmt.Sprintf("the %s that it may take were over %s: give a longer --within", r.Within, where)
	case ctx.Err() != nil:
		r.ended = "interrupted " + where
	}
	return r.ended != ""
}

// reload asks for one and reports whether it went well. There is none for a service whose
// requests fail without one.
func (r *run) reload(ctx context.Context, which string) bool {
	r.mu.Lock()
	if r.seen.unsound() != "" {
		r.mu.Unlock()
		return false
	}
	l := Reload{Began: time.Now()}
	r.seen.Reloads = append(r.seen.Reloads, l) // so that what comes meanwhile has it to refer to
	at := len(r.seen.Reloads) - 1
	r.mu.Unlock()
	result, err := r.Supervisor.Reload(ctx, true)
	l.Ended = time.Now()
	switch {
	case ctx.Err() != nil:
		r.stopped(ctx, "in "+which)
		l.Unseen, l.Error = true, "it was not over when this had to end"
	case err != nil:
		l.Refused, l.Error = true, err.Error()
	default:
		l.Generation, l.OK, l.Error, l.LastWords = result.Generation, result.Result == control.ResultOK, result.Error, result.LastWords
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.Reloads[at] = l
	return l.OK
}

// drained waits until no worker drains after reload n. That may last as long as a request.
func (r *run) drained(ctx context.Context, n int, which string) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen.Reloads[n].Drained = time.Now()
	}()
	bounded, cancel := context.WithTimeout(ctx, r.drain)
	defer cancel()
	still := "not known"
	for {
		st, err := r.status(bounded)
		switch {
		case err == nil:
			if still = leaving(st); still == "" {
				return
			}
		case bounded.Err() == nil:
			return // what asks at the end says so
		}
		if !wait(bounded, lookEvery) {
			break
		}
	}
	if ctx.Err() == nil {
		r.ended = fmt.Sprintf("not all workers were ready %s after %s (%s), so what their end costs was not seen: give a longer --timeout", r.drain, which, still)
	}
}

// leaving names the workers that do not serve, or not for much longer; "" without any.
func leaving(st control.Status) string {
	var list []string
	for _, w := range st.Workers {
		switch w.State {
		case "ready":
		case "draining":
			list = append(list, fmt.Sprintf("worker %d is still draining", w.ID))
		default:
			list = append(list, fmt.Sprintf("worker %d is %s", w.ID, w.State))
		}
	}
	return strings.Join(list, ", ")
}

func (r *run) status(ctx context.Context) (control.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return r.Supervisor.Status(ctx)
}

// watch notes when workers become ready and when they leave.
func (r *run) watch(ctx context.Context) {
	seen := map[uint64]*Departure{} // by worker; From is when it was last ready
	for first := true; ; first = false {
		answered := r.soFar()
		st, err := r.status(ctx)
		if err == nil {
			r.look(st, answered, seen, first)
		}
		if !wait(ctx, lookEvery) {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range seen {
		if d.Worker != 0 {
			r.seen.Departures = append(r.seen.Departures, *d) // still draining
		}
	}
}

func (r *run) look(st control.Status, answered uint64, seen map[uint64]*Departure, first bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reach.look(st, answered, uint64(r.Kept+max(0, r.Short)))
	there := map[uint64]bool{}
	for _, w := range st.Workers {
		there[w.ID] = true
		d := seen[w.ID]
		if w.State == "starting" {
			continue
		}
		if d == nil {
			d = &Departure{Generation: w.Generation, From: now}
			seen[w.ID] = d
			if !first {
				r.seen.Arrivals = append(r.seen.Arrivals, now)
			}
		}
		d.Foreign = w.Requests == nil
		if w.State == "ready" {
			d.From = now
		} else {
			d.Worker = w.ID // it leaves
		}
	}
	for id, d := range seen {
		if !there[id] {
			d.Worker, d.To = id, now
			r.seen.Departures = append(r.seen.Departures, *d)
			delete(seen, id)
		}
	}
}

// afterwards asks what the supervisor knows of the run.
func (r *run) afterwards(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	report, err := r.Supervisor.Why(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.seen.Gone = err.Error()
		return
	}
	for _, rec := range report.Records {
		if rec.Count > r.known[rec.ID] {
			r.seen.Records = append(r.seen.Records, rec)
		}
	}
}

// wait returns false when ctx ends before d has passed.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
