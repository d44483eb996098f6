package arbiter

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	simN     = flag.Int("sim.n", 0, "number of simulated histories (0: 3000, or 1000 with the race detector)")
	simBites = flag.Bool("sim.bites", false, "say only which invariants broke, in how many histories")
	simFrom  = flag.Uint64("sim.from", 0, "seed of the first simulated history")
)

// play runs a history and then lets the faults stop, and returns the world.
func play(seed uint64, s Settings, ops []op, keep bool) *world {
	w := newWorld(s, seed)
	w.keep = keep
	for i, o := range ops {
		if w.err != nil {
			return w
		}
		w.do(seed, o, uint64(i)+1)
	}
	w.converge(seed)
	return w
}

// converge lets every process do what it is asked to, and expects rest (L1).
func (w *world) converge(seed uint64) {
	if !w.started && !w.stopping {
		w.step(Start{})
	}
	for range 4000 {
		if w.err != nil || w.atRest() {
			return
		}
		if ev := w.nice(seed); ev != nil {
			w.wait(3 * time.Millisecond)
			w.step(ev)
			continue
		}
		if w.asked.IsZero() {
			break
		}
		w.now = w.asked
		for _, p := range w.procs { // just in time
			if p.serves() && p.beaten {
				w.step(Beat{p.id})
			}
		}
		w.step(Tick{})
	}
	var left []string
	for _, p := range w.procs {
		left = append(left, fmt.Sprintf("%+v", *p))
	}
	w.fail("L1: no rest: phase %v, wanted %d of %d, tickets %v, under way %d:\n%s",
		w.core.Snapshot().Phase, w.wanted(), w.gen, w.open, w.cand, strings.Join(left, "\n"))
}

func (w *world) atRest() bool {
	if w.exited {
		return true
	}
	if w.stopping || len(w.unanswered) > 0 || len(w.open) > 0 || len(w.procs) != w.n {
		return false
	}
	for _, p := range w.procs {
		if !p.serves() || p.gen != w.gen || p.recycled {
			return false
		}
	}
	for g := Generation(1); g <= w.last; g++ {
		if w.released[g] == (g == w.gen) {
			w.fail("I14: generation %d at rest with %d: released %v", g, w.gen, w.released[g])
		}
	}
	return w.core.Snapshot().Phase == PhaseRunning
}

// nice is what a good world does next, nil if it only waits.
func (w *world) nice(seed uint64) Event {
	if len(w.unanswered) > 0 {
		return Prepared{Generation: w.unanswered[0], Settings: w.inForce()}
	}
	for _, p := range w.procs {
		switch {
		case p.stopped && p.active():
			return Resumed{p.id}
		case p.state > Ready:
			return Exited{ID: p.id, Reason: "done"}
		case p.state == Starting && !bad(seed, p.gen):
			return WorkerReady{p.id}
		}
	}
	return nil
}

// shrink takes ops out as long as the history still fails.
func shrink(seed uint64, s Settings, ops []op) []op {
	for size := len(ops) / 2; size > 0; size /= 2 {
		before := len(ops)
		for at := 0; at+size <= len(ops); {
			less := append(append([]op(nil), ops[:at]...), ops[at+size:]...)
			if play(seed, s, less, false).err != nil {
				ops = less
			} else {
				at += size
			}
		}
		if size == 1 && len(ops) < before {
			size = 2 // what could not go before may go now
		}
	}
	return ops
}

// report shrinks a failing history and prints it in the form of
// testdata/seeds.
func report(t *testing.T, seed uint64, s Settings, ops []op) {
	t.Helper()
	ops = shrink(seed, s, ops)
	w := play(seed, s, ops, true)
	lines := []string{"seed " + fmt.Sprint(seed), formatSettings(s)}
	for _, o := range ops {
		lines = append(lines, o.String())
	}
	t.Errorf("seed %d: %v\nto keep it, save as testdata/seeds/<what it was>.txt:\n%s\nwhat happened:\n%s",
		seed, w.err, strings.Join(lines, "\n"), strings.Join(w.trace[max(0, len(w.trace)-40):], "\n"))
}

