package arbiter

import (
	"fmt"
	"time"
)

const (
	holdFirst = 100 * time.Millisecond
	holdCap   = 10 * time.Second
	window    = time.Minute
	remember  = 100_000 // failures in a window: so many are remembered, and no more
)

// kind is a kind of failure with a budget of its own. One failure may be of
// several.
type kind uint8

const (
	anyKind   kind = iota
	earlyKind      // before it was ready, or soon after
	oomKind
	hungKind
	allKinds
)

// budget returns how many failures of a kind a window may hold. What is killed
// for want of memory, or hangs, hurts more than itself, so its budget is smaller.
func (c *Core) budget(k kind) int {
	switch k {
	case earlyKind:
		return 10 * c.n
	case oomKind, hungKind:
		return 5 * c.n
	}
	return 60
}

// String names the kind in the sentence "more than 60 ... in a minute".
func (k kind) String() string {
	switch k {
	case earlyKind:
		return "early failures"
	case oomKind:
		return "failures for want of memory"
	case hungKind:
		return "hung workers"
	}
	return "failures"
}

// backoff holds the replacements of workers that failed early.
type backoff struct {
	until    time.Time // replacements that are held wait for this
	held     int       // how many of the missing workers are held
	waves    int       // early failures in a row, counted by wave
	mark     WorkerID  // workers up to this one belong to the present wave
	times    [allKinds][]time.Time
	degraded bool
	changed  bool // until is news
}

// countFailure takes note of a failure in the committed generation. Workers
// that wait for what they need are backed off from, but use up no budget.
func (c *Core) countFailure(id WorkerID, early, waits bool, cause Cause) {
	b := &c.backoff
	over := false
	for k := range allKinds {
		is := !waits && (k == anyKind || k == earlyKind && early || k == oomKind && cause == CauseOOM || k == hungKind && cause == CauseHung)
		if is {
			b.times[k] = append(b.times[k], c.now)
			if c.tooMany(k) {
				over = true
			}
		}
	}
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

// tooMany drops what has left the window, and says whether failures are too
// many. It does not forget what is beyond the budget, because Scale changes that.
func (c *Core) tooMany(k kind) bool {
	ts := c.backoff.times[k]
	drop := max(len(ts)-remember, 0)
	for drop < len(ts) && c.now.Sub(ts[drop]) >= window {
		drop++
	}
	c.backoff.times[k] = append(ts[:0], ts[drop:]...)
	return len(c.backoff.times[k]) > c.budget(k)
}

// excess says which budget is exceeded, empty if none is.
func (c *Core) excess() (why string) {
	for k := range allKinds {
		if c.tooMany(k) {
			why = fmt.Sprintf("more than %d %v in %v", c.budget(k), k, window)
		}
	}
	return why
}

// calm ends the back-off when a worker started since its last wave has proved
// itself, and says so when the state becomes degraded or ceases to be.
func (c *Core) calm() {
	b := &c.backoff
	if why := c.excess(); (why != "") != b.degraded {
		b.degraded = why != ""
		c.emit(Degraded{b.degraded, why})
	}
	if !b.degraded && c.count(func(w *worker) bool { return c.proving(w) && c.now.Sub(w.readyAt) >= provenAfter }) > 0 {
		b.waves, b.until, b.changed = 0, time.Time{}, false
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
	return w.serves() && w.gen == c.gen && w.id > c.backoff.mark
}

// mayRespawn returns how many of the missing workers may be started now.
func (c *Core) mayRespawn(missing int) int {
	b := &c.backoff
	b.held = max(min(b.held, missing), 0) // who is not missed does not wait
	if !c.now.Before(b.until) {
		b.held = 0
	}
	return missing - b.held
}
