package arbiter

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// proc is a process of the simulated world, as the world itself sees it: from
// the events that it sent and the actions that it was given, never from the
// inside of the core.
type proc struct {
	id              WorkerID
	gen             Generation
	state           State
	spawned, ready  time.Time
	heard           time.Time // last beat, or what else restarts the silence
	by              time.Time // the next harder thing is due
	beaten, speaks  bool
	asked, deadbeat bool // asked to go; was killed before
	stuck           bool
}

func (p *proc) active() bool { return p.state == Starting || p.state == Ready }

// world drives a core, keeps its own account of what must be so, and stops at
// the first broken invariant.
type world struct {
	core  *Core
	now   time.Time
	asked time.Time // what NextDeadline said
	procs []*proc
	err   error
	trace []string
	keep  bool

	gaveUpReady bool // a ready worker was asked to drain in this Step

	settings  map[Generation]Settings
	gen       Generation
	last      Generation
	cand      Generation // reload under way, 0: none
	candReady time.Time  // its first ready worker
	candCount int        // its workers, ever
	candFail  WorkerID
	candBad   bool // there is a cause to undo it
	began     time.Time
	n, rollN  int
	scaled    bool

	started, everReady, missing bool
	stopAsked, stopping, quick  bool
	refused, exited             bool
	exit                        Exit
	duckUntil                   time.Time
	holdUntil                   time.Time
	startedAt                   time.Time
	recoverBy                   time.Time // an undo is over by then
	committedFailed             bool      // in this Step
	degraded                    bool
	open                        map[uint64]bool // tickets: asked, not answered
	unanswered                  []Generation    // of Prepare
	released                    map[Generation]bool

	steps, commits, undone int
	everDegraded           bool
}

func newWorld(s Settings, seed uint64) *world {
	return &world{
		core: New(s, seed), now: time.Unix(0, 0).UTC(),
		settings: map[Generation]Settings{1: s.normal()},
		gen:      1, last: 1, n: s.normal().Workers,
		open: map[uint64]bool{}, released: map[Generation]bool{},
	}
}

func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (w *world) proc(id WorkerID) *proc {
	for _, p := range w.procs {
		if p.id == id {
			return p
		}
	}
	return nil
}

func (w *world) count(f func(*proc) bool) (n int) {
	for _, p := range w.procs {
		if f(p) {
			n++
		}
	}
	return n
}

func (w *world) inForce() Settings {
	if s, ok := w.settings[w.cand]; ok {
		return s
	}
	return w.settings[w.gen]
}

func (w *world) wanted() int { return max(w.n, w.rollN) }

// step sends one event and holds the answer against every invariant.
func (w *world) step(ev Event) []Action {
	if w.err != nil {
		return nil
	}
	w.steps++
	w.committedFailed = false
	w.lateness()
	w.facts(ev)
	acts := w.core.Step(w.now, ev)
	if w.keep {
		line := fmt.Sprintf("%9.3fs %-28s", w.now.Sub(time.Unix(0, 0)).Seconds(), strings.TrimPrefix(fmt.Sprintf("%T%+v", ev, ev), "arbiter."))
		for _, a := range acts {
			line += " " + strings.TrimPrefix(fmt.Sprintf("%T%+v", a, a), "arbiter.")
		}
		w.trace = append(w.trace, line)
	}
	w.replay(acts)
	w.asked = w.core.NextDeadline()
	w.check()
	return acts
}

func (w *world) lateness() {
	if w.asked.IsZero() || !w.now.After(w.asked) {
		return
	}
	for _, p := range w.procs {
		t := w.settings[p.gen].Timeout
		if p.state == Ready && p.beaten && t > 0 && w.now.Sub(w.asked) > t/4 {
			p.heard = w.now
		}
	}
}

