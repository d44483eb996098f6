package arbiter

// recycle takes note that a worker is to be replaced. The first reason stays.
func (c *Core) recycle(e Recycle) {
	w := c.find(e.ID)
	if w == nil || !w.active() || w.recycle != "" {
		return
	}
	w.recycle = e.Reason
	if e.Reason == "" {
		w.recycle = "it was asked for"
	}
}

// recycling says whether one worker more than n is wanted now, the replacement
// of one that is to be recycled. It is so only at full strength, and not while a
// reload is asked for: that replaces all of them. Nor while as many as there are
// workers still drain after they were recycled: where drains take longer than it
// takes to reach a limit, there would be more and more of them.
//
// Nothing more is remembered. If the replacement does not become ready, what
// holds back every respawn holds back the next; if another worker fails
// meanwhile, the replacement takes its place.
func (c *Core) recycling() bool {
	if c.stopping || c.roll != nil || c.pending || c.census().committed.ready < c.n {
		return false
	}
	drains := c.count(func(w *worker) bool { return w.state == Draining && w.recycle != "" && !w.stopped })
	if drains >= c.n {
		return false
	}
	return c.count(func(w *worker) bool { return w.serves() && w.gen == c.gen && w.recycle != "" }) > 0
}

// target returns how many workers of the committed generation are wanted now.
func (c *Core) target() int {
	if c.recycling() {
		return c.n + 1
	}
	return c.n
}
