package arbiter

import (
	"slices"
	"time"
)

// crowd is more processes than a history ever comes to, with seven wanted at the
// most and all that were asked to go still there (92 in 20,000 histories). A core
// that starts one for each that it sends away would otherwise not be told from a
// slow one.
const crowd = 400

// target returns the process that an action is for, which must be in one of
// the states.
func (w *world) target(what string, id WorkerID, states ...State) *proc {
	p := w.proc(id)
	if p == nil {
		w.fail("I1: %s of worker %d, which has no process", what, id)
		return nil
	}
	if !slices.Contains(states, p.state) {
		w.fail("I1: %s of worker %d, which is %v", what, id, p.state)
	}
	return p
}

// mayLeave checks that asking a worker to go was allowed.
func (w *world) mayLeave(what string, serving bool) {
	if w.stopping && (!w.refused || serving) {
		w.fail("I5: %s in a stop before Refuse, or in the lame duck", what)
	}
}

// putDown checks that a worker that counts was ended for a cause.
func (w *world) putDown(p *proc) {
	s := w.settings[p.gen]
	silent := p.beaten && w.now.Sub(p.heard) >= s.Timeout
	cause := CauseHung
	switch {
	case p.stopped:
		w.fail("I8: worker %d put down while it was stopped", p.id)
	case p.state == Starting && w.now.Before(p.by):
		w.fail("I2: worker %d put down %v too early", p.id, p.by.Sub(w.now))
	case p.state == Ready && (s.Timeout == 0 || !silent && !p.stalled):
		w.fail("I2: worker %d put down while it was well", p.id)
	}
	if p.state == Starting {
		cause = CauseBoot
	}
	w.failed(p, cause)
}

func (w *world) spawned(a Spawn, serving bool) {
	switch {
	case w.refused || w.exited || !w.started:
		w.fail("I5: Spawn after Refuse or before Start")
	case len(w.procs) > 0 && a.ID <= w.procs[len(w.procs)-1].id:
		w.fail("I1: worker id %d used again", a.ID)
	case a.Generation != w.gen && a.Generation != w.cand || w.released[a.Generation]:
		w.fail("I7: Spawn of generation %d, committed %d, candidate %d", a.Generation, w.gen, w.cand)
	case w.stopping && !serving:
		w.fail("I5: Spawn in a stop")
	}
	if a.Generation == w.cand {
		if _, ok := w.settings[a.Generation]; !ok {
			w.fail("I7: Spawn of generation %d before it was prepared", a.Generation)
		}
		w.candCount++
		if w.candCount > 1 && (w.candReady.IsZero() || w.now.Sub(w.candReady) < w.inForce().Bake) {
			w.fail("I7: more than one worker of generation %d before the first has baked", a.Generation)
		}
	}
	p := &proc{id: a.ID, gen: a.Generation, spawned: w.now}
	w.allow(p, w.settings[a.Generation].BootTimeout)
	w.procs = append(w.procs, p)
	if len(w.procs) > crowd {
		w.fail("L1: %d processes at once, for %d that are wanted", len(w.procs), w.wanted())
	}
	w.extra()
	if n := w.count((*proc).active); n > w.wanted()+w.inForce().Surge {
		w.fail("I3: %d starting and ready, wanted %d, surge %d", n, w.wanted(), w.inForce().Surge)
	}
}

func (w *world) prepare(a Prepare) {
	if a.Generation != w.last+1 || w.cand != 0 || w.stopping || !w.everReady {
		w.fail("I7: Prepare of generation %d; last %d, under way %d", a.Generation, w.last, w.cand)
	}
	if w.drainingGenerations() > 1 {
		w.fail("I7: Prepare while %d generations drain", w.drainingGenerations())
	}
	if stray := w.count(func(p *proc) bool { return p.gen != w.gen && p.serves() }); stray > 0 && w.now.Before(w.recoverBy) {
		w.fail("I7: Prepare while %d workers of an undone generation serve", stray)
	}
	w.pending = false
	w.last, w.cand, w.began = a.Generation, a.Generation, w.now
	w.candReady, w.candCount, w.candFail, w.candBad = time.Time{}, 0, 0, false
	w.rollN, w.scaled = 0, false
	w.unanswered = append(w.unanswered, a.Generation)
}

func (w *world) drainingGenerations() int {
	seen := map[Generation]bool{}
	for _, p := range w.procs {
		if p.state == Draining && !p.stopped {
			seen[p.gen] = true
		}
	}
	return len(seen)
}

