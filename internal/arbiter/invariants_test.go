package arbiter

import (
	"slices"
	"time"
)

// target returns the process that an action is for, which must be in one of
// the states.
func (w *world) target(what string, id WorkerID, states ...State) *proc {
	p := w.proc(id)
	if p == nil {
		w.fail("I1: %s of worker %d, which has no process", what, id)
		return nil
	}
	if !slices.Contains(states, p.state) {
		w.fail("%s of worker %d, which is %v", what, id, p.state)
	}
	return p
}

// leaving checks that asking a worker to go was allowed.
func (w *world) leaving(what string, serving bool) {
	if w.stopping && (!w.refused || serving) {
		w.fail("I5: %s in a stop before Refuse, or in the lame duck", what)
	}
}

// putDown checks that a worker that counts was ended for a cause.
func (w *world) putDown(p *proc) {
	s := w.settings[p.gen]
	switch {
	case p.state == Starting && w.now.Sub(p.spawned) < s.BootTimeout:
		w.fail("worker %d put down %v after its spawn, boot timeout %v", p.id, w.now.Sub(p.spawned), s.BootTimeout)
	case p.state == Ready && (!p.beaten || s.Timeout == 0 || w.now.Sub(p.heard) < s.Timeout):
		w.fail("I2: worker %d put down while it was well", p.id)
	}
	w.failed(p)
}

func (w *world) spawned(a Spawn, serving bool) {
	switch {
	case w.refused || w.exited || !w.started:
		w.fail("I5: Spawn after Refuse or before Start")
	case len(w.procs) > 0 && a.ID <= w.procs[len(w.procs)-1].id:
		w.fail("worker id %d used again", a.ID)
	case a.Generation != w.gen && a.Generation != w.cand || w.released[a.Generation]:
		w.fail("I7: Spawn of generation %d, committed %d, candidate %d", a.Generation, w.gen, w.cand)
	case w.stopping && !serving:
		w.fail("I5: Spawn in a stop")
	}
	if a.Generation == w.cand {
		if _, ok := w.settings[a.Generation]; !ok {
			w.fail("Spawn of generation %d before it was prepared", a.Generation)
		}
		w.candCount++
		if w.candCount > 1 && (w.candReady.IsZero() || w.now.Sub(w.candReady) < w.inForce().Bake) {
			w.fail("more than one worker of generation %d before the first has baked", a.Generation)
		}
	}
	w.procs = append(w.procs, &proc{id: a.ID, gen: a.Generation, spawned: w.now})
	if n := w.count((*proc).active); n > w.wanted()+w.inForce().Surge {
		w.fail("I3: %d starting and ready, wanted %d, surge %d", n, w.wanted(), w.inForce().Surge)
	}
}

func (w *world) prepare(a Prepare) {
	if a.Generation != w.last+1 || w.cand != 0 || w.stopping || !w.everReady {
		w.fail("Prepare of generation %d; last %d, under way %d", a.Generation, w.last, w.cand)
	}
	if w.drainingGenerations() > 1 {
		w.fail("Prepare while %d generations drain", w.drainingGenerations())
	}
	if stray := w.count(func(p *proc) bool { return p.gen != w.gen && p.state == Ready }); stray > 0 && w.now.Before(w.recoverBy) {
		w.fail("Prepare while %d workers of an undone generation serve", stray)
	}
	w.last, w.cand, w.began = a.Generation, a.Generation, w.now
	w.candReady, w.candCount, w.candFail, w.candBad = time.Time{}, 0, 0, false
	w.rollN, w.scaled = 0, false
	w.unanswered = append(w.unanswered, a.Generation)
}

func (w *world) drainingGenerations() int {
	seen := map[Generation]bool{}
	for _, p := range w.procs {
		if p.state == Draining {
			seen[p.gen] = true
		}
	}
	return len(seen)
}

func (w *world) reloadDone(a ReloadDone) {
	for _, t := range a.Tickets {
		if !w.open[t] {
			w.fail("ticket %d answered twice, or never asked", t)
		}
		delete(w.open, t)
	}
	if a.Generation == 0 {
		if !w.stopping {
			w.fail("a waiting reload was dropped")
		}
		return
	}
	if a.Generation != w.cand {
		w.fail("ReloadDone for generation %d, under way %d", a.Generation, w.cand)
		return
	}
	s := w.inForce()
	timedOut := w.now.Sub(w.began) >= s.ReloadTimeout
	if a.Reason == "" {
		ready := w.count(func(p *proc) bool { return p.gen == w.cand && p.state == Ready })
		if w.candBad || w.stopping || ready < w.wanted() || w.now.Sub(w.candReady) < s.Bake {
			w.fail("generation %d committed: ready %d of %d, bad %v", w.cand, ready, w.wanted(), w.candBad)
		}
		w.commits++
		w.gen = w.cand
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
			w.fail("ReloadDone blames worker %d, it was %d", a.Worker, w.candFail)
		}
	}
	w.cand, w.rollN, w.scaled, w.candBad = 0, 0, false, false
}

