package arbiter

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// places are where a worker can be when an event comes, and how it got there.
// Worker 1 is the one in question; but for Starting and Ready another stands
// in for it.
var places = []struct {
	name  string
	setup string
}{
	{"gone", "start\nready 1\nwait 5s\nexited 1 x\nready 2\nwait 2s"},
	{"starting", "start\nwait 2s"},
	{"ready", "start\nready 1\nwait 2s"},
	{"draining", "start\nready 1\nwait 5s\nstopping 1\nready 2\nwait 2s"},
	{"killed", "start\nready 1\nbeat 1\nwait 30s\nready 2\nwait 2s"},
}

// table says for each event, place by place, what becomes of worker 1 and
// what is done.
var table = []struct {
	event Event
	want  [5]string
}{
	{Tick{}, [5]string{"gone", "starting", "ready", "draining", "killed"}},
	{Start{}, [5]string{"gone", "starting", "ready", "draining", "killed"}},
	{Beat{1}, [5]string{"gone", "starting", "ready", "draining", "killed"}},
	{Spoke{1}, [5]string{"gone", "starting", "ready", "draining", "killed"}},
	{WorkerReady{1}, [5]string{"gone", "ready", "ready", "draining", "killed"}},
	{WorkerStopping{1}, [5]string{"gone", "draining: back off", "draining: spawn 2 of generation 1", "draining", "killed"}},
	{Exited{ID: 1, Reason: "x"}, [5]string{"gone", "gone: back off", "gone: spawn 2 of generation 1", "gone", "gone"}},
	{SpawnFailed{1, "x", false}, [5]string{"gone", "gone: back off", "gone: spawn 2 of generation 1", "gone", "gone"}},
	{SpawnFailed{1, "x", true}, [5]string{"gone", "gone: refuse new connections, exit 4: worker 1 could not be started: x", "gone: spawn 2 of generation 1", "gone", "gone"}},
	{Suspended{1}, [5]string{"gone", "starting", "ready", "draining", "killed"}},
	{Resumed{1}, [5]string{"gone", "starting", "ready", "draining", "killed"}},
	{Stalled{1, true}, [5]string{"gone", "starting", "killed: kill 1: it held all its permits for too long, spawn 2 of generation 1", "draining", "killed"}},
	{Stalled{1, false}, [5]string{"gone", "starting", "ready", "draining", "killed"}},
	{ExtendTimeout{1, time.Minute}, [5]string{"gone", "starting", "ready", "draining", "killed"}},
	{Recycle{1, "x"}, [5]string{"gone", "starting", "ready: spawn 2 of generation 1", "draining", "killed"}},
	{Reload{7}, [5]string{"gone: prepare generation 2", "starting", "ready: prepare generation 2", "draining: prepare generation 2", "killed: prepare generation 2"}},
	{Prepared{Generation: 2}, [5]string{"gone", "starting", "ready", "draining", "killed"}},
	{PrepareFailed{2, "x"}, [5]string{"gone", "starting", "ready", "draining", "killed"}},
	{Scale{2}, [5]string{"gone: spawn 3 of generation 1", "starting: spawn 2 of generation 1", "ready: spawn 2 of generation 1", "draining: spawn 3 of generation 1", "killed: spawn 3 of generation 1"}},
	{ScaleBy{1}, [5]string{"gone: spawn 3 of generation 1", "starting: spawn 2 of generation 1", "ready: spawn 2 of generation 1", "draining: spawn 3 of generation 1", "killed: spawn 3 of generation 1"}},
	{Stop{}, [5]string{"gone: refuse new connections, drain 2", "draining: refuse new connections, drain 1", "draining: refuse new connections, drain 1", "draining: refuse new connections, drain 2", "killed: refuse new connections, drain 2"}},
	{Stop{Quick: true}, [5]string{"gone: refuse new connections, interrupt 2", "draining: refuse new connections, interrupt 1", "draining: refuse new connections, interrupt 1", "draining: refuse new connections, interrupt 1, interrupt 2", "killed: refuse new connections, interrupt 2"}},
}

func TestEveryEventInEveryState(t *testing.T) {
	for _, row := range table {
		for i, place := range places {
			t.Run(fmt.Sprintf("%T %s", row.event, place.name), func(t *testing.T) {
				epoch := time.Unix(0, 0).UTC()
				settings := scriptSettings
				settings.Workers = 1
				s := &script{core: New(settings, 1), epoch: epoch, now: epoch}
				for line := range strings.Lines(place.setup) {
					if err := s.line(strings.TrimSpace(line)); err != nil {
						t.Fatal(err)
					}
				}
				if at := s.where(1); at != place.name {
					t.Fatalf("worker 1 is %s before the event", at)
				}
				var did []string
				for _, a := range s.core.Step(s.now, row.event) {
					if _, ok := a.(Backoff); ok {
						did = append(did, "back off")
					} else {
						did = append(did, s.show(a))
					}
				}
				got := s.where(1)
				if len(did) > 0 {
					got += ": " + strings.Join(did, ", ")
				}
				if got != row.want[i] {
					t.Errorf("got  %s\nwant %s", got, row.want[i])
				}
			})
		}
	}
}

