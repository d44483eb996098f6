package arbiter

import (
	"slices"
	"time"
)

// rank is the documented order of actions within one Step.
func rank(a Action) int {
	switch a.(type) {
	case ClockJump:
		return 0
	case Stuck, Kill, Abort:
		return 1
	case ReloadDone:
		return 2
	case Degraded:
		return 3
	case Backoff:
		return 4
	case Refuse:
		return 5
	case Interrupt:
		return 6
	case Drain:
		return 7
	case Wake:
		return 8
	case Prepare:
		return 9
	case Spawn:
		return 10
	case Release:
		return 11
	case Exit:
		return 12
	}
	return -1
}

// replay does to the world what the actions say, in order.
func (w *world) replay(acts []Action) {
	serving := w.stopping && !w.quick && w.now.Before(w.duckUntil)
	if !slices.IsSortedFunc(acts, func(a, b Action) int { return rank(a) - rank(b) }) {
		w.fail("I0: order: %+v", acts)
	}
	if !w.stopping && slices.Contains(acts, Action(Refuse{})) {
		w.stopping, w.quick = true, true
		if w.everReady {
			w.fail("I5: the core stopped by itself after a good start")
		}
	}
	for _, a := range acts {
		if _, ok := a.(ReloadDone); w.exited && !ok {
			w.fail("I5: %T after Exit", a)
		}
		switch a := a.(type) {
		case Spawn:
			w.spawned(a, serving)
		case Drain:
			if p := w.target("Drain", a.ID, Starting, Ready); p != nil {
				w.gives(p)
				p.state, p.asked = Draining, true
				w.allow(p, w.inForce().GracefulTimeout)
			}
			w.mayLeave("Drain", serving)
		case Interrupt:
			p := w.target("Interrupt", a.ID, Starting, Ready, Draining)
			if p == nil {
				break
			}
			if !w.quick { // it may have accepted what it must answer
				w.fail("I2: Interrupt of %v worker %d outside a quick stop", p.state, a.ID)
			}
			w.mayLeave("Interrupt", serving)
			if p.state != Draining || p.by.IsZero() || w.now.Add(time.Second).Before(p.by) {
				w.allow(p, time.Second)
			}
			p.state, p.asked, p.hurried = Draining, true, true
		case Wake:
			if p := w.target("Wake", a.ID, Draining); p != nil {
				if !p.stopped || p.woken || !w.leaving() {
					w.fail("I8: Wake of worker %d: stopped %v, woken before %v, leaving %v", a.ID, p.stopped, p.woken, w.leaving())
				}
				p.woken = true
			}
		case Abort:
			if p := w.target("Abort", a.ID, Starting, Ready); p != nil {
				w.putDown(p)
				if !p.speaks {
					w.fail("I2: Abort of worker %d, which does not speak", a.ID)
				}
				p.state = Killed
				w.allow(p, 5*time.Second)
			}
		case Kill:
			if p := w.target("Kill", a.ID, Starting, Ready, Draining, Killed); p != nil {
				if p.active() {
					w.putDown(p)
				} else if p.by.IsZero() {
					w.fail("I8: Kill of %v worker %d, which is stopped", p.state, a.ID)
				} else if w.now.Before(p.by) {
					w.fail("I2: Kill of %v worker %d %v early", p.state, a.ID, p.by.Sub(w.now))
				}
				p.state, p.asked, p.deadbeat = Killed, true, true
				w.allow(p, 10*time.Second)
			}
		case Stuck:
			if p := w.target("Stuck", a.ID, Killed); p != nil {
				if p.stuck || !p.deadbeat {
					w.fail("I4: Stuck of worker %d: before its first Kill, or twice", a.ID)
				}
				p.stuck = true
			}
		case Prepare:
			w.prepare(a)
		case ReloadDone:
			w.reloadDone(a)
		case Release:
			w.release(a)
		case Refuse:
			if w.refused {
				w.fail("I5: Refuse twice")
			}
			w.refused = true
		case Exit:
			w.exiting(a)
		case Backoff:
			w.holdUntil = a.Until
			if !w.committedFailed {
				w.fail("I10: Backoff though no worker of the committed generation failed")
			}
			if !a.Until.After(w.now) || a.Until.Sub(w.now) > 10*time.Second {
				w.fail("I10: Backoff for %v", a.Until.Sub(w.now))
			}
		case Degraded:
			if a.On == w.degraded {
				w.fail("I10: Degraded{%v} twice", a.On)
			}
			w.degraded = a.On
			w.everDegraded = true
		}
	}
	for _, p := range w.procs { // in a stop no clock stands still
		if p.state != Ready && p.by.IsZero() && w.leaving() {
			w.allow(p, p.bound)
		}
	}
	if soon := w.now.Add(time.Second); w.quick {
		for _, p := range w.procs {
			if p.state == Killed && !p.deadbeat && soon.Before(p.by) {
				p.by = soon
			}
		}
	}
	w.floor()
}