func (w *world) release(a Release) {
	starting := w.count(func(p *proc) bool { return p.gen == a.Generation && p.state == Starting })
	switch {
	case w.released[a.Generation]:
		w.fail("generation %d released twice", a.Generation)
	case a.Generation == w.gen || a.Generation == w.cand || a.Generation > w.last:
		w.fail("generation %d released: committed %d, under way %d", a.Generation, w.gen, w.cand)
	case starting > 0 || slices.Contains(w.unanswered, a.Generation):
		w.fail("generation %d released: %d starting, or not prepared yet", a.Generation, starting)
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
		w.fail("Exit %d; stop asked %v, ever ready %v, missing %v", a.Code, w.stopAsked, w.everReady, w.missing)
	}
	w.exited, w.exit = true, a
}

// check holds the state between two events against the invariants.
func (w *world) check() {
	s := w.core.Snapshot()
	w.conservation(s)
	w.bounds()
	if w.exited {
		if !w.asked.IsZero() || len(w.open) > 0 {
			w.fail("I5: deadline %v, %d tickets after Exit", w.asked, len(w.open))
		}
		return
	}
	ready := w.count(func(p *proc) bool { return p.state == Ready })
	active := w.count((*proc).active)
	serving := !w.stopping || !w.quick && w.now.Before(w.duckUntil)
	if w.started && serving && active < w.n && !w.now.Before(w.holdUntil) {
		w.fail("capacity: %d active of %d though nothing holds back", active, w.n)
	}
	if w.started && serving && active < w.n {
		w.due("back-off", w.holdUntil)
	}
	if w.started && !w.stopping {
		w.strength(active)
	}
	if w.candBad && !w.stopping {
		w.fail("I7: generation %d failed and was not undone", w.cand)
	}
	if w.cand == 0 && !w.stopping && w.count(func(p *proc) bool { return p.state == Starting && p.gen != w.gen }) > 0 {
		w.fail("I7: a worker of no wanted generation is left starting")
	}
	// A worker ready beyond what the committed generation and the surge need
	// is an overlap that nobody asked for.
	if w.started && !w.stopping && w.cand == 0 && ready > w.n {
		w.fail("overlap at rest: %d ready of %d", ready, w.n)
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
		w.fail("capacity: %d of %d kept for the committed generation", have, w.n)
	}
	starting := w.count(func(p *proc) bool { return p.gen == w.gen && p.state == Starting })
	if prepared && w.cand != 0 && w.candCount == 0 && starting > 0 {
		w.fail("the first worker of generation %d is kept out", w.cand)
	}
	candidates := w.count(func(p *proc) bool { return p.gen == w.cand && p.active() })
	if rolling && candidates < w.wanted() && !full {
		w.fail("the roll stands still at %d of %d", candidates, w.wanted())
	}
}

// floor checks, after a Step in which a ready worker was asked to drain, that
// this did not cost capacity.
func (w *world) floor() {
	if w.stopping || !w.gaveUpReady {
		return
	}
	baked := !w.candReady.IsZero() && w.now.Sub(w.candReady) >= w.inForce().Bake
	if ready := w.count(func(p *proc) bool { return p.state == Ready && (p.gen != w.cand || baked) }); ready < w.n {
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
		if k.ID != p.id || k.Generation != p.gen || k.State != p.state || k.Speaks != p.speaks || !k.Since.Equal(p.spawned) || !k.ReadyAt.Equal(p.ready) {
			w.fail("I1: core has %+v, the world %+v", k, *p)
		}
	}
	if s.Generation != w.gen || s.Wanted != w.wanted() {
		w.fail("I7: core wants %d of generation %d, the world %d of %d", s.Wanted, s.Generation, w.wanted(), w.gen)
	}
	if (s.Phase == PhaseStopping) != w.stopping {
		w.fail("phase %v, stopping %v", s.Phase, w.stopping)
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
	if len(w.open) > 0 && w.started && w.asked.IsZero() && !w.exited {
		w.fail("I4: a reload waits and no deadline is set")
	}
	for _, p := range w.procs {
		s := w.settings[p.gen]
		switch {
		case p.state == Starting:
			w.due("boot", p.spawned.Add(s.BootTimeout))
		case p.state > Ready:
			w.due(p.state.String(), p.by)
		case p.beaten && s.Timeout > 0:
			w.due("silence", p.heard.Add(s.Timeout))
		}
		switch {
		case p.state == Starting && w.now.Sub(p.spawned) >= s.BootTimeout:
			w.fail("I4: worker %d starting for %v", p.id, w.now.Sub(p.spawned))
		case p.state == Ready && p.beaten && s.Timeout > 0 && w.now.Sub(p.heard) >= s.Timeout:
			w.fail("I4: worker %d silent for %v", p.id, w.now.Sub(p.heard))
		case p.state > Ready && !w.now.Before(p.by):
			w.fail("I4: worker %d %v and nothing done", p.id, p.state)
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
	if w.everReady && w.core.Snapshot().Phase == PhaseStarting {
		w.due("first start", w.startedAt.Add(w.settings[1].ReloadTimeout))
	}
	if !w.asked.IsZero() && !w.asked.After(w.now) {
		w.fail("I4: busy, deadline %v ago", w.now.Sub(w.asked))
	}
}