func (s *script) where(id WorkerID) string {
	if w := s.core.find(id); w != nil {
		return w.state.String()
	}
	return "gone"
}

// A new event needs a row in the table and a line in the simulation's kinds.
func TestTableKnowsEveryEvent(t *testing.T) {
	source, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, row := range table {
		known[strings.TrimPrefix(fmt.Sprintf("%T", row.event), "arbiter.")] = true
	}
	found := regexp.MustCompile(`(?m)^func \((\w+)\) +event\(\)`).FindAllStringSubmatch(string(source), -1)
	if len(found) < 14 {
		t.Fatalf("found only %d events in event.go", len(found))
	}
	for _, m := range found {
		if !known[m[1]] {
			t.Errorf("no row for %s", m[1])
		}
	}
}

func TestNames(t *testing.T) {
	var states, phases []string
	for s := Starting; s <= Killed+1; s++ {
		states = append(states, s.String())
	}
	for p := PhaseStarting; p <= PhaseStopping+1; p++ {
		phases = append(phases, p.String())
	}
	if got := strings.Join(states, " "); got != "starting ready draining killed unknown" {
		t.Error(got)
	}
	if got := strings.Join(phases, " "); got != "starting running degraded reloading stopping unknown" {
		t.Error(got)
	}
}

// Degraded also comes of exits that are not early at all.
func TestSixtyExitsInAMinuteAreTooMany(t *testing.T) {
	w := newWorld(Settings{Workers: 20}, 1)
	w.step(Start{})
	for _, p := range w.procs {
		w.step(WorkerReady{p.id})
	}
	w.wait(2 * time.Second)
	for i := range 61 {
		if w.degraded {
			t.Fatalf("degraded after %d exits", i)
		}
		w.wait(time.Second - 50*time.Millisecond) // a worker lives for 20 turns
		id := w.procs[0].id
		// Not too many for want of memory, of which 20 workers may fail 100 times.
		for _, a := range w.step(Exited{id, "x", CauseOOM}) {
			if b, ok := a.(Backoff); ok && (i < 60 || b.Until.Sub(w.now) != 10*time.Second) {
				t.Errorf("exit %d: %+v", i+1, b)
			} else if i == 60 && !ok {
				_, spawned := a.(Spawn)
				if spawned {
					t.Error("replaced at once after 61 exits in a minute")
				}
			}
		}
		for _, p := range w.procs {
			if p.state == Starting {
				w.step(WorkerReady{p.id})
			}
		}
	}
	if !w.degraded || w.core.Snapshot().Phase != PhaseDegraded {
		t.Errorf("not degraded after 61 exits in a minute; %v", w.err)
	}
	w.wait(2 * time.Minute)
	if w.degraded || w.err != nil {
		t.Errorf("degraded %v two minutes later; %v", w.degraded, w.err)
	}
}

func TestSnapshotSharesNothing(t *testing.T) {
	c := New(Settings{Workers: 2}, 1)
	c.Step(time.Unix(0, 0), Start{})
	c.Snapshot().Workers[0].ID = 99
	if id := c.Snapshot().Workers[0].ID; id != 1 {
		t.Errorf("worker 1 has become %d", id)
	}
}

func TestTimeThatRunsBackwardsStandsStill(t *testing.T) {
	c := New(Settings{Workers: 1, BootTimeout: time.Second}, 1)
	at := time.Unix(100, 0)
	c.Step(at, Start{})
	c.Step(at.Add(-time.Hour), WorkerReady{1})
	if got := c.Snapshot().Workers[0].ReadyAt; !got.Equal(at) {
		t.Errorf("ready at %v, want %v", got, at)
	}
}

// The same events at the same times give the same actions.
func TestReplayIsExact(t *testing.T) {
	for seed := range uint64(20) {
		s, ops := history(seed, 200)
		one, two := play(seed, s, ops, true), play(seed, s, ops, true)
		if a, b := strings.Join(one.trace, "\n"), strings.Join(two.trace, "\n"); a != b {
			t.Errorf("seed %d: %s", seed, firstDifference(a, b))
		}
	}
}

// A core that fails for ever does not grow for ever.
func TestSoManyFailuresAreRememberedAndNoMore(t *testing.T) {
	c := New(Settings{Workers: 1}, 1)
	c.now = time.Unix(100, 0)
	for range 100_003 {
		c.backoff.times[anyKind] = append(c.backoff.times[anyKind], c.now)
	}
	if !c.tooMany(anyKind) || len(c.backoff.times[anyKind]) != 100_000 {
		t.Errorf("%d failures are remembered", len(c.backoff.times[anyKind]))
	}
}
