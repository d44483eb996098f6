package arbiter

import (
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	provenAfter  = time.Second      // ready for so long: not an early exit
	dumpTimeout  = 5 * time.Second  // from Abort to Kill
	quickTimeout = time.Second      // from Interrupt to Kill
	killAgain    = 10 * time.Second // from Kill to Kill
	bootTries    = 3                // failures of each worker before the first start is given up

	exitBoot    = 3 // no worker ever became ready
	exitMissing = 4 // the executable is missing or cannot be executed
)

// Core is the arbiter's whole state. It belongs to one goroutine; none of its
// methods may run beside another.
type Core struct {
	cfg Settings // of the committed generation
	n   int      // wanted number of workers
	gen Generation

	now     time.Time
	next    time.Time // what NextDeadline answers
	out     []Action
	chance  *rand.PCG // what random draws from
	random  *rand.Rand
	workers []*worker // by id
	lastID  WorkerID
	lastGen Generation
	open    []generation // not yet released

	started   bool
	committed bool      // the first start is over
	startBy   time.Time // it counts as over by then if any worker has been ready
	everReady bool
	bootFails int  // in a row, while no worker has ever been ready
	waits     bool // some of them waited for what they need
	lastFail  string

	backoff backoff
	reloads

	stopping  bool
	quick     bool
	duckUntil time.Time // lame duck
	refused   bool
	exited    bool
	exit      Exit
}

// New returns a core that waits for Start. The seed feeds the jitter of the
// back-off and nothing else.
func New(s Settings, seed uint64) *Core {
	s = s.normal()
	chance := rand.NewPCG(seed, 0)
	return &Core{
		cfg:     s,
		n:       s.Workers,
		gen:     1,
		lastGen: 1,
		open:    []generation{{number: 1, answered: true}},
		chance:  chance,
		random:  rand.New(chance),
	}
}

// Step takes in one event at the time now and returns what must be done, in
// order; the slice is the caller's. Time that runs backwards stands still.
func (c *Core) Step(now time.Time, ev Event) []Action {
	if now.Before(c.now) {
		now = c.now
	}
	c.now, c.out = now, nil
	c.forgiveLateness()
	c.apply(ev)
	c.settle()
	c.next = c.deadline()
	return c.out
}

// NextDeadline returns when Step wants a Tick, zero if no time is set. It
// changes with each Step only.
func (c *Core) NextDeadline() time.Time { return c.next }

func (c *Core) emit(a Action) { c.out = append(c.out, a) }

// settings returns the settings in force: the candidate's as soon as it has
// some.
func (c *Core) settings() Settings {
	if c.roll != nil && c.roll.stage > preparing {
		return c.roll.cfg
	}
	return c.cfg
}

// wanted returns the number of workers in force: during a roll the larger of
// the present and the newly configured one.
func (c *Core) wanted() int {
	if c.roll != nil {
		return max(c.n, c.roll.n)
	}
	return c.n
}

// apply changes facts; it emits nothing.
func (c *Core) apply(ev Event) {
	switch e := ev.(type) {
	case Start:
		if !c.started {
			c.started, c.startBy = true, c.now.Add(c.cfg.ReloadTimeout)
		}
	case SpawnFailed:
		c.gone(e.ID, CauseBoot, "could not be started: "+e.Reason, e.Missing)
	case Exited:
		w := c.find(e.ID)
		switch {
		case w == nil:
		case w.readyAt.IsZero():
			c.gone(e.ID, e.Cause, "exited before it was ready: "+e.Reason, false)
		default:
			c.gone(e.ID, e.Cause, fmt.Sprintf("exited %v after it was ready: %s", c.now.Sub(w.readyAt).Round(time.Millisecond), e.Reason), false)
		}
	case WorkerReady:
		if w := c.find(e.ID); w != nil && w.state == Starting {
			w.state, w.readyAt, w.lastBeat = Ready, c.now, c.now
			w.deadline = time.Time{}
			c.everReady = true
			c.candidateReady(w)
		}
	case Spoke:
		if w := c.find(e.ID); w != nil {
			w.speaks = true
		}
	case Beat:
		if w := c.find(e.ID); w != nil {
			w.beaten, w.lastBeat = true, c.now
		}
	case WorkerStopping:
		if w := c.find(e.ID); w != nil && w.active() {
			c.fail(w, CauseExit, "announced that it stops")
			w.state = Draining
			c.allow(w, c.settings().GracefulTimeout)
		}
	case Suspended:
		if w := c.find(e.ID); w != nil {
			c.suspend(w)
		}
	case Resumed:
		if w := c.find(e.ID); w != nil {
			c.resume(w)
		}
	case Stalled:
		if w := c.find(e.ID); w != nil && w.serves() {
			w.stalled = e.On
		}
	case ExtendTimeout:
		if w := c.find(e.ID); w != nil {
			c.extend(w, e.By)
		}
	case Recycle:
		c.recycle(e)
	case Reload:
		c.ask(e.Ticket)
	case Prepared:
		c.prepared(e)
	case PrepareFailed:
		c.prepareFailed(e)
	case Scale:
		c.scale(e.N)
	case ScaleBy:
		c.scale(max(c.wanted()+e.Delta, 1))
	case Stop:
		c.stop(e.Quick)
	case Tick:
	}
}

