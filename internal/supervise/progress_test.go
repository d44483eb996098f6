package supervise

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
)

var update = flag.Bool("update", false, "write the golden file anew")

// What is said in each situation is in testdata/progress.golden.
func TestProgressText(t *testing.T) {
	now := time.Unix(1000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	ready, starting, draining := arbiter.Ready, arbiter.Starting, arbiter.Draining
	w := func(id arbiter.WorkerID, n arbiter.Generation, s arbiter.State) arbiter.Worker {
		return arbiter.Worker{ID: id, Generation: n, State: s}
	}
	request := func(method, route string, age float64) control.RequestStatus {
		return control.RequestStatus{Method: method, Route: route, AgeSeconds: age, Matched: true}
	}
	busy := []inFlight{
		{1, 2, []control.RequestStatus{request("GET", "GET /slow/", 61.26), request("POST", "/orders/{id}/", 2.04)}},
		{2, 9, []control.RequestStatus{request("GET", "/report/", 7.5), request("GET", "/report/", 0.2)}},
		{3, 40, []control.RequestStatus{request("GET", "/elsewhere/", 99)}}, // is not waited for
	}
	secret := control.RequestStatus{Method: "GET", Route: "/reset/hunter2", AgeSeconds: 4.5}
	roll := func(stage string, took time.Duration) arbiter.Roll {
		return arbiter.Roll{Generation: 3, Stage: stage, Began: ago(took), BakeUntil: now.Add(2500 * time.Millisecond)}
	}
	reloading, stopping, running := arbiter.PhaseReloading, arbiter.PhaseStopping, arbiter.PhaseRunning
	many := []arbiter.Worker{}
	for id := range 9 {
		many = append(many, w(arbiter.WorkerID(id+1), 2, draining))
	}
	drain := func(ids ...arbiter.WorkerID) map[arbiter.WorkerID]time.Time {
		m := map[arbiter.WorkerID]time.Time{}
		for _, id := range ids {
			m[id] = ago(time.Duration(id) * 1500 * time.Millisecond)
		}
		return m
	}
	var b strings.Builder
	for _, tc := range []struct {
		name string
		snap arbiter.Snapshot
		at   begun
		all  []inFlight
	}{
		{"nothing", arbiter.Snapshot{Phase: running, Workers: []arbiter.Worker{w(1, 2, ready)}}, begun{}, nil},
		{"a reload of less than a second", arbiter.Snapshot{Phase: reloading, Roll: roll("booting", 999*time.Millisecond)}, begun{}, nil},
		{"preparing", arbiter.Snapshot{Phase: reloading, Roll: roll("preparing", time.Second)}, begun{}, nil},
		{"booting", arbiter.Snapshot{Phase: reloading, Wanted: 2, Roll: roll("booting", 2340*time.Millisecond), Workers: []arbiter.Worker{w(1, 2, ready), w(2, 2, ready), w(7, 3, starting)}}, begun{}, busy},
		{"booting, and none is started yet", arbiter.Snapshot{Phase: reloading, Roll: roll("booting", 12*time.Second)}, begun{}, nil},
		{"baking", arbiter.Snapshot{Phase: reloading, Wanted: 2, Roll: roll("baking", 5*time.Second), Workers: []arbiter.Worker{w(1, 2, ready), w(7, 3, ready)}}, begun{}, nil},
		{"rolling", arbiter.Snapshot{Phase: reloading, Wanted: 3, Roll: roll("rolling", 75*time.Second), Workers: []arbiter.Worker{w(1, 2, draining), w(2, 2, ready), w(7, 3, ready), w(8, 3, starting), w(9, 3, starting)}}, begun{drain: drain(1)}, busy},
		{"undoing", arbiter.Snapshot{Phase: reloading, Generation: 2, LastReload: arbiter.LastReload{Generation: 3}, Workers: []arbiter.Worker{w(7, 3, ready), w(10, 2, starting)}}, begun{undo: ago(3 * time.Second)}, nil},
		{"a reload that waits", arbiter.Snapshot{Phase: reloading, Waiting: true, LastReload: arbiter.LastReload{OK: true}, Workers: []arbiter.Worker{w(1, 1, draining), w(2, 2, draining), w(3, 3, ready)}}, begun{asked: ago(4 * time.Second), drain: drain(1, 2)}, busy},
		{"a drain", arbiter.Snapshot{Phase: running, Workers: []arbiter.Worker{w(1, 1, draining), w(3, 3, ready)}}, begun{drain: drain(1)}, busy},
		{"drains", arbiter.Snapshot{Phase: running, Workers: []arbiter.Worker{w(1, 1, draining), w(2, 2, draining)}}, begun{drain: drain(1, 2)}, busy},
		{"drains of many foreign workers", arbiter.Snapshot{Phase: running, Workers: many}, begun{drain: drain(9)}, nil},
		{"a drain of requests that are not listed", arbiter.Snapshot{Phase: running, Workers: []arbiter.Worker{w(4, 1, draining)}}, begun{drain: drain(4)}, []inFlight{{4, 1, nil}}},
		{"a drain of a request that no route has taken", arbiter.Snapshot{Phase: running, Workers: []arbiter.Worker{w(1, 1, draining)}}, begun{drain: drain(1)}, []inFlight{{1, 1, []control.RequestStatus{secret}}}},
		{"a lame duck", arbiter.Snapshot{Phase: stopping, DuckUntil: now.Add(8 * time.Second), Workers: []arbiter.Worker{w(1, 2, ready)}}, begun{stop: ago(2 * time.Second)}, busy},
		{"a stop", arbiter.Snapshot{Phase: stopping, Workers: []arbiter.Worker{w(1, 2, draining), w(2, 2, arbiter.Killed)}}, begun{stop: ago(32 * time.Second)}, busy},
		{"a hostile route", arbiter.Snapshot{Phase: stopping, Workers: []arbiter.Worker{w(1, 2, draining)}}, begun{stop: ago(2 * time.Second)}, []inFlight{{1, 1, []control.RequestStatus{request("GET\n", "/x\nREADY=1\n\x1b[2J"+strings.Repeat("ü", 99), 2)}}}},
	} {
		text := "-"
		if p := progressOf(now, tc.snap, tc.at); p != nil {
			complete(p, tc.all)
			text = p.Text
		}
		if strings.ContainsAny(text, "\n\x1b") || strings.Contains(text, "hunter2") {
			t.Errorf("%s: %q", tc.name, text)
		}
		fmt.Fprintf(&b, "%s\n    %s\n", tc.name, text)
	}
	const golden = "testdata/progress.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A worker that does not end is waited for, and that is said everywhere.
func TestWhatADrainWaitsFor(t *testing.T) {
	r := start(t, "stubborn", "--workers", "2")
	heard := make(chan string, 1000) // all of it, or the supervisor would find nobody listening
	go func() {
		defer close(heard)
		for {
			state, err := r.up.Read()
			if err != nil {
				return
			}
			heard <- state.Status
		}
	}()
	await := func(what string, ok func(status string) bool) {
		t.Helper()
		for status := range heard {
			if ok(status) {
				return
			}
		}
		t.Fatal("not heard: " + what)
	}
	r.until(t, "the start", ready(2, 1))
	if err := r.Scale(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	st := r.until(t, "a drain that takes its time", func(st control.Status) bool { return st.Progress != nil })
	p := st.Progress
	if p.What != control.ProgressDrain || p.Stage != "draining" || len(p.Workers) != 1 || p.Seconds < 1 ||
		!strings.HasPrefix(p.Text, fmt.Sprintf("drain (%s): draining, waits for worker %d", brief(p.Seconds), p.Workers[0])) {
		t.Errorf("%+v", p)
	}
	r.until(t, "a line of the log", func(control.Status) bool {
		return strings.Contains(r.output.String(), `still waiting progress="drain (1`)
	})
	await("the drain", func(status string) bool {
		return strings.HasPrefix(status, "running: 1 of 1 workers ready, generation 1; drain (")
	})
	for _, w := range st.Workers {
		if w.State == "draining" {
			if err := syscall.Kill(w.PID, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.until(t, "the end of it", func(st control.Status) bool { return len(st.Workers) == 1 && st.Progress == nil })
	await("that it is over", func(status string) bool { return status == "running: 1 of 1 workers ready, generation 1" })
	r.Signal(syscall.SIGINT) // the other one is as stubborn
	<-r.result
}
