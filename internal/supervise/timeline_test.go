package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/process"
	"github.com/tandem-go/tandem/internal/timeline"
)

// told gives the timeline so far, one event a line: kind, worker, cause, actor.
func told(t *testing.T, r *rig, after uint64) (lines []string, last uint64) {
	t.Helper()
	events, err := r.opt.Timeline.List(t.Context(), timeline.Query{After: after})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		if e.Seq != after+uint64(i)+1 || e.Text == "" || e.Time.IsZero() {
			t.Errorf("event %d of those after %d: %+v", i, after, e)
		}
		lines = append(lines, fmt.Sprintf("%s w%d g%d | %s | %s", e.Kind, e.Worker, e.Generation, e.Cause, e.Actor))
		last = e.Seq
	}
	return lines, last
}

// inOrder says that lines with all these beginnings come in this order, among others.
func inOrder(t *testing.T, lines []string, want ...string) {
	t.Helper()
	rest := lines
	for _, w := range want {
		i := slices.IndexFunc(rest, func(l string) bool { return strings.HasPrefix(l, w) })
		if i < 0 {
			t.Errorf("there is no %q, after what comes before it, in\n%s", w, strings.Join(lines, "\n"))
			return
		}
		rest = rest[i+1:]
	}
}

func TestTheTimelineOfALife(t *testing.T) {
	r := start(t, "", "--workers", "1")
	st := r.until(t, "the start", ready(1, 1))
	lines, last := told(t, r, 0)
	inOrder(t, lines, "supervisor-started w0 g1 |  | the service manager", "state w0 g1 | the first start | the service manager",
		"worker-started w1 g1 | the first start | supervisor", "worker-ready w1 g1 |  | worker 1", "state w0 g1 | the workers are ready | supervisor")

	// Followed from here on, to the very end.
	followed, ended := make(chan timeline.Event, 1000), make(chan error, 1)
	go func() {
		ended <- r.Timeline(t.Context(), timeline.Query{After: last, Follow: true}, func(events []timeline.Event) error {
			for _, e := range events {
				followed <- e
			}
			return nil
		})
		close(followed)
	}()

	if err := syscall.Kill(st.Workers[0].PID, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	r.until(t, "a replacement", func(st control.Status) bool { return ready(1, 1)(st) && st.Workers[0].ID == 2 })
	lines, last = told(t, r, last)
	inOrder(t, lines, "worker-exited w1 g1 | ", "worker-started w2 g1 | ", "worker-ready w2 g1") // perhaps after a back-off

	r.Signal(syscall.SIGTTIN)
	r.until(t, "two", ready(2, 1))
	if err := r.Scale(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	r.until(t, "one", ready(1, 1))
	lines, last = told(t, r, last)
	inOrder(t, lines, "scaled w0 g0 |  | signal TTIN", "worker-started w3 g1 | scaled to 2 | supervisor",
		"scaled w0 g0 |  | the control socket", "worker-draining w2 g1 | 1 worker is wanted | the control socket", "worker-exited w2 g1 | exit status 0 | worker 2")

	if res, err := r.Reload(t.Context(), true); err != nil || res.Result != control.ResultOK {
		t.Fatalf("%+v, %v", res, err)
	}
	r.until(t, "the new generation alone", ready(1, 2))
	lines, last = told(t, r, last)
	inOrder(t, lines, "reload-started w0 g2 |  | the control socket", "state w0 g1 | a reload | the control socket", "worker-started w4 g2 | the reload to generation 2 | supervisor",
		"worker-ready w4 g2", "reload-done w0 g2 |  | the control socket", "worker-draining w3 g1 | its replacement of generation 2 is ready | supervisor", "worker-exited w3 g1")

	r.mode(t, "crash")
	r.Signal(syscall.SIGHUP)
	r.until(t, "an undone reload", func(st control.Status) bool { return st.LastReload.Result == control.ResultFailed && ready(1, 2)(st) })
	lines, last = told(t, r, last)
	inOrder(t, lines, "reload-started w0 g3 |  | signal HUP", "worker-exited w5 g3 | exit status 7, before it was ready | worker 5",
		"reload-undone w5 g3 | worker 5 exited before it was ready: exit status 7 | signal HUP", "state w0 g2 |  | supervisor")

	r.Signal(syscall.SIGTERM)
	<-r.result
	lines, _ = told(t, r, last)
	inOrder(t, lines, "stop-asked w0 g0 |  | signal TERM", "worker-draining w4 g2 | the service stops | signal TERM", "state w0 g2 | a stop was asked for | signal TERM",
		"worker-exited w4", "supervisor-stopped w0 g0 |  | signal TERM")

	if err := <-ended; err != nil {
		t.Error(err)
	}
	var end timeline.Event
	for e := range followed {
		if end.Seq != 0 && e.Seq != end.Seq+1 {
			t.Errorf("event %d was followed by %d", end.Seq, e.Seq)
		}
		end = e
		if strings.Contains(e.Text, "last words") {
			t.Errorf("a line of a worker: %+v", e)
		}
	}
	if end.Kind != timeline.SupervisorStopped {
		t.Errorf("the last that was followed: %+v", end)
	}
}

func TestTheTimelineOfAHungAndOfARecycledWorker(t *testing.T) {
	r := start(t, "hang", "--workers", "1", "--timeout", "200ms")
	r.until(t, "a second worker", func(st control.Status) bool { return len(st.Workers) > 0 && st.Workers[0].ID > 1 })
	lines, _ := told(t, r, 0)
	inOrder(t, lines, "worker-hung w1 g1 | it was silent for ", "worker-killed w1 g1 | it was silent for ", "worker-exited w1 g1 | hung: it was silent for ")
	if got := lines[slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "worker-exited w1") })]; !strings.HasSuffix(got, "| supervisor") {
		t.Error(got)
	}

	r = start(t, "", "--workers", "1", "--max-lifetime", "1ms")
	r.until(t, "a recycled worker", func(st control.Status) bool {
		return len(st.Workers) > 0 && !slices.ContainsFunc(st.Workers, func(w control.WorkerStatus) bool { return w.ID == 1 })
	})
	lines, _ = told(t, r, 0)
	inOrder(t, lines, "worker-recycled w1 g1 | it is ", "worker-started w2 g1 | worker 1 is to be recycled | supervisor", "worker-draining w1 g1 | its replacement is ready | supervisor")
}