// gone takes note that a worker's process is no more.
func (c *Core) gone(id WorkerID, cause Cause, what string, missing bool) {
	w := c.find(id)
	if w == nil {
		return
	}
	if w.active() {
		c.fail(w, cause, what)
		if missing && !c.everReady {
			c.giveUp(exitMissing, fmt.Sprintf("worker %d %s", w.id, what))
		}
	}
	c.forget(id)
}

// fail counts the failure of a worker that the service counts on. It comes
// once for each worker, because the worker is counted on no longer. What
// follows from it is settle's.
func (c *Core) fail(w *worker, cause Cause, what string) {
	what = fmt.Sprintf("worker %d %s", w.id, what)
	if c.roll != nil && c.roll.gen == w.gen {
		c.roll.fail(what, w.id)
	}
	if w.gen != c.gen {
		return // if of an undone generation: its replacement is on the way already
	}
	waits := cause == CauseWait && w.readyAt.IsZero()
	if !c.everReady {
		c.lastFail = what
		if waits {
			c.waits = true
		} else {
			c.bootFails++
		}
	}
	early := w.readyAt.IsZero() || c.now.Sub(w.readyAt) < provenAfter
	c.countFailure(w.id, early, waits, cause)
}

// scale sets the wanted number; the latest word wins over a number that a
// running reload has brought.
func (c *Core) scale(n int) {
	if n < 1 || c.stopping {
		return
	}
	c.n = n
	if c.roll != nil {
		c.roll.n, c.roll.scaled = 0, true
	}
}

// stop begins a stop, or makes one quick that has begun.
func (c *Core) stop(quick bool) {
	if c.stopping {
		c.quick = true
		return
	}
	c.stopping, c.quick = true, quick
	c.exit = Exit{0, "stopped"}
	if c.everReady {
		c.duckUntil = c.now.Add(c.cfg.LameDuck)
	}
}

// giveUp ends a first start that cannot succeed.
func (c *Core) giveUp(code int, reason string) {
	if c.stopping {
		return
	}
	c.stop(true)
	c.exit = Exit{code, reason}
}

// serving says whether workers are to be kept up: not before Start, and in a
// stop only while the duck is lame.
func (c *Core) serving() bool {
	return c.started && (!c.stopping || !c.quick && c.now.Before(c.duckUntil))
}

// count returns the number of workers that satisfy f.
func (c *Core) count(f func(*worker) bool) (n int) {
	for _, w := range c.workers {
		if f(w) {
			n++
		}
	}
	return n
}

// forgiveLateness restarts the silence of the workers if the arbiter is driven
// later than it had asked for by so much that it, and not they, may have been
// asleep: the machine was suspended, the supervisor stopped.
func (c *Core) forgiveLateness() {
	late, jumped := c.now.Sub(c.next), false
	for _, w := range c.workers {
		if w.watched() && late > w.timeout/4 {
			w.lastBeat, jumped = c.now, true
		}
	}
	if jumped {
		c.emit(ClockJump{late})
	}
}