func (w *world) reloadDone(a ReloadDone) {
	for _, t := range a.Tickets {
		if !w.open[t] {
			w.fail("I13: ticket %d answered twice, or never asked", t)
		}
		delete(w.open, t)
	}
	if a.Worker != 0 && (a.Generation == 0 || a.Reason == "" || w.stopping) {
		w.fail("I7: ReloadDone blames worker %d though none failed", a.Worker)
	}
	if a.Generation == 0 {
		if !w.stopping {
			w.fail("I13: a waiting reload was dropped")
		}
		return
	}
	if a.Generation != w.cand {
		w.fail("I13: ReloadDone for generation %d, under way %d", a.Generation, w.cand)
		return
	}
	s := w.inForce()
	timedOut := w.now.Sub(w.began) >= s.ReloadTimeout
	if a.Reason == "" {
		ready := w.count(func(p *proc) bool { return p.gen == w.cand && p.serves() })
		if w.candBad || w.stopping || ready < w.wanted() || w.now.Sub(w.candReady) < s.Bake {
			w.fail("I7: generation %d committed: ready %d of %d, bad %v", w.cand, ready, w.wanted(), w.candBad)
		}
		w.commits++
		w.gen, w.failures, w.latest = w.cand, nil, nil
		if w.rollN > 0 {
			w.n = w.rollN
		}
	} else {
		w.undone++
		if !w.candReady.IsZero() {
			w.recoverBy = w.now.Add(w.settings[w.gen].ReloadTimeout)
		}
		if !w.candBad && !timedOut && !w.stopping {
			w.fail("I7: generation %d undone without a cause: %s", w.cand, a.Reason)
		}
		if a.Worker != w.candFail && !w.stopping {
			w.fail("I7: ReloadDone blames worker %d, it was %d", a.Worker, w.candFail)
		}
	}
	w.cand, w.rollN, w.scaled, w.candBad = 0, 0, false, false
}

func (w *world) release(a Release) {
	starting := w.count(func(p *proc) bool { return p.gen == a.Generation && p.state == Starting })
	switch {
	case w.released[a.Generation]:
		w.fail("I14: generation %d released twice", a.Generation)
	case a.Generation == w.gen || a.Generation == w.cand || a.Generation > w.last:
		w.fail("I14: generation %d released: committed %d, under way %d", a.Generation, w.gen, w.cand)
	case starting > 0 || slices.Contains(w.unanswered, a.Generation):
		w.fail("I14: generation %d released: %d starting, or not prepared yet", a.Generation, starting)
	}
	w.released[a.Generation] = true
}

func (w *world) exiting(a Exit) {
	if w.exited || len(w.procs) > 0 || !w.refused {
		w.fail("I5: Exit with %d processes, refused %v, before %v", len(w.procs), w.refused, w.exited)
	}
	switch {
	case a.Code == 0 && !w.stopAsked,
		a.Code == 3 && (w.everReady || w.missing),
		a.Code == 4 && !w.missing,
		a.Code != 0 && a.Code != 3 && a.Code != 4:
		w.fail("I5: Exit %d; stop asked %v, ever ready %v, missing %v", a.Code, w.stopAsked, w.everReady, w.missing)
	}
	if late := w.waits && w.now.Sub(w.startedAt) >= w.settings[1].ReloadTimeout; a.Code == 3 && w.bootFails < 3*w.n && !late {
		w.fail("I5: Exit 3 after %d failures, waits %v", w.bootFails, w.waits)
	}
	w.exited, w.exit = true, a
}

// check holds the state between two events against the invariants.
func (w *world) check() {
	s := w.core.Snapshot()
	w.phase = s.Phase
	w.conservation(s)
	w.bounds()
	if w.exited {
		if !w.asked.IsZero() || len(w.open) > 0 {
			w.fail("I5: deadline %v, %d tickets after Exit", w.asked, len(w.open))
		}
		return
	}
	ready := w.count((*proc).serves)
	active := w.count((*proc).active)
	serving := !w.stopping || !w.quick && w.now.Before(w.duckUntil)
	if w.started && serving && active < w.n && !w.now.Before(w.holdUntil) {
		w.fail("I12: capacity: %d active of %d though nothing holds back", active, w.n)
	}
	if w.started && serving && active < w.n {
		w.due("back-off", w.holdUntil)
	}
	if w.started && !w.stopping {
		w.strength(active)
		w.recycling(ready, active)
	}
	w.stopped()
	w.budgets()
	if w.candBad && !w.stopping {
		w.fail("I7: generation %d failed and was not undone", w.cand)
	}
	if w.cand == 0 && !w.stopping && w.count(func(p *proc) bool { return p.state == Starting && p.gen != w.gen }) > 0 {
		w.fail("I7: a worker of no wanted generation is left starting")
	}
	// A worker ready beyond what the committed generation and the surge need
	// is an overlap that nobody asked for.
	if w.started && !w.stopping && w.cand == 0 && ready > w.n {
		w.fail("I3: overlap at rest: %d ready of %d", ready, w.n)
	}
}

