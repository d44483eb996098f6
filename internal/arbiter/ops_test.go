package arbiter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// op is one thing that happens in the simulated world after dt has passed. It
// carries all its own chance, so that a history from which ops were taken out
// still means something.
type op struct {
	dt   time.Duration
	kind string
	pick int
	arg  int
}

func (o op) String() string { return fmt.Sprintf("%v %s %d %d", o.dt, o.kind, o.pick, o.arg) }

func parseOp(line string) (o op, err error) {
	var dt string
	if _, err = fmt.Sscanf(line, "%s %s %d %d", &dt, &o.kind, &o.pick, &o.arg); err != nil {
		return o, fmt.Errorf("parse %q: %w", line, err)
	}
	o.dt, err = time.ParseDuration(dt)
	return o, err
}

// kinds lists what can happen, with its weight.
var kinds = []struct {
	name   string
	weight int
}{
	{"tick", 6},
	{"ready", 30},
	{"obey", 16},       // a process that was asked to go exits
	{"crash", 5},       // any process exits
	{"spawnfailed", 3}, // the process never was
	{"missing", 1},
	{"speak", 4},
	{"beat", 8}, // one
	{"beats", 6},
	{"stopping", 2},
	{"reload", 5},
	{"prepared", 10},
	{"preparefailed", 1},
	{"scale", 2},
	{"scaleby", 2},
	{"stop", 1},
	{"quick", 1},
	{"stranger", 2},
	{"repeat", 2},
	{"suspend", 1}, // time passes and nobody ticks
	{"freeze", 3},  // a process is stopped
	{"thaw", 4},
	{"stall", 1}, // or no longer
	{"extend", 2},
	{"recycle", 3},
	{"restore", 1}, // from here on a restored core runs beside
}

// history draws a profile and a list of ops.
func history(seed uint64, length int) (Settings, []op) {
	r := rand.New(rand.NewPCG(seed, 1))
	pickDuration := func(ds ...time.Duration) time.Duration { return ds[r.IntN(len(ds))] }
	s := Settings{
		Workers:         1 + r.IntN(5),
		Surge:           1 + r.IntN(3),
		BootTimeout:     pickDuration(time.Second, 3*time.Second, 10*time.Second),
		Timeout:         pickDuration(0, time.Second, 4*time.Second),
		GracefulTimeout: pickDuration(0, time.Second, 3*time.Second),
		LameDuck:        pickDuration(0, 0, 2*time.Second),
		Bake:            pickDuration(0, 500*time.Millisecond, time.Second),
		ReloadTimeout:   pickDuration(0, 2*time.Second, 20*time.Second),
	}
	total, stops, crashes := 0, 1+r.IntN(3), r.IntN(4)
	weight := map[string]int{}
	for _, k := range kinds {
		weight[k.name] = k.weight
		switch k.name {
		case "stop", "quick", "missing":
			if stops > 1 { // most histories live long
				weight[k.name] = 0
			}
		case "crash":
			weight[k.name] *= crashes
		case "spawnfailed", "stopping", "preparefailed", "suspend", "freeze", "stall":
			weight[k.name] *= min(crashes, 1)
		}
		total += weight[k.name]
	}
	ops := []op{{kind: "start"}}
	if seed%32 == 9 {
		ops = append(ops, op{kind: "missing"})
	}
	for range length {
		o := op{pick: r.IntN(1000), arg: r.IntN(1000)}
		switch r.IntN(12) {
		case 0:
			o.dt = time.Duration(r.IntN(5000)) * time.Millisecond
		case 1, 2, 3:
			o.dt = 0
		default:
			o.dt = time.Duration(r.IntN(250)) * time.Millisecond
		}
		at := r.IntN(total)
		for _, k := range kinds {
			if at -= weight[k.name]; at < 0 {
				o.kind = k.name
				break
			}
		}
		ops = append(ops, o)
	}
	if stops > 1 && r.IntN(4) == 0 {
		ops = append(ops, op{kind: []string{"stop", "quick"}[r.IntN(2)]})
	}
	return s, ops
}

