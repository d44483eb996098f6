package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// TestLogsFollow: the command shows what was there, goes on through a killed
// worker and a reload, and ends well with the supervisor; with --worker it ends
// with the worker.
func TestLogsFollow(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, st := serve(ctx, t, 1, foreign(harness.Config{}, "serve"))
	first := st.Workers[0]
	ask(ctx, t, s, "/write?text=of-the-first")
	if _, err := s.Stdout.AwaitText(ctx, "of-the-first"); err != nil {
		t.Fatal(err)
	}
	if res := must(ctx, t, s, "logs"); !strings.Contains(res.Stdout, " out | of-the-first\n") || !strings.Contains(res.Stdout, "| worker ready ") {
		t.Errorf("logs:\n%s", res.Stdout)
	}
	type ended struct {
		harness.Result
		err error
	}
	follow := func(args ...string) <-chan ended {
		c := make(chan ended, 1)
		go func() {
			res, err := s.Run(ctx, append([]string{"logs"}, args...)...)
			c <- ended{res, err}
		}()
		return c
	}
	all, one := follow("-f"), follow("--follow", "--json", "--worker", "1")
	kill(t, first.PID, syscall.SIGKILL)
	if end := <-one; end.err != nil || end.Code != 0 || !strings.Contains(end.Stdout, `"worker":1,`) || !strings.Contains(end.Stdout, `"msg":"of-the-first"`) {
		t.Errorf("of one worker: %+v", end)
	}
	st = await(ctx, t, s, "a replacement", func(st harness.Status) bool {
		return len(st.Ready()) == 1 && !slices.Contains(harness.PIDs(st.Workers), first.PID)
	})
	ask(ctx, t, s, "/write?text=of-the-second")
	must(ctx, t, s, "reload", "--wait")
	ask(ctx, t, s, "/write?text=of-the-third")
	if _, err := s.Stdout.AwaitText(ctx, "of-the-third"); err != nil {
		t.Fatal(err)
	}
	signal(t, s, syscall.SIGTERM)
	end := <-all
	if end.err != nil || end.Code != 0 || end.Stderr != "" {
		t.Errorf("at the stop: exit %d, %v: %s", end.Code, end.err, end.Stderr)
	}
	for _, want := range []string{"of-the-first", "of-the-second", "of-the-third"} {
		if n := strings.Count(end.Stdout, " out | "+want+"\n"); n != 1 {
			t.Errorf("%s came %d times:\n%s", want, n, end.Stdout)
		}
	}
	exits(ctx, t, s, 0)
}

// TestLogLevelFollowsAReload: what the env file says counts from the reload on.
func TestLogLevelFollowsAReload(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	env := writeFile(t, filepath.Join(t.TempDir(), "env"), "SUPERVISOR_LOG_LEVEL=error\n", 0o600)
	s, _ := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--env-file", env}}, "serve"))
	writeFile(t, env, "SUPERVISOR_LOG_LEVEL=info\n", 0o600)
	must(ctx, t, s, "reload", "--wait")
	signal(t, s, syscall.SIGTTIN)
	if _, err := s.Stderr.AwaitText(ctx, `"msg":"scaled"`); err != nil {
		t.Fatal(err)
	}
	for _, line := range s.Stderr.Lines() {
		if strings.Contains(line, `"msg":"worker ready"`) && strings.Contains(line, `"generation":1`) {
			t.Errorf("said at level error: %s", line)
		}
	}
	ready(ctx, t, s, 2)
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}
