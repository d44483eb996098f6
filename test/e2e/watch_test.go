package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// rebuilt starts a supervisor with --watch whose worker is at the path that it
// returns, and serves.
func rebuilt(ctx context.Context, t *testing.T, c harness.Config) (s *harness.Supervisor, program string) {
	t.Helper()
	dir := t.TempDir()
	program = filepath.Join(dir, "worker")
	install(t, self, program)
	env := writeFile(t, filepath.Join(dir, "env"), helperMode+"=serve\n", 0o600)
	c.Command = []string{program}
	c.Args = append([]string{"--watch", "--bake", "20ms", "--workers", "2", "--env-file", env}, c.Args...)
	s = launch(t, c)
	ready(ctx, t, s, 2)
	return s, program
}

// reloads waits for the outcome of a reload that nobody has asked for.
func reloads(ctx context.Context, t *testing.T, s *harness.Supervisor, result string, generation int) harness.Status {
	t.Helper()
	return await(ctx, t, s, "a reload that is "+result, func(st harness.Status) bool {
		return st.State == "running" && st.LastReload != nil && st.LastReload.Result == result && st.LastReload.Generation >= generation && len(st.Ready()) == 2 && len(st.Workers) == 2
	})
}

// TestWatch changes the worker's executable in the ways that builds and editors
// do, and the env file.
func TestWatch(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, program := rebuilt(ctx, t, harness.Config{})

	install(t, self, program) // beside it, then renamed
	st := reloads(ctx, t, s, "ok", 2)
	if st.Generation != 2 {
		t.Fatalf("generation %d after one change", st.Generation)
	}

	// A build that does not start: what serves goes on.
	before := harness.PIDs(st.Workers)
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	writeFile(t, program, "#!/bin/sh\nexit 1\n", 0o755)
	st = reloads(ctx, t, s, "failed", 0)
	if !slices.Equal(harness.PIDs(st.Workers), before) {
		t.Errorf("workers were %v and are %v", before, harness.PIDs(st.Workers))
	}
	failed := st.LastReload.Generation

	// The next change is tried, although the reload before has failed.
	install(t, self, program)
	st = reloads(ctx, t, s, "ok", failed+1)

	// The env file counts, too.
	writeFile(t, filepath.Join(filepath.Dir(program), "env"), helperMode+"=serve\nNEW=1\n", 0o600)
	st = reloads(ctx, t, s, "ok", st.Generation+1)
	if v, _ := info(ctx, t, s).env("NEW"); v != "1" {
		t.Errorf("NEW=%q", v)
	}
}

// TestWatchGoesOnAfterAnUpgrade: with what changed while nobody watched, and with
// what changes then.
func TestWatchGoesOnAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, program := rebuilt(ctx, t, harness.Config{})
	if res := upgrade(ctx, t, s); res.Code != 0 {
		t.Fatalf("upgrade: %+v", res)
	}
	st := ready(ctx, t, s, 2)
	if st.Generation != 1 {
		t.Errorf("generation %d: the upgrade was taken for a change", st.Generation)
	}
	install(t, self, program)
	reloads(ctx, t, s, "ok", 2)
}