// bad says whether no worker of the generation ever becomes ready.
func bad(seed uint64, g Generation) bool {
	if g == 1 {
		return seed%16 == 5
	}
	return rand.New(rand.NewPCG(seed, uint64(g)+100)).IntN(4) == 0
}

// do lets one op happen.
func (w *world) do(seed uint64, o op, ticket uint64) {
	if o.kind == "suspend" {
		w.now = w.now.Add(o.dt + time.Duration(o.arg*10)*time.Millisecond)
		w.step(Tick{})
		return
	}
	w.wait(o.dt)
	choose := func(f func(*proc) bool) (WorkerID, bool) {
		var ids []WorkerID
		for _, p := range w.procs {
			if f(p) {
				ids = append(ids, p.id)
			}
		}
		if len(ids) == 0 {
			return 0, false
		}
		return ids[o.pick%len(ids)], true
	}
	any := func(*proc) bool { return true }
	booting := func(p *proc) bool { return p.state == Starting && !bad(seed, p.gen) }
	starting := func(p *proc) bool { return p.state == Starting }
	ready := func(p *proc) bool { return p.state == Ready }
	send := func(f func(*proc) bool, ev func(WorkerID) Event) {
		if id, ok := choose(f); ok {
			w.step(ev(id))
		}
	}
	switch o.kind {
	case "start":
		w.step(Start{})
	case "tick":
		w.step(Tick{})
	case "ready":
		send(booting, func(id WorkerID) Event { return WorkerReady{id} })
	case "obey":
		send(func(p *proc) bool { return p.asked }, func(id WorkerID) Event { return Exited{ID: id, Reason: "obeyed"} })
	case "crash":
		cause := []Cause{"", CauseExit, CauseSignal, CauseOOM, CauseWait}[o.arg%5]
		send(any, func(id WorkerID) Event { return Exited{id, "crashed", cause} })
	case "freeze":
		send(func(p *proc) bool { return !p.stopped }, func(id WorkerID) Event { return Suspended{id} })
	case "thaw":
		send(func(p *proc) bool { return p.stopped }, func(id WorkerID) Event { return Resumed{id} })
	case "stall":
		send(any, func(id WorkerID) Event { return Stalled{id, o.arg%4 > 0} })
	case "extend":
		by := time.Duration(o.arg*o.arg) * 20 * time.Microsecond
		if o.arg%50 == 0 {
			by = 1<<63 - 1
		}
		send(any, func(id WorkerID) Event { return ExtendTimeout{id, by} })
	case "recycle":
		send((*proc).active, func(id WorkerID) Event { return Recycle{id, []string{"too old", ""}[o.arg%2]} })
	case "restore":
		w.restore(time.Duration(o.arg-500) * time.Hour)
	case "spawnfailed", "missing":
		send(starting, func(id WorkerID) Event { return SpawnFailed{id, "no luck", o.kind == "missing"} })
	case "speak":
		send(any, func(id WorkerID) Event { return Spoke{id} })
	case "beat":
		send(ready, func(id WorkerID) Event { return Beat{id} })
	case "beats":
		for _, s := range w.core.Snapshot().Workers {
			if s.State == Ready {
				w.step(Beat{s.ID})
			}
		}
	case "stopping":
		send(any, func(id WorkerID) Event { return WorkerStopping{id} })
	case "reload":
		w.step(Reload{ticket * uint64(o.arg%3)})
	case "prepared":
		if len(w.unanswered) > 0 {
			s := w.inForce()
			s.Surge, s.BootTimeout = 1+o.arg%2, time.Duration(1+o.pick%8)*time.Second
			s.Timeout, s.Bake = time.Duration(o.arg%4)*time.Second, time.Duration(o.pick%2)*time.Second
			s.LameDuck, s.ReloadTimeout = time.Duration(o.pick%4)*time.Second, time.Duration(1+o.arg%30)*time.Second
			w.step(Prepared{w.unanswered[o.pick%len(w.unanswered)], s, max(0, o.arg%12-6)})
		}
	case "preparefailed":
		if len(w.unanswered) > 0 {
			w.step(PrepareFailed{w.unanswered[o.pick%len(w.unanswered)], []string{"no such file", ""}[o.arg%2]})
		}
	case "scale":
		w.step(Scale{o.arg % 7})
	case "scaleby":
		w.step(ScaleBy{o.arg%5 - 2})
	case "stop":
		w.step(Stop{})
	case "quick":
		w.step(Stop{Quick: true})
	case "stranger":
		id := WorkerID(5000 + o.pick)
		w.noop([]Event{
			Exited{ID: id, Reason: "who?"},
			WorkerReady{id},
			Spoke{id},
			Beat{id},
			WorkerStopping{id},
			SpawnFailed{id, "who?", true},
			Prepared{Generation: w.last + 7, Workers: 9},
			PrepareFailed{Generation: w.last + 7},
			Scale{0},
			Suspended{id},
			Resumed{id},
			Stalled{id, true},
			ExtendTimeout{id, time.Hour},
			Recycle{id, "who?"},
		}[o.arg%14])
	case "repeat":
		w.repeat(o, choose)
	default:
		w.fail("unknown op %q", o.kind)
	}
}

