package arbiter

import "time"

// Phase is what the service as a whole is doing.
type Phase uint8

// The phases, from the weakest claim to the strongest: when several hold, the
// last of them is shown, but for PhaseStarting, which only a stop overrides.
const (
	PhaseStarting  Phase = iota // the first start is not over
	PhaseRunning                // N workers are kept up
	PhaseDegraded               // failures are too many; still retrying
	PhaseReloading              // a reload is under way, waits, or is being recovered from
	PhaseStopping               // a stop was asked for
)

// String returns the phase's name in status.
func (p Phase) String() string {
	switch p {
	case PhaseStarting:
		return "starting"
	case PhaseRunning:
		return "running"
	case PhaseDegraded:
		return "degraded"
	case PhaseReloading:
		return "reloading"
	case PhaseStopping:
		return "stopping"
	}
	return "unknown"
}

// Worker is one worker as it is shown. It shares nothing with the core.
type Worker struct {
	ID         WorkerID
	Generation Generation
	State      State
	Since      time.Time // spawned
	ReadyAt    time.Time // zero if it never was
	Speaks     bool      // Tandem's channel
	Liveness   string    // "none": has never beaten; "ok"; "hung"
	Stopped    bool      // SIGSTOP, or traced: it does not serve now
	Recycle    string    // why it is to be replaced; empty: it is not
}

// LastReload is how the last reload that began has ended; zero if none has.
type LastReload struct {
	Generation Generation
	OK         bool
	Reason     string
}

// Roll is a reload under way; zero if none is.
type Roll struct {
	Generation Generation // that is to be; 0: none is under way
	Stage      string     // "preparing", "booting", "baking", "rolling"
	Began      time.Time
	Deadline   time.Time // when it is undone
	BakeUntil  time.Time // of the first worker, when that bakes
}

// Snapshot is what the core knows, as a value.
type Snapshot struct {
	Phase      Phase
	Generation Generation // the committed one
	Wanted     int        // number of workers
	Workers    []Worker   // by id
	LastReload LastReload
	Roll       Roll
	Waiting    bool      // a reload is asked for, and may not begin yet
	DuckUntil  time.Time // a stop still serves until then; zero: there is no stop, or it does not
}

// Phase is the Snapshot's, without the rest of it.
func (c *Core) Phase() Phase { return c.phase() }

// Wanted is the Snapshot's, without the rest of it.
func (c *Core) Wanted() int { return c.wanted() }

// Snapshot returns what the core knows as of the last Step. It is a copy.
func (c *Core) Snapshot() Snapshot {
	s := Snapshot{
		Phase:      c.phase(),
		Generation: c.gen,
		Wanted:     c.wanted(),
		Workers:    make([]Worker, 0, len(c.workers)),
		LastReload: c.last,
		Waiting:    c.pending,
	}
	if r := c.roll; r != nil {
		s.Roll = Roll{Generation: r.gen, Stage: r.stage.String(), Began: r.began, Deadline: r.deadline}
		if r.stage == baking {
			s.Roll.BakeUntil = r.bakeUntil
		}
	}
	if c.stopping && c.serving() {
		s.DuckUntil = c.duckUntil
	}
	for _, w := range c.workers {
		s.Workers = append(s.Workers, Worker{
			ID: w.id, Generation: w.gen, State: w.state,
			Since: w.spawned, ReadyAt: w.readyAt,
			Speaks: w.speaks, Liveness: w.liveness(), Stopped: w.stopped, Recycle: w.recycle,
		})
	}
	return s
}

func (w *worker) liveness() string {
	switch {
	case w.hung:
		return "hung"
	case w.beaten:
		return "ok"
	}
	return "none"
}

func (c *Core) phase() Phase {
	switch {
	case c.stopping:
		return PhaseStopping
	case !c.committed:
		return PhaseStarting
	case c.roll != nil || c.pending || c.census().stray.ready > 0:
		return PhaseReloading
	case c.backoff.degraded:
		return PhaseDegraded
	}
	return PhaseRunning
}

// deadline returns the next moment at which something is due though nothing
// happens.
func (c *Core) deadline() (at time.Time) {
	soonest := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if c.exited {
		return at
	}
	for _, w := range c.workers {
		soonest(w.deadline)
		if w.watched() {
			soonest(w.lastBeat.Add(w.timeout))
			// More often than needed, so that a sleep of the whole machine is
			// noticed as lateness.
			soonest(c.now.Add(w.timeout / 4))
		}
		if proven := w.readyAt.Add(provenAfter); c.backoff.waves > 0 && c.now.Before(proven) {
			soonest(proven)
		}
	}
	if c.now.Before(c.backoff.until) {
		soonest(c.backoff.until)
	}
	for k, times := range c.backoff.times {
		if over := len(times) - c.budget(kind(k)); over > 0 {
			soonest(times[over-1].Add(window)) // within the budget again
		}
	}
	if r := c.roll; r != nil {
		soonest(r.deadline)
		if r.stage == baking {
			soonest(r.bakeUntil)
		}
	}
	if c.recovering() {
		soonest(c.recoverUntil)
	}
	if (c.everReady || c.waits) && !c.committed && !c.stopping {
		soonest(c.startBy)
	}
	if c.serving() {
		soonest(c.duckUntil)
	}
	return at
}
