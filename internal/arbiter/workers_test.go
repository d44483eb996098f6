package arbiter

import (
	"fmt"
	"slices"
	"time"
)

// The part of the world that is about stopped, stalled, recycled and restored.

// workerFacts notes what an event says of one worker.
func (w *world) workerFacts(ev Event) {
	switch e := ev.(type) {
	case Suspended:
		p := w.proc(e.ID)
		if p == nil || p.stopped {
			return
		}
		p.stopped, p.stalled = true, false
		w.frozen++
		if p.state != Ready && !p.deadbeat && !w.leaving() {
			w.allow(p, p.bound)
		}
		baking := p.gen == w.cand && !w.candReady.IsZero() && w.now.Sub(w.candReady) < w.inForce().Bake
		if baking && w.count(func(q *proc) bool { return q.gen == w.cand && q.serves() }) == 0 {
			w.candReady = time.Time{}
		}
	case Resumed:
		p := w.proc(e.ID)
		if p == nil || !p.stopped {
			return
		}
		p.stopped, p.heard = false, w.now
		if p.state != Ready && p.by.IsZero() {
			w.allow(p, p.bound)
		}
		w.candidateServes(p)
	case Stalled:
		if p := w.proc(e.ID); p != nil && p.serves() {
			p.stalled = e.On
		}
	case ExtendTimeout:
		p := w.proc(e.ID)
		if p == nil || p.by.IsZero() || p.state != Starting && (p.state != Draining || p.hurried) {
			return
		}
		more := min(e.By, p.latest.Sub(w.now))
		if by := w.now.Add(more); by.After(p.by) {
			p.by = by
		}
	case Recycle:
		if p := w.proc(e.ID); p != nil && p.active() {
			p.recycled = true
		}
	}
}

// candidateServes notes when the bake began.
func (w *world) candidateServes(p *proc) {
	if p.gen == w.cand && p.serves() && w.candReady.IsZero() {
		w.candReady = w.now
	}
}

// failed notes that a worker which was counted on is no more.
func (w *world) failed(p *proc, cause Cause) {
	if p.gen == w.cand && !w.candBad {
		w.candBad, w.candFail = true, p.id
	}
	if p.gen != w.gen {
		return
	}
	w.committedFailed = true
	waits := cause == CauseWait && p.ready.IsZero()
	if waits {
		w.waits = w.waits || !w.everReady
		return
	}
	if !w.everReady {
		w.bootFails++
	}
	f := failure{
		at: w.now, early: p.ready.IsZero() || w.now.Sub(p.ready) < time.Second,
		oom: cause == CauseOOM, hung: cause == CauseHung,
	}
	w.failures = append(w.failures, f)
	w.latest = append(w.latest, f)
}

// gives notes that a worker is asked to drain: whether it is missed, and
// whether it was the right one.
func (w *world) gives(p *proc) {
	if !p.serves() || w.stopping {
		return
	}
	if p.gen != w.gen && p.gen != w.cand {
		w.gaveUpStray = true
		return
	}
	w.gaveUp = true
	if p.recycled && w.cand == 0 {
		w.replaced++
	}
	better := func(q *proc) bool { return q.gen == p.gen && q.serves() && q.recycled && !p.recycled }
	if w.cand == 0 && w.count(better) > 0 {
		w.fail("I9: worker %d asked to drain, and one that is to be recycled was not", p.id)
	}
}

// extra checks, at a Spawn outside a reload, that a worker beyond N has a worker
// to replace, and that there is only one such.
func (w *world) extra() {
	if w.cand != 0 {
		return
	}
	here := func(f func(*proc) bool) int {
		return w.count(func(p *proc) bool { return p.gen == w.gen && f(p) })
	}
	active := here((*proc).active)
	recycled := here(func(p *proc) bool { return p.serves() && p.recycled })
	switch {
	case active <= w.n:
	case w.stopping:
		w.fail("I9: %d workers for %d in a lame duck", active, w.n)
	case active > w.n+1:
		w.fail("I9: %d workers for %d", active, w.n)
	case recycled == 0 || w.pending:
		w.fail("I9: one worker too many is started: %d to be recycled, a reload waits: %v", recycled, w.pending)
	case here((*proc).serves) < w.n:
		w.fail("I9: a recycle begins with %d ready of %d", here((*proc).serves), w.n)
	case w.lingering() >= w.n:
		w.fail("I9: a recycle begins while %d recycled ones drain", w.lingering())
	}
}