// repeat sends an event for the second time, or too late to matter.
func (w *world) repeat(o op, choose func(func(*proc) bool) (WorkerID, bool)) {
	in := func(states ...State) func(*proc) bool {
		return func(p *proc) bool { return strings.Contains(fmt.Sprint(states), p.state.String()) }
	}
	switch o.arg % 7 {
	case 4:
		if id, ok := choose(func(p *proc) bool { return p.stopped }); ok {
			w.noop(Suspended{id})
			w.noop(Stalled{id, true})
		}
	case 5:
		if id, ok := choose(func(p *proc) bool { return !p.stopped }); ok {
			w.noop(Resumed{id})
		}
	case 6:
		if id, ok := choose(func(p *proc) bool { return !p.active() || p.recycled }); ok {
			w.noop(Recycle{id, "again"})
		}
	case 0:
		if id, ok := choose(in(Ready, Draining, Killed)); ok {
			w.noop(WorkerReady{id})
		}
	case 1:
		if id, ok := choose(in(Draining, Killed)); ok {
			w.noop(WorkerStopping{id})
		}
	case 2:
		if w.started || w.stopping {
			w.noop(Start{})
		}
	case 3:
		if w.cand != 0 && len(w.unanswered) == 0 {
			w.noop(Prepared{Generation: w.cand, Workers: 9})
			w.noop(PrepareFailed{Generation: w.cand})
		}
	}
}

// noop sends an event that must do nothing: no action, nothing changed.
func (w *world) noop(ev Event) {
	w.step(Tick{}) // what is due anyhow
	before := w.core.Snapshot()
	if acts := w.step(ev); len(acts) > 0 {
		w.fail("I6: %T%+v did %+v", ev, ev, acts)
	}
	if after := w.core.Snapshot(); !same(before, after) {
		w.fail("I6: %T%+v changed %+v to %+v", ev, ev, before, after)
	}
}

// wait lets time pass with a Tick at each deadline.
func (w *world) wait(d time.Duration) {
	until := w.now.Add(d)
	for w.err == nil && !w.asked.IsZero() && !w.asked.After(until) {
		w.now = w.asked
		w.step(Tick{})
	}
	w.now = until
}

func same(a, b Snapshot) bool {
	return a.Phase == b.Phase && a.Generation == b.Generation && a.Wanted == b.Wanted &&
		a.LastReload == b.LastReload && slices.Equal(a.Workers, b.Workers)
}
