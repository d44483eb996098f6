package arbiter

import (
	"fmt"
	"slices"
	"time"
)

// group counts the workers of one kind that the service counts on.
type group struct {
	ready    int // serve
	starting int // on their way, stopped or not
	paused   int // have been ready, and are stopped
	stopped  int // of starting and paused: those that are stopped
}

func (t group) active() int { return t.ready + t.starting + t.paused }

// census counts the workers that the service counts on, by what their
// generation is: committed, candidate of a reload under way, or stray (of an
// undone reload, still serving until it is replaced).
type census struct{ committed, candidate, stray group }

func (t census) ready() int { return t.committed.ready + t.candidate.ready + t.stray.ready }

func (t census) active() int {
	return t.committed.active() + t.candidate.active() + t.stray.active()
}

func (c *Core) census() (t census) {
	for _, w := range c.workers {
		of := &t.stray
		switch {
		case w.gen == c.gen:
			of = &t.committed
		case c.roll != nil && w.gen == c.roll.gen:
			of = &t.candidate
		}
		switch {
		case w.serves():
			of.ready++
		case w.state == Ready:
			of.paused++
		case w.state == Starting:
			of.starting++
		}
		if w.active() && w.stopped {
			of.stopped++
		}
	}
	return t
}

// settle compares what is wanted with what is there and emits what closes the
// gap. The order is fixed; doc.go states it.
func (c *Core) settle() {
	if c.exited {
		c.advance()
		return
	}
	c.judge()
	c.firstStart()
	c.advance()
	c.calm()
	c.leave()
	if c.serving() {
		if !c.stopping {
			c.trim()
			c.begin()
		}
		c.fill()
	}
	c.release()
	if c.refused && len(c.workers) == 0 {
		c.exited = true
		c.emit(c.exit)
	}
}

// judge does the next harder thing to each worker whose time is up.
func (c *Core) judge() {
	for _, w := range c.workers {
		how := c.hangs(w)
		switch {
		case how != "":
			w.hung = true
			c.fail(w, CauseHung, how)
			c.putDown(w, "it "+how)
		case w.deadline.IsZero() || c.now.Before(w.deadline):
		case w.state == Starting:
			how = fmt.Sprintf("was not ready within %v", w.deadline.Sub(w.since))
			c.fail(w, CauseBoot, how)
			c.putDown(w, "it "+how)
		default:
			c.kill(w)
		}
	}
}

// hangs says in which way a worker is hung, empty if it is not.
func (c *Core) hangs(w *worker) string {
	switch {
	case w.watched() && c.now.Sub(w.lastBeat) >= w.timeout:
		return fmt.Sprintf("was silent for %v", c.now.Sub(w.lastBeat).Round(time.Millisecond))
	case w.stalled && w.serves() && w.timeout != 0:
		return "held all its permits for too long"
	}
	return ""
}

// firstStart decides whether the first start has succeeded, or cannot.
func (c *Core) firstStart() {
	late := !c.now.Before(c.startBy)
	switch {
	case c.everReady && (c.census().committed.ready >= c.n || late):
		c.committed = true
	case !c.everReady && c.bootFails >= bootTries*c.n:
		c.giveUp(exitBoot, fmt.Sprintf("no worker has become ready: %d failures in a row, the last: %s", c.bootFails, c.lastFail))
	case c.waits && late:
		c.giveUp(exitBoot, fmt.Sprintf("no worker has become ready within %v: what they wait for has not come; the last: %s", c.cfg.ReloadTimeout, c.lastFail))
	}
}

