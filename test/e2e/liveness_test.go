package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/test/harness"
)

// states waits until the worker of a pid is in a state.
func states(ctx context.Context, t *testing.T, s *harness.Supervisor, pid int, state, liveness string) harness.Status {
	t.Helper()
	return await(ctx, t, s, fmt.Sprintf("worker with pid %d to be %s (%s)", pid, state, liveness), func(st harness.Status) bool {
		return slices.ContainsFunc(st.Workers, func(w harness.Worker) bool {
			return w.PID == pid && w.State == state && w.Liveness == liveness
		})
	})
}

// passes waits for a time by the supervisor's clock, which runs on meanwhile.
func passes(ctx context.Context, t *testing.T, s *harness.Supervisor, d time.Duration) harness.Status {
	t.Helper()
	st, err := s.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	until := st.UptimeSeconds + d.Seconds()
	return await(ctx, t, s, d.String()+" to pass", func(st harness.Status) bool { return st.UptimeSeconds >= until })
}

// A stopped worker is not dead: it is shown, it does not count as ready, and it
// goes on where it was.
func TestAStoppedWorkerIsShownAndLeftAlone(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	const timeout = time.Second
	s, before := serve(ctx, t, 2, harness.Config{Args: []string{"--timeout", timeout.String()}})
	victim := before.Workers[0].PID
	began := time.Now()
	kill(t, victim, syscall.SIGSTOP)
	states(ctx, t, s, victim, "stopped", "stopped")
	if took := time.Since(began); took > time.Second+500*time.Millisecond { // the latter for a busy machine
		t.Errorf("that a worker is stopped was shown after %v", took)
	}
	st := passes(ctx, t, s, 3*timeout)
	if len(st.Workers) != 2 || !slices.Equal(harness.PIDs(st.Workers), harness.PIDs(before.Workers)) || len(st.Ready()) != 1 {
		t.Errorf("after three times the timeout: %+v", st.Workers)
	}
	kill(t, victim, syscall.SIGCONT)
	states(ctx, t, s, victim, "ready", "ok")
	passes(ctx, t, s, 2*timeout)
	if st := ready(ctx, t, s, 2); !slices.Equal(harness.PIDs(st.Workers), harness.PIDs(before.Workers)) {
		t.Errorf("a worker that went on was replaced: %+v, before %+v", st.Workers, before.Workers)
	}
}

func TestNeitherReloadNorStopWaitsForAStoppedWorker(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 2, harness.Config{Args: []string{"--timeout", "1s", "--graceful-timeout", "5s"}})
	victim := before.Workers[0].PID
	kill(t, victim, syscall.SIGSTOP)
	states(ctx, t, s, victim, "stopped", "stopped")
	must(ctx, t, s, "reload", "--wait")
	st, err := s.Status(ctx)
	if err != nil || len(st.Ready()) != 2 || slices.ContainsFunc(st.Ready(), func(w harness.Worker) bool { return w.Generation != 2 }) {
		t.Errorf("after the reload: %+v, %v", st.Workers, err)
	}
	again := st.Ready()[0].PID
	kill(t, again, syscall.SIGSTOP)
	states(ctx, t, s, again, "stopped", "stopped")
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}

