package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

func TestStops(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			s, _ := serve(ctx, t, 2, foreign(harness.Config{
				Args: []string{"--pid-file", filepath.Join(t.TempDir(), "x.pid")},
			}, "serve"))
			signal(t, s, sig)
			exits(ctx, t, s, 0)
		})
	}
}

// slowRequest begins a request that takes 20 s and returns when its first bytes
// are there.
func slowRequest(ctx context.Context, t *testing.T, s *harness.Supervisor) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+"/stream/?n=200&ms=100", nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close(); tr.CloseIdleConnections() })
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// TestQuickStops has a request of 20 s in flight: TERM waits for it, a second
// signal, INT and QUIT do not.
func TestQuickStops(t *testing.T) {
	t.Parallel()
	for name, sigs := range map[string][]syscall.Signal{
		"INT": {syscall.SIGINT}, "QUIT": {syscall.SIGQUIT},
		"TERM TERM": {syscall.SIGTERM, syscall.SIGTERM}, "TERM INT": {syscall.SIGTERM, syscall.SIGINT},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			s, _ := serve(ctx, t, 2, harness.Config{})
			slowRequest(ctx, t, s)
			begin := time.Now()
			signal(t, s, sigs[0])
			if len(sigs) > 1 {
				await(ctx, t, s, "a drain", func(st harness.Status) bool {
					return st.State == "stopping" && slices.ContainsFunc(st.Workers, func(w harness.Worker) bool { return w.State == "draining" })
				})
				signal(t, s, sigs[1])
			}
			exits(ctx, t, s, 0)
			if took := time.Since(begin); took > 12*time.Second {
				t.Errorf("a quick stop took %s", took)
			}
		})
	}
}

func TestGracefulTimeoutIsABound(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 1, harness.Config{Args: []string{"--graceful-timeout", "300ms"}})
	slowRequest(ctx, t, s)
	begin := time.Now()
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	if took := time.Since(begin); took > 12*time.Second {
		t.Errorf("a drain bounded by 300 ms took %s", took)
	}
}

func TestHUPReplacesAll(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 2, foreign(harness.Config{}, "serve"))
	signal(t, s, syscall.SIGHUP)
	after := await(ctx, t, s, "the second generation", func(st harness.Status) bool {
		return st.State == "running" && st.Generation == 2 && len(st.Workers) == 2 && len(st.Ready()) == 2
	})
	for _, w := range after.Workers {
		if slices.Contains(harness.PIDs(before.Workers), w.PID) || w.Generation != 2 {
			t.Errorf("worker %+v after the reload", w)
		}
	}
	if after.LastReload == nil || *after.LastReload != (harness.Reload{Generation: 2, Result: "ok"}) {
		t.Errorf("last_reload: %+v", after.LastReload)
	}
}

func TestTTINAndTTOU(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 1, foreign(harness.Config{}, "serve"))
	signal(t, s, syscall.SIGTTIN)
	two := ready(ctx, t, s, 2)
	signal(t, s, syscall.SIGTTIN)
	ready(ctx, t, s, 3)
	signal(t, s, syscall.SIGTTOU)
	ready(ctx, t, s, 2)
	signal(t, s, syscall.SIGTTOU)
	ready(ctx, t, s, 1)
	signal(t, s, syscall.SIGTTOU) // never below one
	signal(t, s, syscall.SIGHUP)  // comes after it
	st := await(ctx, t, s, "the reload", func(st harness.Status) bool { return st.State == "running" && st.Generation == 2 })
	if len(st.Ready()) != 1 {
		t.Errorf("%d workers after one TTOU too many", len(st.Ready()))
	}
	if two.Generation != 1 {
		t.Errorf("TTIN made generation %d", two.Generation)
	}
}

// TestQuietSignals sends what must change nothing. A later TTIN shows that they
// were taken in.
func TestQuietSignals(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 2, foreign(harness.Config{}, "serve"))
	for _, sig := range []syscall.Signal{syscall.SIGWINCH, syscall.SIGUSR1} {
		signal(t, s, sig)
	}
	signal(t, s, syscall.SIGTTIN)
	after := ready(ctx, t, s, 3)
	if after.PID != before.PID || after.Generation != 1 {
		t.Errorf("now pid %d, generation %d", after.PID, after.Generation)
	}
	for _, w := range before.Workers {
		if !slices.Contains(harness.PIDs(after.Workers), w.PID) {
			t.Errorf("worker %d is gone", w.PID)
		}
	}
}