// strength checks that the committed generation is kept up while its
// candidate bakes and rolls, and that the candidate gets its turn.
func (w *world) strength(active int) {
	_, prepared := w.settings[w.cand]
	rolling := w.cand != 0 && !w.candReady.IsZero() && w.now.Sub(w.candReady) >= w.inForce().Bake
	have := w.count(func(p *proc) bool {
		return p.gen == w.gen && p.active() || rolling && p.state == Ready
	})
	full := active >= w.wanted()+w.inForce().Surge
	if have < w.n && !full && !w.now.Before(w.holdUntil) {
		w.fail("I12: capacity: %d of %d kept for the committed generation", have, w.n)
	}
	idle := w.count(func(p *proc) bool { return p.gen == w.gen && p.idle() })
	if prepared && w.cand != 0 && w.candCount == 0 && idle > 0 {
		w.fail("I12: the first worker of generation %d is kept out", w.cand)
	}
	candidates := w.count(func(p *proc) bool { return p.gen == w.cand && p.active() })
	if rolling && candidates < w.wanted() && !full {
		w.fail("I12: the roll stands still at %d of %d", candidates, w.wanted())
	}
}

// floor checks, after a Step in which a worker that serves was asked to drain,
// that this did not cost capacity. Only for a stray is the place of a stopped
// worker as good as filled.
func (w *world) floor() {
	if w.stopping || !w.gaveUp && !w.gaveUpStray {
		return
	}
	baked := !w.candReady.IsZero() && w.now.Sub(w.candReady) >= w.inForce().Bake
	ready := w.count(func(p *proc) bool { return p.serves() && (p.gen != w.cand || baked) })
	if !w.gaveUp {
		ready += w.count(func(p *proc) bool { return p.gen == w.gen && p.active() && p.stopped })
	}
	if ready < w.n {
		w.fail("I2: drained to %d ready of %d", ready, w.n)
	}
}

// conservation holds the core's account against the world's.
func (w *world) conservation(s Snapshot) {
	if len(s.Workers) != len(w.procs) {
		w.fail("I1: %d workers known, %d processes", len(s.Workers), len(w.procs))
		return
	}
	for i, k := range s.Workers {
		p := w.procs[i]
		if k.ID != p.id || k.Generation != p.gen || k.State != p.state || k.Speaks != p.speaks || !k.Since.Equal(p.spawned) || !k.ReadyAt.Equal(p.ready) ||
			k.Stopped != p.stopped || (k.Recycle != "") != p.recycled {
			w.fail("I1: core has %+v, the world %+v", k, *p)
		}
	}
	if s.Generation != w.gen || s.Wanted != w.wanted() {
		w.fail("I7: core wants %d of generation %d, the world %d of %d", s.Wanted, s.Generation, w.wanted(), w.gen)
	}
	if (s.Phase == PhaseStopping) != w.stopping {
		w.fail("I1: phase %v, stopping %v", s.Phase, w.stopping)
	}
}

// due checks that the core has asked to be woken by t.
func (w *world) due(what string, t time.Time) {
	if w.asked.IsZero() || w.asked.After(t) {
		w.fail("I4: %s is due at %v, woken at %v", what, t, w.asked)
	}
}

// bounds checks that nothing can last for ever.
func (w *world) bounds() {
	// A first start may wait for a worker that is stopped, and reloads for it.
	held := w.count(func(p *proc) bool { return p.state == Starting && p.stopped }) > 0 && !w.everReady
	if len(w.open) > 0 && w.started && w.asked.IsZero() && !w.exited && !held {
		w.fail("I4: a reload waits and no deadline is set")
	}
	for _, p := range w.procs {
		s := w.settings[p.gen]
		switch {
		case p.state != Ready && p.by.IsZero(): // it is stopped, see allow
		case p.state != Ready:
			w.due(p.state.String(), p.by)
		case p.serves() && p.beaten && s.Timeout > 0:
			w.due("silence", p.heard.Add(s.Timeout))
		}
		switch {
		case p.state != Ready && !p.by.IsZero() && !w.now.Before(p.by):
			w.fail("I4: worker %d %v and nothing done", p.id, p.state)
		case p.serves() && p.beaten && s.Timeout > 0 && w.now.Sub(p.heard) >= s.Timeout:
			w.fail("I4: worker %d silent for %v", p.id, w.now.Sub(p.heard))
		case p.serves() && p.stalled && s.Timeout > 0:
			w.fail("I4: worker %d holds all its permits and nothing done", p.id)
		}
	}
	if w.cand != 0 && w.now.Sub(w.began) >= w.inForce().ReloadTimeout {
		w.fail("I4: reload to %d under way for %v", w.cand, w.now.Sub(w.began))
	}
	if w.cand != 0 {
		w.due("reload", w.began.Add(w.inForce().ReloadTimeout))
	}
	if bake := w.candReady.Add(w.inForce().Bake); w.cand != 0 && !w.candReady.IsZero() && w.now.Before(bake) {
		w.due("bake", bake)
	}
	if w.stopping && w.now.Before(w.duckUntil) && !w.quick {
		w.due("lame duck", w.duckUntil)
	}
	if (w.everReady || w.waits) && w.phase == PhaseStarting {
		w.due("first start", w.startedAt.Add(w.settings[1].ReloadTimeout))
	}
	if !w.asked.IsZero() && !w.asked.After(w.now) {
		w.fail("I4: busy, deadline %v ago", w.now.Sub(w.asked))
	}
}