func TestWhoAsks(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{peerText(control.Peer{UID: 1000, PID: 4242}, "anna"), "uid 1000 (anna), pid 4242 over the control socket"},
		{peerText(control.Peer{UID: 0}, ""), "uid 0 over the control socket"},
		{bySignal(unix.SIGHUP), "signal HUP"},
		{bySignal(unix.Signal(77)), "signal signal 77"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
	if name := names.of(0); name != "root" && name != "" {
		t.Errorf("uid 0 is %q", name)
	}
	var s Supervisor
	s.opt.Timeline = timeline.New("", timeline.Options{})
	for i := range 9 {
		s.by.Asked = append(s.by.Asked, fmt.Sprint("a", i))
	}
	if got := s.askers(); got != "a0 and a1 and a2 and others" || s.by.Asked != nil {
		t.Error(got)
	}
}

// A name that could not be found is asked for again, one that was found is not.
func TestTheNamesOfUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a busy machine would be an answer that comes too late
		asked := 0
		names := userNames{look: func(uid int) (string, error) {
			if asked++; asked == 1 {
				return "", errors.New("the directory of users is away")
			}
			return fmt.Sprintf("user %d", uid), nil
		}}
		for i, want := range []string{"", "user 7", "user 7"} {
			if got := names.of(7); got != want {
				t.Errorf("%d: %q, want %q", i, got, want)
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// Why workers are started that wait for it, and since when a reload is undone, is
// known after an upgrade too.
func TestReasonsGoOver(t *testing.T) {
	r := build(t, "", "--workers", "2")
	r.step(arbiter.Start{})
	r.noteReload(arbiter.ReloadDone{Generation: 2, Reason: "worker 3 exited before it was ready"})
	was, err := r.save(func(fd int) int { return fd })
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	var st saved
	if err := json.Unmarshal(text, &st); err != nil {
		t.Fatal(err)
	}
	if len(st.Spawns) != 2 || st.By.Starts[st.Spawns[1].ID] != "the first start" {
		t.Errorf("%+v, %+v", st.Spawns, st.By)
	}
	if undo := (&Supervisor{by: st.By}).begun().undo; !undo.Equal(r.begun().undo) || undo.IsZero() {
		t.Error(undo)
	}
}

func TestWhyADrain(t *testing.T) {
	at := time.Unix(1, 0)
	for want, tc := range map[string]struct {
		w    arbiter.Worker
		snap arbiter.Snapshot
	}{
		"the service stops":                        {arbiter.Worker{Generation: 2, ReadyAt: at}, arbiter.Snapshot{Generation: 2, Phase: arbiter.PhaseStopping}},
		"the reload to generation 3 was undone":    {arbiter.Worker{Generation: 3, ReadyAt: at}, arbiter.Snapshot{Generation: 2}},
		"its replacement of generation 3 is ready": {arbiter.Worker{Generation: 2, ReadyAt: at}, arbiter.Snapshot{Generation: 2, Roll: arbiter.Roll{Generation: 3, Stage: "rolling"}}},
		"its replacement of generation 4 is ready": {arbiter.Worker{Generation: 3, ReadyAt: at, Recycle: "x"}, arbiter.Snapshot{Generation: 4}},
		"it is not ready, and not needed any more": {arbiter.Worker{Generation: 2}, arbiter.Snapshot{Generation: 2}},
		"its replacement is ready":                 {arbiter.Worker{Generation: 2, ReadyAt: at, Recycle: "old"}, arbiter.Snapshot{Generation: 2}},
		"room is needed for generation 3":          {arbiter.Worker{Generation: 2, ReadyAt: at}, arbiter.Snapshot{Generation: 2, Roll: arbiter.Roll{Generation: 3, Stage: "booting"}}},
		"3 workers are wanted":                     {arbiter.Worker{Generation: 2, ReadyAt: at}, arbiter.Snapshot{Generation: 2, Wanted: 3}},
	} {
		tc.w.ID = 7
		tc.snap.Workers = []arbiter.Worker{tc.w}
		if got := drainReason(7, tc.snap); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What a worker wrote is not on the timeline: a panic may hold a secret.
func TestTheTimelineKeepsNoSecret(t *testing.T) {
	code := 2
	for _, tc := range []struct {
		r            postmortem.Record
		ready        bool
		cause, actor string
	}{
		{postmortem.Record{Cause: postmortem.Cause{Class: postmortem.ClassPanic, Text: "panic: password=hunter2"}}, true, "a Go panic or fatal error", "worker 7"},
		{postmortem.Record{Cause: postmortem.Cause{Class: postmortem.ClassExit, Text: "exit status 2: panic: hunter2, before it was ready", ExitCode: &code}}, false, "exit status 2, before it was ready", "worker 7"},
		{postmortem.Record{Cause: postmortem.Cause{Class: postmortem.ClassSignal, Text: "killed by SIGKILL", Signal: "SIGKILL"}}, true, "killed by SIGKILL", "unknown"},
		{postmortem.Record{Cause: postmortem.Cause{Class: postmortem.ClassSignal, Text: "killed by SIGSEGV", Signal: "SIGSEGV"}}, true, "killed by SIGSEGV", "worker 7"},
		{postmortem.Record{Cause: postmortem.Cause{Class: postmortem.ClassOOM, Text: "killed by the kernel: out of memory"}}, true, "killed by the kernel: out of memory", "the kernel"},
	} {
		if cause, actor := endReason(&worker{id: 7, ready: tc.ready}, &tc.r, process.Exit{}); cause != tc.cause || actor != tc.actor {
			t.Errorf("%q by %q, want %q by %q", cause, actor, tc.cause, tc.actor)
		}
	}
}