func TestUSR1ReopensTheLog(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	log, old := filepath.Join(dir, "log"), filepath.Join(dir, "log.1")
	s, _ := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--log-file", log}}, "serve"))
	has := func(path, text string) bool {
		b, _ := os.ReadFile(path)
		return strings.Contains(string(b), text)
	}
	until := func(path, text string) {
		t.Helper()
		if err := harness.Poll(ctx, text+" in "+path, func() bool { return has(path, text) }); err != nil {
			t.Fatal(err)
		}
	}
	ask(ctx, t, s, "/write?text=before-the-move")
	until(log, "before-the-move")
	if err := os.Rename(log, old); err != nil {
		t.Fatal(err)
	}
	ask(ctx, t, s, "/write?text=after-the-move")
	until(old, "after-the-move")
	signal(t, s, syscall.SIGUSR1)
	if err := harness.Poll(ctx, "a new log file", func() bool { return !missing(log) }); err != nil {
		t.Fatal(err)
	}
	ask(ctx, t, s, "/write?n=1&text=in-the-new-file")
	until(log, "in-the-new-file")
	until(log, "err line 0")
	if has(old, "in-the-new-file") || has(log, "before-the-move") {
		t.Error("lines are in both files")
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	if out := s.Stdout.String() + s.Stderr.String(); strings.Contains(out, "-file") || strings.Contains(out, "-the-move") {
		t.Errorf("lines beside the log file:\n%s", out)
	}
}

// stuckReload begins a reload that cannot go on: the new generation never says
// that it is ready.
func stuckReload(ctx context.Context, t *testing.T, args ...string) (s *harness.Supervisor, before harness.Status, envFile string) {
	t.Helper()
	envFile = writeFile(t, filepath.Join(t.TempDir(), "env"), helperMode+"=serve\n", 0o600)
	s, before = serve(ctx, t, 2, harness.Config{
		Command: []string{self}, Args: append([]string{"--env-file", envFile}, args...),
	})
	writeFile(t, envFile, helperMode+"=never-ready\n", 0o600)
	signal(t, s, syscall.SIGHUP)
	await(ctx, t, s, "a starting worker of generation 2", func(st harness.Status) bool {
		return st.State == "reloading" && slices.ContainsFunc(st.Workers, func(w harness.Worker) bool {
			return w.Generation == 2 && w.State == "starting"
		})
	})
	return s, before, envFile
}

// TestStopsDuringAReload: a stop always wins.
func TestStopsDuringAReload(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			s, _, _ := stuckReload(ctx, t)
			begin := time.Now()
			signal(t, s, sig)
			exits(ctx, t, s, 0)
			if took := time.Since(begin); took > 12*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestSignalsDuringAReload: the others are taken in, and none upsets it.
func TestSignalsDuringAReload(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before, _ := stuckReload(ctx, t, "--boot-timeout", "5s")
	for _, sig := range []syscall.Signal{syscall.SIGWINCH, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTTIN} {
		signal(t, s, sig)
	}
	ask(ctx, t, s, "/info")
	st := await(ctx, t, s, "the reload to be undone", func(st harness.Status) bool {
		return st.State == "running" && st.LastReload != nil && st.LastReload.Result == "failed" && len(st.Ready()) == 3 && len(st.Workers) == 3
	})
	if !strings.Contains(st.LastReload.Error, "ready") {
		t.Errorf("the reason: %q", st.LastReload.Error)
	}
	for _, w := range before.Workers {
		if !slices.Contains(harness.PIDs(st.Workers), w.PID) {
			t.Errorf("old worker %d is gone after a reload that failed", w.PID)
		}
	}
}

// TestReloadDuringAReload: asked for many times, it runs once more.
func TestReloadDuringAReload(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before, envFile := stuckReload(ctx, t, "--boot-timeout", "5s")
	writeFile(t, envFile, helperMode+"=serve\nNEW=yes\n", 0o600)
	for range 5 {
		signal(t, s, syscall.SIGHUP)
	}
	res := command(ctx, t, s, "reload", "--wait")
	if res.Code != 0 {
		t.Errorf("reload --wait: exit %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	st := ready(ctx, t, s, 2)
	if st.Generation != before.Generation+2 {
		t.Errorf("generation %d after generation %d, one failed reload and one good", st.Generation, before.Generation)
	}
	if v, _ := info(ctx, t, s).env("NEW"); v != "yes" {
		t.Errorf("the fresh env file did not reach the workers: NEW=%q", v)
	}
}

// TestStopSignal gives the worker another signal than TERM.
func TestStopSignal(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--stop-signal", "USR2"}}, "serve"))
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	if !strings.Contains(s.Stdout.String(), "ended by signal "+syscall.SIGUSR2.String()) {
		t.Errorf("the worker did not get USR2:\n%s", s.Stdout)
	}
}
