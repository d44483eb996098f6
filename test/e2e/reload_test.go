package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// TestFailedReloads begins reloads that must be undone: the old workers go on,
// the same processes, and the reason is given.
func TestFailedReloads(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, env string
		args      []string
		reason    string
	}{
		{"does not boot", helperMode + "=boot-exit\n", nil, "exit status 3"},
		// A bound on the good workers' boot too: so wide that a busy machine keeps it.
		{"is not ready in time", helperMode + "=never-ready\n", []string{"--boot-timeout", "5s"}, "5s"},
		{"dies while it bakes", helperMode + "=early-exit\n", []string{"--bake", "2s"}, "exit status 1"},
		{"takes longer than a reload may", helperMode + "=never-ready\n", []string{"--reload-timeout", "400ms"}, "400ms"},
		{"malformed env file", "no equals sign here\n", nil, "env"},
		{"bad setting in the env file", "SUPERVISOR_WORKERS=lots\n", nil, "lots"},
		{"setting that a reload cannot change", "SUPERVISOR_UMASK=077\n", nil, "umask"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			env := writeFile(t, filepath.Join(t.TempDir(), "env"), helperMode+"=serve\n", 0o600)
			s, before := serve(ctx, t, 2, harness.Config{Command: []string{self}, Args: append([]string{"--env-file", env}, tc.args...)})
			writeFile(t, env, tc.env, 0o600)
			begin := time.Now()
			res := command(ctx, t, s, "reload", "--wait")
			if said := res.Stdout + res.Stderr; res.Code != 1 || !strings.Contains(strings.ToLower(said), tc.reason) {
				t.Errorf("want exit 1 and %q, got exit %d:\n%s", tc.reason, res.Code, said)
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			st := ready(ctx, t, s, 2)
			if !slices.Equal(harness.PIDs(before.Workers), harness.PIDs(st.Workers)) {
				t.Errorf("workers were %v and are %v", harness.PIDs(before.Workers), harness.PIDs(st.Workers))
			}
			if st.LastReload == nil || st.LastReload.Result != "failed" || !strings.Contains(strings.ToLower(st.LastReload.Error), tc.reason) {
				t.Errorf("last_reload: %+v", st.LastReload)
			}
			// What was respawned after it must be of the old generation.
			victim := st.Workers[0].PID
			kill(t, victim, syscall.SIGKILL)
			st = await(ctx, t, s, "a replacement", func(st harness.Status) bool {
				return len(st.Ready()) == 2 && !slices.Contains(harness.PIDs(st.Workers), victim)
			})
			for _, w := range st.Workers {
				if w.Generation != before.Generation {
					t.Errorf("worker %+v after a failed reload", w)
				}
			}
			ask(ctx, t, s, "/info")
		})
	}
}

// TestWorkerDiesDuringAReload: the old generation is kept at full strength
// while a new one is tried.
func TestWorkerDiesDuringAReload(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before, _ := stuckReload(ctx, t)
	kill(t, before.Workers[0].PID, syscall.SIGKILL)
	st := await(ctx, t, s, "a replacement of the old generation", func(st harness.Status) bool {
		return len(st.Ready()) == 2 && !slices.Contains(harness.PIDs(st.Workers), before.Workers[0].PID)
	})
	for _, w := range st.Ready() {
		if w.Generation != 1 {
			t.Errorf("%+v is ready in a reload that cannot go on", w)
		}
	}
}

// TestReloadAtBoot asks before the first worker is ready.
func TestReloadAtBoot(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s := launch(t, foreign(harness.Config{Args: []string{"--workers", "2", "--bake", "50ms"}}, "serve"))
	if _, err := s.Stderr.AwaitText(ctx, "worker started"); err != nil {
		t.Fatal(err)
	}
	signal(t, s, syscall.SIGHUP)
	await(ctx, t, s, "a whole generation", func(st harness.Status) bool {
		if st.State != "running" || len(st.Workers) != 2 || len(st.Ready()) != 2 {
			return false
		}
		return st.Workers[0].Generation == st.Workers[1].Generation
	})
	ask(ctx, t, s, "/info")
}

// TestStopAtBoot stops a supervisor none of whose workers was ever ready.
func TestStopAtBoot(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			s := launch(t, foreign(harness.Config{Args: []string{"--workers", "2"}}, "never-ready"))
			if _, err := s.Stderr.AwaitText(ctx, "worker started"); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			signal(t, s, sig)
			exits(ctx, t, s, 0)
			if took := time.Since(begin); took > 12*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
