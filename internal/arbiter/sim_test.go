package arbiter

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	simN    = flag.Int("sim.n", 0, "number of simulated histories (0: 3000, fewer with the race detector)")
	simFrom = flag.Uint64("sim.from", 0, "seed of the first simulated history")
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
			if p.state == Ready && p.beaten {
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
		if p.state != Ready || p.gen != w.gen {
			return false
		}
	}
	for g := Generation(1); g <= w.last; g++ {
		if w.released[g] == (g == w.gen) {
			w.fail("generation %d at rest with %d: released %v", g, w.gen, w.released[g])
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

func TestSimulation(t *testing.T) {
	n := *simN
	if n == 0 {
		n = 3000
		if raceEnabled || testing.Short() {
			n = 300
		}
	}
	var seen tally
	failures := 0
	for seed := *simFrom; seed < *simFrom+uint64(n); seed++ {
		s, ops := history(seed, 200)
		w := play(seed, s, ops, false)
		seen.add(w)
		if w.err != nil {
			if failures++; failures <= 2 {
				report(t, seed, s, ops)
			}
		}
	}
	t.Logf("%d of %d histories failed; %+v", failures, n, seen)
	if n >= 300 {
		seen.enough(t)
	}
}

// tally says that the histories were worth running.
type tally struct{ steps, commits, undone, exit0, exit3, exit4, degraded int }

func (s *tally) add(w *world) {
	s.steps += w.steps
	s.commits += w.commits
	s.undone += w.undone
	if w.everDegraded {
		s.degraded++
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
}

func (s *tally) enough(t *testing.T) {
	t.Helper()
	for what, n := range map[string]int{"commits": s.commits, "undone": s.undone, "exit 0": s.exit0, "exit 3": s.exit3, "exit 4": s.exit4} {
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
