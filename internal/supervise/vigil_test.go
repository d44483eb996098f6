package supervise

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/notify"
)

func TestVigil(t *testing.T) {
	const timeout = 10 * time.Second
	began := time.Unix(1000, 0)
	worker := func(id int, state arbiter.State, ready time.Duration, liveness string) arbiter.Worker {
		return arbiter.Worker{ID: arbiter.WorkerID(id), State: state, ReadyAt: began.Add(ready), Liveness: liveness}
	}
	type moment struct {
		at      time.Duration
		phase   arbiter.Phase
		workers []arbiter.Worker
		lost    bool
	}
	hung := func(id int) arbiter.Worker { return worker(id, arbiter.Killed, 0, "hung") }
	for name, history := range map[string][]moment{
		"nobody is there yet":      {{0, arbiter.PhaseStarting, nil, false}},
		"crashes are not our case": {{0, arbiter.PhaseDegraded, nil, false}, {time.Hour, arbiter.PhaseDegraded, nil, false}},
		"one that hangs and is seen often": {
			{0, arbiter.PhaseRunning, []arbiter.Worker{hung(1)}, false},
			{1, arbiter.PhaseRunning, []arbiter.Worker{hung(1)}, false},
			{2, arbiter.PhaseRunning, []arbiter.Worker{hung(1)}, false},
		},
		"all hang, and their replacements": {
			{0, arbiter.PhaseRunning, []arbiter.Worker{hung(1), hung(2)}, false},
			{11 * time.Second, arbiter.PhaseRunning, []arbiter.Worker{worker(3, arbiter.Ready, 0, "ok"), hung(4)}, false},
			{12 * time.Second, arbiter.PhaseRunning, []arbiter.Worker{hung(3), hung(4)}, true},
			{13 * time.Second, arbiter.PhaseRunning, nil, true},
			{14 * time.Second, arbiter.PhaseRunning, []arbiter.Worker{worker(5, arbiter.Ready, 13*time.Second, "none")}, true},
			{33 * time.Second, arbiter.PhaseRunning, []arbiter.Worker{worker(5, arbiter.Ready, 13*time.Second, "none")}, false},
		},
		"one of them lives on": {
			{20 * time.Second, arbiter.PhaseRunning, []arbiter.Worker{worker(1, arbiter.Ready, 0, "ok"), hung(2)}, false},
			{30 * time.Second, arbiter.PhaseRunning, []arbiter.Worker{worker(1, arbiter.Ready, 0, "ok"), hung(3)}, false},
			{40 * time.Second, arbiter.PhaseRunning, []arbiter.Worker{worker(1, arbiter.Ready, 0, "ok"), hung(4)}, false},
			{50 * time.Second, arbiter.PhaseRunning, []arbiter.Worker{hung(1), hung(5)}, false},
			{60 * time.Second, arbiter.PhaseReloading, []arbiter.Worker{hung(6), hung(7)}, true},
			{60 * time.Second, arbiter.PhaseStopping, []arbiter.Worker{hung(6), hung(7)}, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var v vigil
			for _, m := range history {
				snap := arbiter.Snapshot{Phase: m.phase, Wanted: 2, Workers: m.workers}
				v.observe(began.Add(m.at), snap, timeout)
				if got := v.lost(snap); got != m.lost {
					t.Errorf("after %v: lost %v", m.at, got)
				}
			}
		})
	}
}

