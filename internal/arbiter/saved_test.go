package arbiter

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// again sends a core through its state as another process would get it.
func again(c *Core, was, now time.Time) (*Core, error) {
	text, err := json.Marshal(c.State(was))
	if err != nil {
		return nil, err
	}
	var s Saved
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	return Restore(s, now)
}

// Whatever a history has come to, its core is restored field by field.
func TestRestoreIsExact(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 6
	}
	for seed := range seeds {
		s, ops := history(seed, 150)
		w := newWorld(s, seed)
		for i, o := range ops {
			w.do(seed, o, uint64(i)+1)
			got, err := again(w.core, w.now, w.now)
			if err != nil {
				t.Fatalf("seed %d, op %d: %v", seed, i, err)
			}
			want := *w.core
			want.out, got.out = nil, nil
			if !reflect.DeepEqual(plain(got), plain(&want)) {
				t.Fatalf("seed %d, op %d: restored as\n%+v\nit was\n%+v", seed, i, plain(got), plain(&want))
			}
		}
	}
}

// plain is a copy of a core in which an empty slice is nil.
func plain(c *Core) Core {
	p := *c
	for k := range p.backoff.times {
		p.backoff.times[k] = append([]time.Time(nil), p.backoff.times[k]...)
	}
	p.workers = append([]*worker(nil), p.workers...)
	p.open = append([]generation(nil), p.open...)
	p.tickets = append([]uint64(nil), p.tickets...)
	if p.roll != nil {
		r := *p.roll
		r.tickets = append([]uint64(nil), r.tickets...)
		p.roll = &r
	}
	return p
}

// What no core can have said is refused, not believed.
func TestRestoreRefusesWhatContradictsItself(t *testing.T) {
	now := time.Unix(100, 0)
	w := newWorld(Settings{Workers: 2, Bake: time.Second}, 1)
	w.now = now
	for _, ev := range []Event{Start{}, WorkerReady{1}, WorkerReady{2}, Reload{1}, Prepared{Generation: 2, Settings: w.inForce()}} {
		w.step(ev)
	}
	w.wait(2 * time.Second)
	w.step(Exited{ID: 2})
	now = w.now
	if _, err := again(w.core, now, now); err != nil || w.core.roll == nil || len(w.core.workers) != 3 {
		t.Fatalf("the state to begin with: %v, %d workers, roll %v", err, len(w.core.workers), w.core.roll)
	}
	for want, spoil := range map[string]func(*Saved){
		"its state is of version 2, this program reads version 1":   func(s *Saved) { s.Version++ },
		"settings that leave a phase without a bound":               func(s *Saved) { s.Settings.BootTimeout = 0 },
		"0 workers are wanted":                                      func(s *Saved) { s.N = 0 },
		"generation 0 of 2":                                         func(s *Saved) { s.Generation = 0 },
		"generation 3 of 2":                                         func(s *Saved) { s.Generation = 3 },
		"3 kinds of failure, there are 4":                           func(s *Saved) { s.Backoff.Times = s.Backoff.Times[:3] },
		"5 kinds of failure, there are 4":                           func(s *Saved) { s.Backoff.Times = append(s.Backoff.Times, nil) },
		"worker 1 after 1, the last is 4":                           func(s *Saved) { s.Workers[1].ID = 1 },
		"worker 0 after 0, the last is 4":                           func(s *Saved) { s.Workers[0].ID = 0 },
		"worker 5 after 3, the last is 4":                           func(s *Saved) { s.Workers[2].ID = 5 },
		"worker 1 in state 4":                                       func(s *Saved) { s.Workers[0].State = Killed + 1 },
		"worker 1 of generation 0 of 2":                             func(s *Saved) { s.Workers[0].Generation = 0 },
		"worker 1 of generation 3 of 2":                             func(s *Saved) { s.Workers[0].Generation = 3 },
		"worker 1 has a timeout of -1ns":                            func(s *Saved) { s.Workers[0].Timeout = -1 },
		"worker 3 is starting without a bound":                      func(s *Saved) { s.Workers[1].Deadline = nil },
		"a reload in stage 4":                                       func(s *Saved) { s.Roll.Stage = uint8(rolling) + 1 },
		"a reload to generation 1, committed is 1, the last is 2":   func(s *Saved) { s.Roll.Generation = 1 },
		"a reload to generation 3, committed is 1, the last is 2":   func(s *Saved) { s.Roll.Generation = 3 },
		"a reload without a bound":                                  func(s *Saved) { s.Roll.Deadline = nil },
		"a reload with settings that leave a phase without a bound": func(s *Saved) { s.Roll.Settings.ReloadTimeout = 0 },
		"its source of chance":                                      func(s *Saved) { s.Random = []byte("luck") },
	} {
		s := w.core.State(now)
		spoil(&s)
		if _, err := Restore(s, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s", err, want)
		}
	}
	for what, change := range map[string]func(*Saved){
		"a stopped worker without a bound":             func(s *Saved) { s.Workers[1].Deadline, s.Workers[1].Stopped = nil, true },
		"a reload in its last stage":                   func(s *Saved) { s.Roll.Stage = uint8(rolling) },
		"a reload that has no settings yet":            func(s *Saved) { s.Roll.Stage, s.Roll.Settings = uint8(preparing), Settings{} },
		"a worker without a timeout":                   func(s *Saved) { s.Workers[0].Timeout = 0 },
		"one worker":                                   func(s *Saved) { s.N = 1 },
		"a killed worker":                              func(s *Saved) { s.Workers[1].State = Killed },
		"the first generation, and no other before it": func(s *Saved) { s.Generation = 1 },
	} {
		s := w.core.State(now)
		change(&s)
		if _, err := Restore(s, now); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
