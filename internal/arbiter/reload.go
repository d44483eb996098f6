package arbiter

import (
	"fmt"
	"slices"
	"time"
)

// stage is how far a reload has come.
type stage uint8

const (
	preparing stage = iota // the generation is being resolved
	first                  // one worker of it is wanted, and not ready yet
	baking                 // that worker must stay healthy
	rolling                // the rest follow
)

func (s stage) String() string {
	return [...]string{"preparing", "booting", "baking", "rolling"}[s]
}

// roll is a reload under way.
type roll struct {
	gen       Generation // the candidate
	stage     stage
	tickets   []uint64
	began     time.Time
	deadline  time.Time // the whole roll is undone then
	bakeUntil time.Time
	cfg       Settings // from Prepared on
	n         int      // newly configured number, 0: keep
	scaled    bool     // somebody set the number since: that word is the later one
	failure   string   // why it must be undone
	worker    WorkerID // whose failure that is
}

// fail records the first failure of the candidate.
func (r *roll) fail(reason string, id WorkerID) {
	if r.failure == "" {
		r.failure, r.worker = reason, id
	}
}

// reloads is the state of the reload under way and of the one that waits.
type reloads struct {
	roll         *roll
	pending      bool
	tickets      []uint64  // of the pending one
	recoverUntil time.Time // after an undo; zero: nothing to recover
	last         LastReload
}

// generation is one that has been allotted and not yet released.
type generation struct {
	number   Generation
	answered bool // Prepare has been answered
}

// ask remembers that a reload is wanted; settle begins it.
func (c *Core) ask(ticket uint64) {
	if slices.Contains(c.tickets, ticket) || c.roll != nil && slices.Contains(c.roll.tickets, ticket) {
		return
	}
	c.pending = true
	if ticket != 0 {
		c.tickets = append(c.tickets, ticket)
	}
}

func (c *Core) prepared(e Prepared) {
	c.answered(e.Generation)
	r := c.roll
	if r == nil || r.gen != e.Generation || r.stage != preparing {
		return
	}
	r.stage, r.cfg = first, e.Settings.normal()
	r.deadline = r.began.Add(r.cfg.ReloadTimeout)
	if !r.scaled {
		r.n = max(e.Workers, 0)
	}
}

func (c *Core) prepareFailed(e PrepareFailed) {
	c.answered(e.Generation)
	if r := c.roll; r != nil && r.gen == e.Generation && r.stage == preparing {
		r.fail(e.Reason, 0)
		if e.Reason == "" {
			r.fail("it could not be prepared", 0)
		}
	}
}

func (c *Core) answered(g Generation) {
	for i := range c.open {
		if c.open[i].number == g {
			c.open[i].answered = true
		}
	}
}

// candidateReady begins the bake with the first worker of the candidate.
func (c *Core) candidateReady(w *worker) {
	if r := c.roll; r != nil && r.gen == w.gen && r.stage == first && w.serves() {
		r.stage, r.bakeUntil = baking, c.now.Add(r.cfg.Bake)
	}
}

// advance moves the reload under way: undo, bake, commit. In a stop there is
// none any more.
func (c *Core) advance() {
	if c.stopping {
		c.cancelReloads("the service is stopping")
	}
	r := c.roll
	if r == nil {
		if !c.recovering() {
			c.recoverUntil = time.Time{}
		}
		return
	}
	if r.stage == baking && !c.now.Before(r.bakeUntil) {
		r.stage = rolling
	}
	switch {
	case r.failure != "":
		c.undo()
	case r.stage == rolling && c.census().candidate.ready >= c.wanted():
		c.commit() // even if the bound has passed meanwhile
	case !c.now.Before(r.deadline):
		r.fail(c.unfinished(r), 0)
		c.undo()
	}
}

// unfinished says how far a reload has come that has run out of time.
func (c *Core) unfinished(r *roll) string {
	limit := r.deadline.Sub(r.began)
	if r.stage == preparing {
		return fmt.Sprintf("it was not prepared within %v", limit)
	}
	return fmt.Sprintf("only %d of %d workers were ready within %v", c.census().candidate.ready, c.wanted(), limit)
}

// commit makes the candidate the wanted generation.
func (c *Core) commit() {
	r := c.roll
	c.gen, c.cfg = r.gen, r.cfg
	if r.n > 0 {
		c.n = r.n
	}
	c.backoff = backoff{degraded: c.backoff.degraded} // what the old generation did says nothing of the new one
	c.finish("", 0)
}

// undo makes the committed generation the only wanted one again. The
// candidate's workers are settle's to remove: at once those that never
// served, the others as their replacements become ready.
func (c *Core) undo() {
	r := c.roll
	if r.stage >= baking {
		c.recoverUntil = c.now.Add(c.cfg.ReloadTimeout)
	}
	c.finish(r.failure, r.worker)
}

func (c *Core) finish(reason string, id WorkerID) {
	r := c.roll
	c.roll = nil
	c.last = LastReload{Generation: r.gen, OK: reason == "", Reason: reason}
	c.emit(ReloadDone{r.gen, r.tickets, reason, id})
}

// cancelReloads answers everybody who waits for a reload.
func (c *Core) cancelReloads(reason string) {
	if c.roll != nil {
		c.finish(reason, 0)
	}
	if c.pending {
		c.emit(ReloadDone{0, c.tickets, reason, 0})
		c.pending, c.tickets = false, nil
	}
}

// begin starts the reload that waits, if it may.
func (c *Core) begin() {
	if !c.pending || c.roll != nil || !c.committed || c.recovering() || c.drainingGenerations() > 1 {
		return
	}
	c.lastGen++
	c.open = append(c.open, generation{number: c.lastGen})
	c.roll = &roll{gen: c.lastGen, tickets: c.tickets, began: c.now, deadline: c.now.Add(c.cfg.ReloadTimeout)}
	c.pending, c.tickets = false, nil
	c.emit(Prepare{c.lastGen})
}

// recovering says whether an undo is still bringing the committed generation
// back to full strength, within its bound.
func (c *Core) recovering() bool {
	t := c.census()
	return c.now.Before(c.recoverUntil) && (t.committed.ready+t.committed.stopped < c.n || t.stray.ready > 0)
}

// drainingGenerations counts them without the workers that are stopped, which
// may stay for as long as somebody looks at them.
func (c *Core) drainingGenerations() int {
	var seen []Generation
	for _, w := range c.workers {
		if w.state == Draining && !w.stopped && !slices.Contains(seen, w.gen) {
			seen = append(seen, w.gen)
		}
	}
	return len(seen)
}

// release lets go of each generation that can no longer be started.
func (c *Core) release() {
	c.open = slices.DeleteFunc(c.open, func(g generation) bool {
		wanted := g.number == c.gen || c.roll != nil && g.number == c.roll.gen
		if wanted || !g.answered || c.count(func(w *worker) bool { return w.gen == g.number && w.state == Starting }) > 0 {
			return false
		}
		c.emit(Release{g.number})
		return true
	})
}
