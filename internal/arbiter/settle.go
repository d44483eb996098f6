package arbiter

import (
	"fmt"
	"slices"
	"time"
)

// census counts the workers that the service counts on, by what their
// generation is: committed, candidate of a reload under way, or stray (of an
// undone reload, still serving until it is replaced).
type census struct {
	committedReady, committedStarting int
	candidateReady, candidateStarting int
	strayReady, strayStarting         int
}

func (t census) ready() int { return t.committedReady + t.candidateReady + t.strayReady }

func (t census) active() int {
	return t.ready() + t.committedStarting + t.candidateStarting + t.strayStarting
}

func (c *Core) census() (t census) {
	for _, w := range c.workers {
		ready, starting := &t.strayReady, &t.strayStarting
		switch {
		case w.gen == c.gen:
			ready, starting = &t.committedReady, &t.committedStarting
		case c.roll != nil && w.gen == c.roll.gen:
			ready, starting = &t.candidateReady, &t.candidateStarting
		}
		switch w.state {
		case Ready:
			*ready++
		case Starting:
			*starting++
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
	if c.stopping && c.refused && len(c.workers) == 0 {
		c.exited = true
		c.emit(c.exit)
	}
}

// judge does the next harder thing to each worker whose time is up.
func (c *Core) judge() {
	for _, w := range c.workers {
		if w.watched() && c.now.Sub(w.lastBeat) >= w.timeout {
			w.hung = true
			c.fail(w, fmt.Sprintf("was silent for %v", c.now.Sub(w.lastBeat).Round(time.Millisecond)))
			c.putDown(w, fmt.Sprintf("it was silent for %v", c.now.Sub(w.lastBeat).Round(time.Millisecond)))
			continue
		}
		if w.state == Ready || c.now.Before(w.deadline) {
			continue
		}
		if w.state == Starting {
			limit := w.deadline.Sub(w.spawned)
			c.fail(w, fmt.Sprintf("was not ready within %v", limit))
			c.putDown(w, fmt.Sprintf("it was not ready within %v", limit))
			continue
		}
		c.kill(w)
	}
}

// firstStart decides whether the first start has succeeded, or cannot.
func (c *Core) firstStart() {
	switch {
	case c.committed || !c.started:
	case c.everReady && (c.census().committedReady >= c.n || !c.now.Before(c.startBy)):
		c.committed = true
	case !c.everReady && c.bootFails >= bootTries*c.n:
		c.giveUp(exitBoot, fmt.Sprintf("no worker has become ready: %d failures in a row, the last: %s", c.bootFails, c.lastFail))
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
		if by := c.now.Add(quickTimeout); c.quick && w.dumping && by.Before(w.deadline) {
			w.deadline = by
		}
	}
}

// trim asks workers to go that are beyond what is wanted: those that are not
// ready yet as soon as they are spare, the others only while more than enough
// are ready.
func (c *Core) trim() {
	t := c.census()
	stray := func(w *worker) bool { return w.gen != c.gen && (c.roll == nil || w.gen != c.roll.gen) }
	committed := func(w *worker) bool { return w.gen == c.gen }
	candidate := func(w *worker) bool { return !stray(w) && !committed(w) }

	c.dismiss(stray, t.strayStarting)
	if c.roll == nil || c.roll.stage < rolling {
		// The candidate's first worker is not counted on before it has baked.
		excess := max(t.committedReady+t.committedStarting-c.n, 0)
		c.dismiss(committed, excess+c.crowding(t, excess))
		spare := t.committedReady + t.strayReady - c.n
		spare -= c.retire(stray, spare)
		c.retire(committed, spare)
		return
	}
	c.dismiss(committed, t.ready()+t.committedStarting-c.n)
	c.dismiss(candidate, t.candidateReady+t.candidateStarting-c.wanted())
	spare := t.ready() - c.wanted()
	spare -= c.retire(stray, spare)
	spare -= c.retire(committed, spare)
	c.retire(candidate, spare)
}

// crowding returns how many starting workers keep out the first worker of the
// candidate when excess of them are gone: those of the generation that is to be
// replaced must not be in the way of what may be the cure.
func (c *Core) crowding(t census, excess int) int {
	if c.roll == nil || c.roll.stage != first || t.candidateReady+t.candidateStarting > 0 {
		return 0
	}
	return max(t.active()-t.strayStarting-excess-c.wanted()-c.settings().Surge+1, 0)
}

// dismiss drains up to n starting workers, the newest first. They are not
// interrupted: a worker accepts before its word that it is ready has reached us,
// and what it has accepted it must answer.
func (c *Core) dismiss(which func(*worker) bool, n int) {
	for _, w := range slices.Backward(c.workers) {
		if n > 0 && w.state == Starting && which(w) {
			c.drain(w)
			n--
		}
	}
}

// retire drains up to n ready workers, the oldest first, and returns how many.
func (c *Core) retire(which func(*worker) bool, n int) (done int) {
	for _, w := range c.workers {
		if done < n && w.state == Ready && which(w) {
			c.drain(w)
			done++
		}
	}
	return done
}

// fill starts the workers that are missing, never more than the surge beyond
// the wanted number.
func (c *Core) fill() {
	t := c.census()
	surge := c.settings().Surge
	room := c.wanted() + surge - t.active()
	r := c.roll
	if r != nil && r.stage == first && t.candidateReady+t.candidateStarting == 0 {
		if room > 0 {
			c.spawn(r.gen)
			room--
		}
	}
	have := t.committedReady + t.committedStarting
	switch {
	case c.stopping:
		have = t.active()
	case r != nil && r.stage == rolling:
		have = t.ready() + t.committedStarting
	}
	for range min(c.mayRespawn(c.n-have), room) {
		c.spawn(c.gen)
		room--
	}
	if r != nil && r.stage == rolling {
		for range min(c.wanted()-t.candidateReady-t.candidateStarting, room) {
			c.spawn(r.gen)
		}
	}
}
