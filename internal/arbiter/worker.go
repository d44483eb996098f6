package arbiter

import (
	"cmp"
	"slices"
	"time"
)

// State is where a worker is in its life. Exited is not a state: a worker
// that is gone is forgotten.
type State uint8

// The life of a worker. Starting and Ready workers are what the service
// counts on; a Draining or Killed one is on its way out and is counted on by
// nobody.
const (
	Starting State = iota // spawned, not yet ready
	Ready                 // serves
	Draining              // asked to go, or going by itself
	Killed                // aborted or killed, not yet gone
)

// String returns the state's name in status and metrics.
func (s State) String() string {
	switch s {
	case Starting:
		return "starting"
	case Ready:
		return "ready"
	case Draining:
		return "draining"
	case Killed:
		return "killed"
	}
	return "unknown"
}

// worker is what the arbiter knows of one process.
type worker struct {
	id      WorkerID
	gen     Generation
	state   State
	spawned time.Time
	readyAt time.Time
	timeout time.Duration // silence that means hung, as this worker was told; 0: never

	// The bound of Starting, Draining and Killed; see clock.go.
	bound    time.Duration
	since    time.Time // when it began to run
	deadline time.Time // when to do the next harder thing; zero: the clock stands still
	latest   time.Time // as far as deadline can be extended

	speaks      bool
	beaten      bool
	lastBeat    time.Time // or whatever else began the present silence
	stopped     bool      // its process is stopped or traced
	woken       bool      // Wake was said
	stalled     bool      // holds all its permits for too long
	hung        bool
	recycle     string // why it is to be replaced; empty: it is not
	interrupted bool
	dumping     bool      // aborted; Kill is due at deadline
	killedAt    time.Time // first Kill
	stuck       bool      // said so
	reason      string    // why it is killed
}

// active says whether the service counts on the worker, now or soon.
func (w *worker) active() bool { return w.state == Starting || w.state == Ready }

// serves says whether the worker is ready and not stopped.
func (w *worker) serves() bool { return w.state == Ready && !w.stopped }

// watched says whether the worker's silence is judged.
func (w *worker) watched() bool { return w.serves() && w.beaten && w.timeout != 0 }

// find returns the worker called id, nil if there is none.
func (c *Core) find(id WorkerID) *worker {
	i, ok := c.index(id)
	if !ok {
		return nil
	}
	return c.workers[i]
}

// forget drops a worker whose process is gone. Nothing else may call it: a
// worker is forgotten only when there is no process any more.
func (c *Core) forget(id WorkerID) {
	if i, ok := c.index(id); ok {
		c.workers = slices.Delete(c.workers, i, i+1)
	}
}

func (c *Core) index(id WorkerID) (int, bool) {
	return slices.BinarySearchFunc(c.workers, id, func(w *worker, id WorkerID) int { return cmp.Compare(w.id, id) })
}

// spawn starts a worker of a generation.
func (c *Core) spawn(g Generation) {
	s := c.cfg
	if c.roll != nil && c.roll.gen == g {
		s = c.roll.cfg
	}
	c.lastID++
	w := &worker{id: c.lastID, gen: g, spawned: c.now, timeout: s.Timeout}
	c.allow(w, s.BootTimeout)
	c.workers = append(c.workers, w)
	c.emit(Spawn{w.id, g})
}

// drain asks a worker to go when it has answered what it has accepted.
func (c *Core) drain(w *worker) {
	w.state = Draining
	c.allow(w, c.settings().GracefulTimeout)
	c.emit(Drain{w.id})
}

// interrupt ends a worker quickly, in a quick stop.
func (c *Core) interrupt(w *worker) {
	if w.state != Draining || w.deadline.IsZero() || c.now.Add(quickTimeout).Before(w.deadline) {
		c.allow(w, quickTimeout)
		w.reason = "it was still there " + quickTimeout.String() + " after its interrupt"
	}
	w.state, w.interrupted = Draining, true
	c.emit(Interrupt{w.id})
}

// putDown ends a worker that has failed while it lives: by a goroutine dump
// where it can give one, else by Kill.
func (c *Core) putDown(w *worker, reason string) {
	w.reason = reason
	if w.speaks {
		w.state, w.dumping = Killed, true
		c.allow(w, dumpTimeout)
		c.emit(Abort{w.id, reason})
		return
	}
	c.kill(w)
}

// kill sends the signal that cannot be refused, and again each time that its
// deadline passes.
func (c *Core) kill(w *worker) {
	switch {
	case !w.killedAt.IsZero():
		if !w.stuck {
			w.stuck = true
			c.emit(Stuck{w.id, c.now.Sub(w.killedAt)})
		}
	case w.reason == "": // it only drained
		w.reason = "it was still draining after " + c.now.Sub(w.since).Round(time.Millisecond).String()
	}
	if w.killedAt.IsZero() {
		w.killedAt = c.now
	}
	w.state, w.dumping = Killed, false
	c.allow(w, killAgain)
	c.emit(Kill{w.id, w.reason})
}