// watched starts a supervisor whose service manager wants signs of life.
func watched(t *testing.T, within time.Duration, mode string, args ...string) *rig {
	t.Helper()
	r := build(t, mode, args...)
	r.opt.Watchdog = within
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.result <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// heard reads what the service manager is told until it is what is waited for.
func (r *rig) heard(t *testing.T, what string, is func(notify.Message) bool) notify.Message {
	t.Helper()
	for {
		m, err := r.up.Read()
		if err != nil {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		if is(m) {
			return m
		}
	}
}

func beaten(m notify.Message) bool { return m.Watchdog }

// Beats come from before the first worker is ready to the end, whatever the
// workers do that the supervisor has a cure for.
func TestTheWatchdogIsFed(t *testing.T) {
	r := watched(t, 2*time.Millisecond, "mute", "--workers", "1")
	r.heard(t, "a beat during the first start", beaten)
	r.Signal(syscall.SIGTERM)
	r.heard(t, "STOPPING", func(m notify.Message) bool { return m.Stopping })
	<-r.result

	r = watched(t, 2*time.Millisecond, "good", "--workers", "1")
	go func() { // the queue must not be full when it matters
		for {
			if _, err := r.up.Read(); err != nil {
				return
			}
		}
	}()
	r.until(t, "the start", ready(1, 1))
	r.mode(t, "crash")
	if res, err := r.Reload(t.Context(), true); err != nil || res.Result != control.ResultFailed {
		t.Fatalf("%+v, %v", res, err)
	}
	if strings.Contains(r.output.String(), "not fed") {
		t.Error("a reload that failed has starved the watchdog")
	}
}

// Workers that hang one after the other are beyond a replacement's cure.
func TestAHungFleetStarvesTheWatchdog(t *testing.T) {
	r := watched(t, 10*time.Millisecond, "hang", "--workers", "1", "--timeout", "60ms")
	go func() {
		for {
			if _, err := r.up.Read(); err != nil {
				return
			}
		}
	}()
	r.logged(t, "the watchdog of the service manager is not fed any more")
	st := r.until(t, "a status", func(control.Status) bool { return true })
	if st.State == "stopping" {
		t.Errorf("%+v", st)
	}
	r.Signal(syscall.SIGTERM)
	if got := <-r.result; got.Code != 0 {
		t.Errorf("%+v", got)
	}
}

// logged waits until the output has text in it.
func (r *rig) logged(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(r.output.String(), text) {
		select {
		case <-r.output.written:
		case <-r.done:
			t.Fatalf("the supervisor has ended before it said %q", text)
		case <-t.Context().Done():
			t.Fatalf("waiting for %q", text)
		}
	}
}

// What lasts longer than the service manager would wait is announced, with our
// own bound on it.
func TestTheServiceManagerIsAskedToWait(t *testing.T) {
	r := start(t, "good", "--workers", "1", "--boot-timeout", "100s", "--reload-timeout", "200s", "--graceful-timeout", "300s", "--lame-duck", "1ms")
	asked := func(d time.Duration) func(notify.Message) bool {
		return func(m notify.Message) bool { return m.Extend == d+leeway }
	}
	r.heard(t, "the start's bound", asked(100*time.Second))
	r.heard(t, "READY", func(m notify.Message) bool { return m.Ready })
	r.Signal(syscall.SIGHUP)
	r.heard(t, "the reload's bound", asked(200*time.Second))
	r.heard(t, "READY", func(m notify.Message) bool { return m.Ready })
	r.Signal(syscall.SIGTERM)
	m := r.heard(t, "the stop's bound", asked(300*time.Second+time.Millisecond))
	if !m.Stopping {
		t.Errorf("the bound of the stop came apart from it: %+v", m)
	}
	<-r.result
}

// systemd puts the watchdog off by what it is asked for. A beat along with that undoes it:
// one that is due only later would come too late for a supervisor that stands still by then.
func TestWhatAReloadAsksForLeavesTheWatchdogAsItWas(t *testing.T) {
	extended := func(m notify.Message) bool { return m.Extend > 0 }
	r := watched(t, time.Hour, "good", "--workers", "1")
	r.heard(t, "READY", func(m notify.Message) bool { return m.Ready })
	r.Signal(syscall.SIGHUP)
	if m := r.heard(t, "the reload's bound", extended); !m.Watchdog {
		t.Errorf("no beat with it: %+v", m)
	}
	r.heard(t, "READY", func(m notify.Message) bool { return m.Ready })
	r.Signal(syscall.SIGTERM)
	if m := r.heard(t, "the stop's bound", extended); m.Watchdog {
		t.Errorf("a beat at the stop, which has no watchdog: %+v", m)
	}
	<-r.result
}

// A service manager that reads late is told of a reload that is over by then: it
// waits for that, and for the READY=1 after it.
func TestAReloadIsNeverKeptFromTheServiceManager(t *testing.T) {
	r := build(t, "good", "--workers", "1")
	r.told.ready, r.told.phase = true, arbiter.PhaseRunning
	r.step(arbiter.Start{})
	for len(r.news) < newsAhead {
		r.news <- "X=1"
	}
	// As if a reload had begun, and has ended by now.
	r.told.owed = "RELOADING=1\nMONOTONIC_USEC=1\n"
	r.report()
	if r.told.owed == "" {
		t.Fatal("said without room")
	}
	for range newsAhead {
		<-r.news
	}
	r.report()
	if got := <-r.news; !strings.HasPrefix(got, "RELOADING=1\n") || r.told.owed != "" || r.told.phase == arbiter.PhaseRunning {
		t.Errorf("%q, %+v", got, r.told)
	}
}