// leave asks the workers to go in a stop that is not, or no longer, a lame
// duck.
func (c *Core) leave() {
	if !c.stopping || c.serving() {
		return
	}
	if !c.refused {
		c.refused = true
		c.emit(Refuse{})
	}
	for _, w := range c.workers {
		if c.quick && !w.interrupted && w.state != Killed {
			c.interrupt(w)
		}
	}
	for _, w := range c.workers {
		if w.active() {
			c.drain(w)
		}
		if w.deadline.IsZero() { // it stood still
			c.rewind(w)
		}
		if by := c.now.Add(quickTimeout); c.quick && w.dumping && by.Before(w.deadline) {
			w.deadline = by
		}
	}
	for _, w := range c.workers {
		if w.stopped && !w.woken && w.state == Draining {
			w.woken = true
			c.emit(Wake{w.id})
		}
	}
}

// trim asks workers to go that are beyond what is wanted: those that do not
// serve as soon as they are spare, the others only while more than enough do.
func (c *Core) trim() {
	t := c.census()
	committed := func(w *worker) bool { return w.gen == c.gen }
	candidate := func(w *worker) bool { return c.roll != nil && w.gen == c.roll.gen }
	stray := func(w *worker) bool { return !committed(w) && !candidate(w) }

	c.dismiss(stray, t.stray.starting+t.stray.paused)
	if c.roll == nil || c.roll.stage < rolling {
		// The candidate's first worker is not counted on before it has baked.
		c.dismiss(committed, max(t.committed.active()-c.target(), c.crowding(t)))
		// A stopped worker keeps its place: that of a stray is not needed for it.
		t = c.census()
		c.retire(stray, t.committed.ready+t.committed.stopped+t.stray.ready-c.n)
		c.retire(committed, t.committed.ready-c.n)
		return
	}
	c.dismiss(committed, t.ready()+t.committed.starting+t.committed.paused-c.n)
	c.dismiss(candidate, t.candidate.active()-c.wanted())
	// More of the candidate than wanted do not serve: it is committed before.
	spare := t.ready() - c.wanted()
	spare -= c.retire(stray, spare)
	c.retire(committed, spare)
}

// crowding returns how many committed workers must go for the first worker of the
// candidate to have room: those of the generation that is to be replaced must not
// be in the way of what may be the cure, unless they serve.
func (c *Core) crowding(t census) int {
	if c.roll == nil || c.roll.stage != first || t.candidate.active() > 0 {
		return 0
	}
	return t.committed.active() + t.stray.ready + 1 - c.wanted() - c.settings().Surge
}

// dismiss drains up to n workers that do not serve, the newest first. They are
// not interrupted: a worker accepts before its word that it is ready has reached
// us, and what it has accepted it must answer.
func (c *Core) dismiss(which func(*worker) bool, n int) {
	for _, w := range slices.Backward(c.workers) {
		if n > 0 && w.active() && !w.serves() && which(w) {
			c.drain(w)
			n--
		}
	}
}

// retire drains up to n ready workers and returns how many: those that are to
// be recycled first, then the oldest.
func (c *Core) retire(which func(*worker) bool, n int) (done int) {
	for _, recycled := range []bool{true, false} {
		for _, w := range c.workers {
			if done < n && w.serves() && which(w) && (w.recycle != "") == recycled {
				c.drain(w)
				done++
			}
		}
	}
	return done
}

// fill starts the workers that are missing, never more than the surge beyond
// the wanted number.
func (c *Core) fill() {
	t := c.census()
	room := c.wanted() + c.settings().Surge - t.active()
	r := c.roll
	if r != nil && r.stage == first && t.candidate.active() == 0 {
		c.spawn(r.gen) // trim has made room
		room--
	}
	want, have := c.target(), t.committed.active()
	switch {
	case c.stopping:
		have = t.active()
	case r != nil && r.stage == rolling:
		have = t.ready() + t.committed.starting + t.committed.paused + t.candidate.paused
	}
	for range min(c.mayRespawn(want-have), room) {
		c.spawn(c.gen)
		room--
	}
	if r != nil && r.stage == rolling {
		for range min(c.wanted()-t.candidate.active(), room) {
			c.spawn(r.gen)
		}
	}
}
