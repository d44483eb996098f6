package e2e

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// TestTotalsOverUpgrades: the totals belong to the service, not to the program
// that counts them. They go on where they were, those of workers that are gone
// by then too, and in the end they are what a client that counts saw.
func TestTotalsOverUpgrades(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	client := adminOf(t, filepath.Join(dir, "admin.sock"))
	s, _ := replaceable(ctx, t, 2, filepath.Join(bin, "supervisor"), harness.Config{
		Args: []string{"--admin", "unix:" + filepath.Join(dir, "admin.sock")},
	})
	last := scrape(ctx, t, client)
	look := func() {
		t.Helper()
		now := scrape(ctx, t, client)
		if down := now.wentDown(last); len(down) > 0 {
			t.Fatalf("totals went down:\n%s", strings.Join(down, "\n"))
		}
		last = now
	}
	run := strict.Start(ctx, strict.Load{Addr: s.Addr, Duration: 30 * time.Second, Groups: []strict.Group{
		{Mode: strict.Kept, Clients: 3, Target: "/echo/", ThinkMin: time.Millisecond, ThinkMax: 5 * time.Millisecond},
		{Mode: strict.Short, Clients: 1, Target: "/classic/", ThinkMin: time.Millisecond, ThinkMax: 5 * time.Millisecond},
	}})
	answered := func(n int) {
		t.Helper()
		if err := run.Answered(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 3 {
		answered(50)
		look()
		signal(t, s, syscall.SIGUSR2)
		_, err := s.Stderr.Await(ctx, "the upgrade", func(string) bool {
			return strings.Count(s.Stderr.String(), `"supervisor upgraded"`) > round
		})
		if err != nil {
			t.Fatal(err)
		}
		look()
		answered(50)
		if round == 1 { // from now on some are of workers that ended
			must(ctx, t, s, "reload", "--wait")
			ready(ctx, t, s, 2)
			look()
		}
	}
	report := run.Stop()
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	look()
	answers := float64(report.Counts[strict.OK])
	for name, want := range map[string]float64{
		`tandem_requests_total`: answers, `tandem_requests_total{code="200",method="GET"}`: answers,
		`tandem_request_duration_seconds_count`: answers,
		`tandem_reloads_total{result="ok"}`:     1, `tandem_worker_starts_total`: 4, `tandem_worker_exits_total{cause="asked"}`: 2,
	} {
		if got := last.sum(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}

	// And the records of ends, and what a worker that is killed had counted.
	victim := ready(ctx, t, s, 2).Workers[0]
	kill(t, victim.PID, syscall.SIGKILL)
	if err := harness.Poll(ctx, "its end to be counted", func() bool {
		look()
		return last[`tandem_worker_exits_total{cause="signal"}`] == 1
	}); err != nil {
		t.Fatal(err)
	}
	if got := last.sum(`tandem_requests_total`); got != answers {
		t.Errorf("%v requests after a worker was killed, want %v", got, answers)
	}
	mustUpgrade(ctx, t, s)
	look()
	if got := last.sum(`tandem_requests_total`); got != answers {
		t.Errorf("%v requests after that and an upgrade, want %v", got, answers)
	}
	if got := last[`tandem_worker_exits_total{cause="signal"}`]; got != 1 {
		t.Errorf("%v killed, want 1", got)
	}
	if res, err := s.Run(ctx, "why"); err != nil || !strings.Contains(res.Stdout, "killed by SIGKILL") {
		t.Errorf("why after an upgrade: %v\n%s%s", err, res.Stdout, res.Stderr)
	}
}