// A debugger at a breakpoint must not lose the process that it looks at.
func TestATracedWorkerIsShownAsStopped(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 1, harness.Config{Args: []string{"--timeout", "1s"}})
	pid := before.Workers[0].PID
	runtime.LockOSThread() // the tracer is a thread
	defer runtime.UnlockOSThread()
	if err := unix.PtraceSeize(pid); errors.Is(err, unix.EPERM) {
		t.Skip("this machine lets nobody trace:", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := unix.PtraceInterrupt(pid); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != nil {
		t.Fatal(err)
	}
	states(ctx, t, s, pid, "stopped", "stopped")
	if err := unix.PtraceDetach(pid); err != nil {
		t.Fatal(err)
	}
	states(ctx, t, s, pid, "ready", "ok")
}

// begin sends a request under an id and does not wait for its answer, which may
// never come.
func begin(ctx context.Context, t *testing.T, s *harness.Supervisor, path, id string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Request-Id", id)
	go func() {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
	}()
}

func listed(w harness.Worker, route, id string) bool {
	return slices.ContainsFunc(w.OldestRequests, func(r harness.Request) bool {
		return r.Method == "GET" && r.Route == route && (r.RequestID == id || id == "")
	})
}

// A worker all of whose permits are stuck answers async views, beats, and is of
// no use: it is dumped and replaced.
func TestStuckPermitsAreAHungWorker(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--timeout", "2s"}}, "tandem"))
	pid := before.Workers[0].PID
	for i := range tandemPermits {
		begin(ctx, t, s, "/hold/token-1/?q=secret", fmt.Sprintf("stuck-%d", i))
	}
	const route = "GET /hold/{secret}/"
	await(ctx, t, s, "all permits in use", func(st harness.Status) bool {
		w := st.Workers[0]
		return len(w.Permits) > 0 && w.Permits[0].InUse == tandemPermits && listed(w, route, "stuck-0") && listed(w, route, "stuck-1")
	})
	// Nobody waits: that is load.
	if st := passes(ctx, t, s, 3*time.Second); st.Workers[0].PID != pid || st.Workers[0].Liveness != "ok" {
		t.Errorf("a worker whose permits are in use, and that nobody waits for, was judged: %+v", st.Workers)
	}
	begin(ctx, t, s, "/hold/token-2/", "waits")
	st := await(ctx, t, s, "somebody to wait", func(st harness.Status) bool {
		return len(st.Workers) == 1 && len(st.Workers[0].Permits) > 0 && st.Workers[0].Permits[0].StarvingSeconds > 0
	})
	ask(ctx, t, s, "/pid/")
	if w := st.Workers[0]; w.PID != pid || w.Permits[0].Queue != 1 || w.OldestRequestSeconds == nil || *w.OldestRequestSeconds < 3 {
		t.Errorf("while somebody waits: %+v", w)
	}
	await(ctx, t, s, "a replacement", func(st harness.Status) bool {
		return len(st.Workers) == 1 && len(st.Ready()) == 1 && st.Ready()[0].PID != pid
	})
	stderr := s.Stderr.String()
	for _, want := range []string{"SIGABRT", "select (no cases)", "held all its permits", "GET /hold/{secret}/", "stuck-0"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if strings.Contains(stderr, "q=secret") || strings.Contains(stderr, "route\":\"/hold/token") {
		t.Error("the log tells the path of a request whose pattern is known")
	}
	ask(ctx, t, s, "/hold/x/?ms=1")
}

// A pool of slow work at its limit, with a queue, is not stuck while permits
// change hands.
func TestSlowWorkAtTheLimitIsNotHung(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--timeout", "2s"}}, "tandem"))
	var wg sync.WaitGroup
	for range 5 * tandemPermits { // each longer than half the timeout, all together longer than three of it
		wg.Go(func() {
			if status, body, err := get(ctx, s, "/hold/x/?ms=1300"); err != nil || status != http.StatusOK {
				t.Errorf("answered with %d, %v: %s", status, err, body)
			}
		})
	}
	wg.Wait()
	if st := ready(ctx, t, s, 1); st.Workers[0].PID != before.Workers[0].PID {
		t.Error("a busy worker was replaced")
	}
}

// A worker whose scheduler stands still says nothing any more; what it was doing
// can be read all the same.
func TestAWedgedSchedulerIsDumpedAndKilled(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	c := foreign(harness.Config{Args: []string{"--timeout", "3s"}, Env: []string{"GODEBUG=asyncpreemptoff=1"}}, "tandem")
	s, before := serve(ctx, t, 1, c)
	pid := before.Workers[0].PID
	begin(ctx, t, s, "/wait/", "waits")
	await(ctx, t, s, "a request in flight", func(st harness.Status) bool { return listed(st.Workers[0], "GET /wait/", "waits") })
	begin(ctx, t, s, "/wedge/", "wedges")
	st := passes(ctx, t, s, 1500*time.Millisecond)
	if w := st.Workers[0]; w.PID != pid || !listed(w, "GET /wedge/", "wedges") || !listed(w, "GET /wait/", "waits") {
		t.Errorf("the requests of a wedged worker: %+v", w)
	}
	await(ctx, t, s, "a replacement", func(st harness.Status) bool {
		return len(st.Workers) == 1 && len(st.Ready()) == 1 && st.Ready()[0].PID != pid
	})
	stderr := s.Stderr.String()
	for _, want := range []string{"SIGABRT", "was silent for"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	// Its memory outlives it.
	why := must(ctx, t, s, "why", "--json", strconv.FormatUint(before.Workers[0].ID, 10)).Stdout
	for _, want := range []string{"/wedge/", `"wedges"`, "/wait/", `"waits"`} {
		if !strings.Contains(why, want) {
			t.Errorf("the record of its end does not say %s: %s", want, why)
		}
	}
}