// With -sim.n=20000, as make simulate does, it is the proof; with fewer, as in
// go test ./..., a check.
func TestSimulation(t *testing.T) {
	n := *simN
	if n == 0 {
		n = 3000
		if raceEnabled || testing.Short() {
			n = 1000
		}
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // much garbage, little to keep
	parts := make([]tally, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for part := range parts {
		group.Go(func() {
			for i := part; i < n; i += len(parts) {
				seed := *simFrom + uint64(i)
				s, ops := history(seed, 200)
				parts[part].add(seed, play(seed, s, ops, false))
			}
		})
	}
	group.Wait()
	var seen tally
	for _, p := range parts {
		seen.join(p)
	}
	slices.Sort(seen.failed)
	t.Logf("%d of %d histories failed; %s", len(seen.failed), n, seen)
	if *simBites {
		for _, name := range slices.Sorted(maps.Keys(seen.bites)) {
			t.Errorf("bites: %s %d", name, seen.bites[name])
		}
		return
	}
	for _, seed := range seen.failed[:min(2, len(seen.failed))] {
		s, ops := history(seed, 200)
		report(t, seed, s, ops)
	}
	if n >= 300 {
		seen.enough(t)
	}
}

// tally says that the histories were worth running, and which failed.
type tally struct {
	steps, commits, undone, exit0, exit3, exit4, degraded int
	frozen, recycled, restored, waited                    int

	failed []uint64       // seeds
	bites  map[string]int // failed histories, by the invariant that broke first
}

func (s *tally) add(seed uint64, w *world) {
	s.steps += w.steps
	s.commits += w.commits
	s.undone += w.undone
	s.frozen += w.frozen
	s.recycled += w.replaced
	if w.everDegraded {
		s.degraded++
	}
	if w.twin != nil {
		s.restored++
	}
	if w.waits {
		s.waited++
	}
	if w.exited {
		switch w.exit.Code {
		case 0:
			s.exit0++
		case 3:
			s.exit3++
		case 4:
			s.exit4++
		}
	}
	if w.err != nil {
		name, _, _ := strings.Cut(w.err.Error(), ":")
		s.failed = append(s.failed, seed)
		if s.bites == nil {
			s.bites = map[string]int{}
		}
		s.bites[name]++
	}
}

func (s *tally) join(o tally) {
	s.steps += o.steps
	s.commits += o.commits
	s.undone += o.undone
	s.exit0 += o.exit0
	s.exit3 += o.exit3
	s.exit4 += o.exit4
	s.degraded += o.degraded
	s.frozen += o.frozen
	s.recycled += o.recycled
	s.restored += o.restored
	s.waited += o.waited
	s.failed = append(s.failed, o.failed...)
	for name, n := range o.bites {
		if s.bites == nil {
			s.bites = map[string]int{}
		}
		s.bites[name] += n
	}
}

func (s tally) counts() map[string]int {
	return map[string]int{
		"steps": s.steps, "commits": s.commits, "undone": s.undone, "exit 0": s.exit0, "exit 3": s.exit3, "exit 4": s.exit4,
		"degraded": s.degraded, "stopped": s.frozen, "recycled": s.recycled, "restored": s.restored, "waited": s.waited,
	}
}

func (s tally) String() string { return fmt.Sprint(s.counts()) }

func (s tally) enough(t *testing.T) {
	t.Helper()
	for what, n := range s.counts() {
		if n == 0 {
			t.Errorf("no history had %s: the simulation has become blind", what)
		}
	}
}

func TestKeptSeeds(t *testing.T) {
	files, err := filepath.Glob("testdata/seeds/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no kept seeds: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var seed uint64
			var s Settings
			var ops []op
			for line := range strings.Lines(string(text)) {
				line = strings.TrimSpace(line)
				word, rest, _ := strings.Cut(line, " ")
				switch word {
				case "", "#":
				case "seed":
					_, err = fmt.Sscan(rest, &seed)
				case "settings":
					s, err = parseSettings(s, strings.Fields(rest))
				default:
					var o op
					o, err = parseOp(line)
					ops = append(ops, o)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			w := play(seed, s, ops, true)
			if w.err != nil {
				t.Errorf("%v\n%s", w.err, strings.Join(w.trace, "\n"))
			}
		})
	}
}
