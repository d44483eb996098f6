package arbiter

import "time"

const (
	holdFirst   = 100 * time.Millisecond
	holdCap     = 10 * time.Second
	window      = time.Minute
	exitLimit   = 60 // failures of any kind in a window
	earlyFactor = 10 // early failures in a window, for each wanted worker
)

// backoff holds the replacements of workers that failed early.
type backoff struct {
	until    time.Time // replacements that are held wait for this
	held     int       // how many of the missing workers are held
	waves    int       // early failures in a row, counted by wave
	mark     WorkerID  // workers up to this one belong to the present wave
	early    []time.Time
	all      []time.Time
	degraded bool
	changed  bool // until is news
}

// countFailure takes note of a failure in the committed generation.
func (c *Core) countFailure(id WorkerID, early bool) {
	b := &c.backoff
	b.all = append(b.all, c.now)
	if early {
		b.early = append(b.early, c.now)
	}
	over := c.tooMany()
	if !early && !over {
		return
	}
	b.held++
	wave := early && id > b.mark
	if wave {
		b.waves++
		b.mark = c.lastID
	}
	if !wave && c.now.Before(b.until) {
		return // waits with the others
	}
	wait := holdCap
	if !over {
		wait = holdFirst << min(max(b.waves-1, 0), 7)
		wait = min(time.Duration(float64(wait)*(0.75+c.random.Float64()/2)), holdCap)
	}
	b.until, b.changed = c.now.Add(wait), true
}

// tooMany prunes the windows and says whether failures are too many.
func (c *Core) tooMany() bool {
	b := &c.backoff
	b.early = c.prune(b.early, c.n*earlyFactor)
	b.all = c.prune(b.all, exitLimit)
	return len(b.early) > c.n*earlyFactor || len(b.all) > exitLimit
}

// prune drops what has left the window, and what is more than one beyond the
// limit: older ones change nothing.
func (c *Core) prune(ts []time.Time, limit int) []time.Time {
	drop := max(len(ts)-limit-1, 0)
	for drop < len(ts) && c.now.Sub(ts[drop]) >= window {
		drop++
	}
	return append(ts[:0], ts[drop:]...)
}

// calm ends the back-off when a worker started since its last wave has proved
// itself, and says so when the state becomes degraded or ceases to be.
func (c *Core) calm() {
	b := &c.backoff
	if over := c.tooMany(); over != b.degraded {
		b.degraded = over
		c.emit(Degraded{over})
	}
	if b.waves > 0 && !b.degraded && c.count(func(w *worker) bool { return c.proving(w) && c.now.Sub(w.readyAt) >= provenAfter }) > 0 {
		b.waves, b.held, b.until, b.changed = 0, 0, time.Time{}, false
	}
	if !c.now.Before(b.until) {
		b.held = 0
	}
	if b.changed {
		b.changed = false
		if c.serving() {
			c.emit(Backoff{b.until, b.waves})
		}
	}
}

// proving says whether the worker can end the back-off by staying ready.
func (c *Core) proving(w *worker) bool {
	return w.state == Ready && w.gen == c.gen && w.id > c.backoff.mark
}

// mayRespawn returns how many of the missing workers may be started now.
func (c *Core) mayRespawn(missing int) int {
	b := &c.backoff
	if missing <= 0 {
		b.held = 0
		return 0
	}
	if !c.now.Before(b.until) {
		return missing
	}
	b.held = min(b.held, missing)
	return missing - b.held
}