// facts notes what the event says.
func (w *world) facts(ev Event) {
	gone := func(id WorkerID, missing bool) {
		p := w.proc(id)
		if p == nil {
			return
		}
		if p.active() {
			w.failed(p)
			w.missing = w.missing || missing && !w.everReady
		}
		w.procs = slices.DeleteFunc(w.procs, func(q *proc) bool { return q == p })
	}
	answered := func(g Generation) bool {
		i := slices.Index(w.unanswered, g)
		if i >= 0 {
			w.unanswered = slices.Delete(w.unanswered, i, i+1)
		}
		return i >= 0
	}
	switch e := ev.(type) {
	case Start:
		if !w.started && !w.stopping {
			w.started, w.startedAt = true, w.now
		}
	case SpawnFailed:
		gone(e.ID, e.Missing)
	case Exited:
		gone(e.ID, false)
	case WorkerReady:
		if p := w.proc(e.ID); p != nil && p.state == Starting {
			p.state, p.ready, p.heard = Ready, w.now, w.now
			w.everReady = true
			if p.gen == w.cand && w.candReady.IsZero() {
				w.candReady = w.now
			}
		}
	case Spoke:
		if p := w.proc(e.ID); p != nil {
			p.speaks = true
		}
	case Beat:
		if p := w.proc(e.ID); p != nil {
			p.beaten, p.heard = true, w.now
		}
	case WorkerStopping:
		if p := w.proc(e.ID); p != nil && p.active() {
			w.failed(p)
			p.state, p.by = Draining, w.now.Add(w.inForce().GracefulTimeout)
		}
	case Reload:
		if e.Ticket != 0 {
			w.open[e.Ticket] = true
		}
	case Prepared:
		if answered(e.Generation) && w.cand == e.Generation {
			w.settings[e.Generation] = e.Settings.normal()
			if !w.scaled {
				w.rollN = max(e.Workers, 0)
			}
		}
	case PrepareFailed:
		if answered(e.Generation) && w.cand == e.Generation {
			w.candBad = true
		}
	case Scale:
		w.scale(e.N)
	case ScaleBy:
		w.scale(max(w.wanted()+e.Delta, 1))
	case Stop:
		if w.stopping {
			w.quick = true
		} else {
			w.stopAsked, w.stopping, w.quick = true, true, e.Quick
			if w.everReady && !e.Quick {
				// A reload under way is undone first, so its settings do not count.
				w.duckUntil = w.now.Add(w.settings[w.gen].LameDuck)
			}
		}
	}
}

func (w *world) scale(n int) {
	if n >= 1 && !w.stopping {
		w.n, w.rollN, w.scaled = n, 0, w.cand != 0
	}
}

// failed notes that a worker which was counted on is no more.
func (w *world) failed(p *proc) {
	if p.gen == w.gen {
		w.committedFailed = true
	}
	if p.gen == w.cand && !w.candBad {
		w.candBad, w.candFail = true, p.id
	}
}

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
	w.gaveUpReady = false
	if !slices.IsSortedFunc(acts, func(a, b Action) int { return rank(a) - rank(b) }) {
		w.fail("order: %+v", acts)
	}
	if !w.stopping && slices.Contains(acts, Action(Refuse{})) {
		w.stopping, w.quick = true, true
		if w.everReady {
			w.fail("the core stopped by itself after a good start")
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
				w.gaveUpReady = w.gaveUpReady || p.state == Ready
				p.state, p.asked, p.by = Draining, true, w.now.Add(w.inForce().GracefulTimeout)
			}
			w.leaving("Drain", serving)
		case Interrupt:
			p := w.target("Interrupt", a.ID, Starting, Ready, Draining)
			if p == nil {
				break
			}
			if !w.quick { // it may have accepted what it must answer
				w.fail("I2: Interrupt of %v worker %d outside a quick stop", p.state, a.ID)
			}
			w.leaving("Interrupt", serving)
			by := w.now.Add(time.Second)
			if p.state == Draining && p.by.Before(by) {
				by = p.by
			}
			p.state, p.asked, p.by = Draining, true, by
		case Abort:
			if p := w.target("Abort", a.ID, Starting, Ready); p != nil {
				w.putDown(p)
				if !p.speaks {
					w.fail("Abort of worker %d, which does not speak", a.ID)
				}
				p.state, p.by = Killed, w.now.Add(5*time.Second)
			}
		case Kill:
			if p := w.target("Kill", a.ID, Starting, Ready, Draining, Killed); p != nil {
				if p.active() {
					w.putDown(p)
				} else if w.now.Before(p.by) {
					w.fail("Kill of %v worker %d %v early", p.state, a.ID, p.by.Sub(w.now))
				}
				p.state, p.asked, p.deadbeat, p.by = Killed, true, true, w.now.Add(10*time.Second)
			}
		case Stuck:
			if p := w.target("Stuck", a.ID, Killed); p != nil {
				if p.stuck || !p.deadbeat {
					w.fail("Stuck of worker %d: before its first Kill, or twice", a.ID)
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
				w.fail("Backoff though no worker of the committed generation failed")
			}
			if !a.Until.After(w.now) || a.Until.Sub(w.now) > 10*time.Second {
				w.fail("Backoff for %v", a.Until.Sub(w.now))
			}
		case Degraded:
			if a.On == w.degraded {
				w.fail("Degraded{%v} twice", a.On)
			}
			w.degraded = a.On
			w.everDegraded = true
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