// lingering is how many drain that were to be recycled.
func (w *world) lingering() int {
	return w.count(func(p *proc) bool { return p.state == Draining && p.recycled && !p.stopped })
}

// recycling checks that who is to be recycled will be.
func (w *world) recycling(ready, active int) {
	recycled := w.count(func(p *proc) bool { return p.gen == w.gen && p.serves() && p.recycled })
	strays := w.count(func(p *proc) bool { return p.gen != w.gen && p.active() })
	started := w.phase != PhaseStarting
	more := 0
	if recycled > 0 && ready >= w.n {
		more = 1
	}
	if surplus := w.count(func(p *proc) bool { return p.gen == w.gen && p.active() }) - w.n - more; w.cand == 0 && surplus > 0 {
		w.fail("I3: %d workers too many are left", surplus)
	}
	if w.cand != 0 || w.pending || !started || strays > 0 || ready < w.n || recycled == 0 {
		return
	}
	if active == w.n && w.lingering() < w.n && !w.now.Before(w.holdUntil) {
		w.fail("I9: %d to be recycled and no replacement is started", recycled)
	}
}

// stopped checks that in a stop who is stopped was woken, once it was asked to
// go.
func (w *world) stopped() {
	for _, p := range w.procs {
		if w.leaving() && p.stopped && p.state == Draining && !p.woken {
			w.fail("I8: worker %d is stopped, asked to go, and not woken", p.id)
		}
	}
}

// budgets checks that the state is degraded when it must be, and only then.
func (w *world) budgets() {
	w.failures = slices.DeleteFunc(w.failures, func(f failure) bool { return w.now.Sub(f.at) >= time.Minute })
	var early, oom, hung int
	for _, f := range w.failures {
		if f.early {
			early++
		}
		if f.oom {
			oom++
		}
		if f.hung {
			hung++
		}
	}
	if over := early > 10*w.n || oom > 5*w.n || hung > 5*w.n || len(w.failures) > 60; over != w.degraded {
		w.fail("I10: degraded %v: in a minute %d failures, %d early, %d for want of memory, %d hung, with %d workers",
			w.degraded, len(w.failures), early, oom, hung, w.n)
	}
	for _, f := range w.latest {
		over := len(w.failures) > 60 || f.early && early > 10*w.n || f.oom && oom > 5*w.n || f.hung && hung > 5*w.n
		if over && !w.stopping && !w.now.Before(w.holdUntil) {
			w.fail("I10: a failure beyond its budget holds nothing back: %+v", f)
		}
	}
	if w.started && !w.everReady && !w.stopping && w.bootFails >= 3*w.n {
		w.fail("I5: goes on after %d failures at the first start", w.bootFails)
	}
}

// restore begins to run a core beside that was restored from the state of the
// present one, or of the one that ran beside it already, with another clock.
func (w *world) restore(shift time.Duration) {
	of, at := w.core, w.now
	if w.twin != nil {
		of, at = w.twin, w.now.Add(w.shift)
	}
	twin, err := again(of, at, w.now.Add(shift))
	if err != nil {
		w.fail("I11: %v", err)
		return
	}
	w.twin, w.shift = twin, shift
}

// mirror lets the restored core do the same step: it must do the same.
func (w *world) mirror(ev Event, want []Action) {
	if w.twin == nil || w.err != nil {
		return
	}
	got := w.twin.Step(w.now.Add(w.shift), ev)
	for i, a := range got {
		if b, ok := a.(Backoff); ok {
			b.Until = b.Until.Add(-w.shift)
			got[i] = b
		}
	}
	if len(got)+len(want) > 0 && fmt.Sprint(got) != fmt.Sprint(want) {
		w.fail("I11: at %T%+v the restored core does %v, the other %v", ev, ev, got, want)
	}
	next := w.twin.NextDeadline()
	if !next.IsZero() {
		next = next.Add(-w.shift)
	}
	if !next.Equal(w.asked) {
		w.fail("I11: after %T%+v the restored core wants to be woken at %v, the other at %v", ev, ev, next, w.asked)
	}
}
