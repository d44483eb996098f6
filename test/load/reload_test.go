//go:build load

package load

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// TestReloads rolls the whole service ten times.
func TestReloads(t *testing.T) {
	ctx := within(t)
	s, first := serve(ctx, t, 4, harness.Config{})
	l := traffic(s.Addr)
	l.Groups = append(l.Groups, slow()...)
	run := begin(ctx, t, l)
	tenReloads(ctx, t, s, run, first)
	faultless(t, run.Stop())
}

func tenReloads(ctx context.Context, t *testing.T, s *harness.Supervisor, run *strict.Running, first harness.Status) {
	t.Helper()
	for range 10 {
		must(ctx, t, s, "reload", "--wait")
		flow(ctx, t, run, 50)
	}
	flow(ctx, t, run, 200)
	st, err := s.Ready(ctx, 4)
	if err != nil {
		t.Fatal(err)
	}
	if st.Generation != first.Generation+10 {
		t.Errorf("generation %d after 10 reloads of generation %d", st.Generation, first.Generation)
	}
	if st.LastReload == nil || st.LastReload.Result != "ok" {
		t.Errorf("last_reload: %+v", st.LastReload)
	}
	for _, w := range st.Workers {
		if w.Generation != st.Generation {
			t.Errorf("worker %d is of generation %d after the reload to %d", w.ID, w.Generation, st.Generation)
		}
	}
}

// TestServedOnce keeps the account on the server's side: a worker that prints
// the id of each request that reaches its handler. Over ten reloads and a stop
// each request is there, and once.
func TestServedOnce(t *testing.T) {
	ctx := within(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, first := serve(ctx, t, 4, harness.Config{
		Args: []string{"--log-overflow", "block", "--log-format", "json"},
		Env:  []string{ledgerWorker + "=1"}, Command: []string{self},
	})
	l := traffic(s.Addr)
	l.EndWhenRefused = true
	run := begin(ctx, t, l)
	tenReloads(ctx, t, s, run, first)
	signal(t, s, syscall.SIGTERM)
	if code, err := s.Wait(ctx); err != nil || code != 0 {
		t.Fatalf("after TERM: exit %d, %v", code, err)
	}
	rep := run.Wait()
	answered(t, rep)
	var ledger strict.Ledger
	for line := range strings.Lines(s.Stdout.String()) {
		var r struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if id, ok := strings.CutPrefix(r.Msg, "served "); ok {
			ledger.Saw(id)
		}
	}
	if twice := ledger.Twice(); len(twice) > 0 {
		t.Errorf("%d requests reached a handler twice, say %s", len(twice), twice[0])
	}
	if ok := rep.Counts[strict.OK]; ledger.Len() != ok {
		t.Errorf("%d requests were answered, %d reached a handler", ok, ledger.Len())
	}
}

// TestStorm asks for everything at once: reloads on top of reloads, scaling up
// and down by signal and by command.
func TestStorm(t *testing.T) {
	ctx := within(t)
	s, _ := serve(ctx, t, 2, harness.Config{})
	run := begin(ctx, t, traffic(s.Addr))
	for i := range 8 {
		for range 5 {
			signal(t, s, syscall.SIGHUP)
		}
		must(ctx, t, s, "scale", strconv.Itoa(1+i%5))
		for range 3 {
			signal(t, s, syscall.SIGTTIN)
			signal(t, s, syscall.SIGHUP)
		}
		flow(ctx, t, run, 300)
		for range 4 {
			signal(t, s, syscall.SIGTTOU)
		}
		flow(ctx, t, run, 300)
	}
	must(ctx, t, s, "scale", "3")
	st, err := s.Ready(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	flow(ctx, t, run, 200)
	faultless(t, run.Stop())
	if st.Generation < 3 {
		t.Errorf("generation %d after a storm of reloads", st.Generation)
	}
}

// TestBrokenGeneration reloads into workers that cannot start, once by their
// environment and once by their executable. No client may notice.
func TestBrokenGeneration(t *testing.T) {
	ctx := within(t)
	dir := t.TempDir()
	envFile, exe := filepath.Join(dir, "env"), filepath.Join(dir, "worker")
	writeFile(t, envFile, "APP_BLOCKING_PERMITS=40\n", 0o600)
	link := func(to string) {
		t.Helper()
		if err := os.Symlink(to, exe+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(exe+".new", exe); err != nil {
			t.Fatal(err)
		}
	}
	link(filepath.Join(bin, "app"))
	broken := filepath.Join(dir, "broken")
	writeFile(t, broken, "#!/bin/sh\necho the new build cannot find its templates >&2\nexit 1\n", 0o755)

	s, before := serve(ctx, t, 3, harness.Config{
		Dir: dir, Args: []string{"--env-file", envFile}, Command: []string{exe},
	})
	run := begin(ctx, t, traffic(s.Addr))
	refused := func(name, reason string) {
		t.Helper()
		res := command(ctx, t, s, "reload", "--wait")
		said := res.Stdout + res.Stderr
		if res.Code != 1 || !strings.Contains(said, reason) {
			t.Errorf("%s: want exit 1 and the reason %q, got exit %d:\n%s", name, reason, res.Code, said)
		}
		st := unchanged(ctx, t, s, before)
		if st.LastReload == nil || st.LastReload.Result != "failed" || st.LastReload.Error == "" {
			t.Errorf("%s: last_reload: %+v", name, st.LastReload)
		}
		flow(ctx, t, run, 100)
	}
	writeFile(t, envFile, "APP_NO_SUCH_SETTING=1\n", 0o600)
	refused("unknown setting", "APP_NO_SUCH_SETTING")
	writeFile(t, envFile, "no equals sign\n", 0o600)
	refused("malformed env file", envFile)
	writeFile(t, envFile, "APP_BLOCKING_PERMITS=41\n", 0o600)
	link(broken)
	refused("broken executable", "cannot find its templates")
	link(filepath.Join(dir, "nowhere"))
	refused("missing executable", exe)

	link(filepath.Join(bin, "app"))
	must(ctx, t, s, "reload", "--wait")
	after, err := s.Ready(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	if sameProcesses(before.Workers, after.Workers) {
		t.Error("the mended generation was not rolled out")
	}
	flow(ctx, t, run, 100)
	faultless(t, run.Stop())
}

// unchanged waits until the service is back in its running state and fails
// unless the same processes serve.
func unchanged(ctx context.Context, t *testing.T, s *harness.Supervisor, before harness.Status) harness.Status {
	t.Helper()
	st, err := s.Ready(ctx, len(before.Workers))
	if err != nil {
		t.Fatal(err)
	}
	if !sameProcesses(before.Workers, st.Workers) {
		t.Errorf("workers were %v and are %v", harness.PIDs(before.Workers), harness.PIDs(st.Workers))
	}
	return st
}
