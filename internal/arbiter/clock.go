package arbiter

import "time"

// extendFactor bounds what a worker can gain by ExtendTimeout: so many times
// what it was given at first.
const extendFactor = 3

// allow gives a worker d for the phase that it enters now.
func (c *Core) allow(w *worker, d time.Duration) {
	w.bound = d
	c.rewind(w)
}

// rewind starts the clock of a worker's phase afresh. That of a stopped worker
// stands still, unless the worker has been killed or the service leaves: a stop
// waits for nobody longer than its bounds.
func (c *Core) rewind(w *worker) {
	w.since, w.deadline = c.now, time.Time{}
	if w.stopped && w.killedAt.IsZero() && !c.leaving() {
		return
	}
	w.deadline, w.latest = c.now.Add(w.bound), c.now.Add(extendFactor*w.bound)
}

// leaving says whether the workers are being asked to go because the service
// stops.
func (c *Core) leaving() bool { return !c.serving() }

// suspend takes note that a worker is stopped. It keeps its place: no other is
// started for it, because a debugger that holds a worker must not restart it.
func (c *Core) suspend(w *worker) {
	w.stopped = true
	if w.killedAt.IsZero() && !c.leaving() {
		c.rewind(w)
	}
	if r := c.roll; r != nil && r.gen == w.gen && r.stage == baking {
		r.stage = first // it is the only one so far, and who is stopped proves nothing
	}
}

// resume takes note that a worker runs again. In a stop its clock was never
// stopped.
func (c *Core) resume(w *worker) {
	if !w.stopped {
		return
	}
	w.stopped, w.lastBeat = false, c.now
	if w.state == Ready {
		c.candidateReady(w)
	} else if w.deadline.IsZero() {
		c.rewind(w)
	}
}

// extend gives a worker that starts or drains more time, within its limit.
func (c *Core) extend(w *worker, by time.Duration) {
	asked := w.state == Starting || w.state == Draining && !w.interrupted
	if !asked || w.deadline.IsZero() {
		return
	}
	by = min(by, w.latest.Sub(c.now)) // before the sum: it may be any number
	if at := c.now.Add(by); at.After(w.deadline) {
		w.deadline = at
	}
}
