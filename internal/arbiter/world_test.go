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
	heard           time.Time     // last beat, or what else restarts the silence
	bound           time.Duration // of the present phase
	by              time.Time     // the next harder thing is due; zero: the clock stands still
	latest          time.Time     // by, extended as far as it goes
	beaten, speaks  bool
	asked, deadbeat bool // asked to go; was killed before
	hurried         bool // was interrupted
	stuck           bool
	stopped, woken  bool
	stalled         bool
	recycled        bool
}

func (p *proc) active() bool { return p.state == Starting || p.state == Ready }

func (p *proc) serves() bool { return p.state == Ready && !p.stopped }

// idle says whether the service counts on it and it does not serve.
func (p *proc) idle() bool { return p.active() && !p.serves() }

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

	twin  *Core         // restored from core's state, must do the same
	shift time.Duration // its clock less ours

	phase Phase // what the core shows

	gaveUp, gaveUpStray bool // a worker that serves was asked to drain in this Step

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
	failures                    []failure // of the committed generation, since it was committed
	latest                      []failure // in this Step
	bootFails                   int       // while none was ever ready
	waits                       bool
	pending                     bool            // a reload is asked for and has not begun
	open                        map[uint64]bool // tickets: asked, not answered
	unanswered                  []Generation    // of Prepare
	released                    map[Generation]bool

	steps, commits, undone int
	frozen, replaced       int // workers stopped, recycled
	everDegraded           bool
}

// failure is one that counts: when, and in which budgets.
type failure struct {
	at               time.Time
	early, oom, hung bool
}

func newWorld(s Settings, seed uint64) *world {
	return &world{
		core: New(s, seed), now: time.Unix(0, 0).UTC(),
		settings: map[Generation]Settings{1: s.normal()},
		gen:      1, last: 1, n: s.normal().Workers,
		open: map[uint64]bool{}, released: map[Generation]bool{},
	}
}

// fail notes the first broken invariant. Each message begins with its name.
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

// leaving says whether the service stops and is no longer, or was never, in the
// lame duck.
func (w *world) leaving() bool {
	return w.stopping && (w.quick || !w.now.Before(w.duckUntil))
}

// allow gives a process d for its phase, from now on if its clock runs.
func (w *world) allow(p *proc, d time.Duration) {
	p.bound = d
	p.by, p.latest = time.Time{}, time.Time{}
	if !p.stopped || p.deadbeat || w.leaving() {
		p.by, p.latest = w.now.Add(d), w.now.Add(3*d)
	}
}

func (w *world) wanted() int { return max(w.n, w.rollN) }

// step sends one event and holds the answer against every invariant.
func (w *world) step(ev Event) []Action {
	if w.err != nil {
		return nil
	}
	w.steps++
	w.committedFailed, w.gaveUp, w.gaveUpStray, w.latest = false, false, false, nil
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
	w.mirror(ev, acts)
	return acts
}

func (w *world) lateness() {
	if w.asked.IsZero() || !w.now.After(w.asked) {
		return
	}
	for _, p := range w.procs {
		t := w.settings[p.gen].Timeout
		if p.serves() && p.beaten && t > 0 && w.now.Sub(w.asked) > t/4 {
			p.heard = w.now
		}
	}
}

// facts notes what the event says.
func (w *world) facts(ev Event) {
	gone := func(id WorkerID, cause Cause, missing bool) {
		p := w.proc(id)
		if p == nil {
			return
		}
		if p.active() {
			w.failed(p, cause)
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
		gone(e.ID, CauseBoot, e.Missing)
	case Exited:
		gone(e.ID, e.Cause, false)
	case WorkerReady:
		if p := w.proc(e.ID); p != nil && p.state == Starting {
			p.state, p.ready, p.heard = Ready, w.now, w.now
			w.everReady = true
			w.candidateServes(p)
		}
	case Suspended, Resumed, Stalled, ExtendTimeout, Recycle:
		w.workerFacts(e)
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
			w.failed(p, CauseExit)
			p.state = Draining
			w.allow(p, w.inForce().GracefulTimeout)
		}
	case Reload:
		w.pending = w.pending || e.Ticket == 0 || !w.open[e.Ticket]
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
