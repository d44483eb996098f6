package e2e

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// series are the metrics of one scrape, by name and labels as they are written.
type series map[string]float64

// scrape reads /metrics.
func scrape(ctx context.Context, t *testing.T, client *http.Client) series {
	t.Helper()
	code, body, err := probe(ctx, client, "/metrics")
	if err != nil || code != 200 {
		t.Fatalf("/metrics: %d %s, %v", code, body, err)
	}
	all := series{}
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			t.Fatalf("/metrics: %q", line)
		}
		all[name] = n
	}
	return all
}

// sum adds up the series that begin like that.
func (s series) sum(prefix string) (n float64) {
	for name, v := range s {
		if name == prefix || strings.HasPrefix(name, prefix+"{") || strings.HasSuffix(prefix, `"`) && strings.HasPrefix(name, prefix) {
			n += v
		}
	}
	return n
}

var totalName = regexp.MustCompile(`^tandem_\w+(_total|_bucket|_sum|_count)(\{|$)`)

// wentDown says which totals went down from before to s, or are gone.
func (s series) wentDown(before series) (down []string) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if now, there := s[name]; totalName.MatchString(name) && (!there || now < before[name]) {
			down = append(down, fmt.Sprintf("%s from %v to %v (there: %v)", name, before[name], now, there))
		}
	}
	return down
}

// TestMetricsUnderLoad: what the metrics say was served is what a client that
// counts saw answered, and no total ever goes down, while generations are
// replaced and workers killed.
func TestMetricsUnderLoad(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	client := adminOf(t, filepath.Join(dir, "admin.sock"))
	s, _ := serve(ctx, t, 2, harness.Config{Dir: dir, Args: []string{"--admin", "unix:" + filepath.Join(dir, "admin.sock")}})
	last := scrape(ctx, t, client)
	look := func() {
		t.Helper()
		now := scrape(ctx, t, client)
		if down := now.wentDown(last); len(down) > 0 {
			t.Fatalf("totals went down:\n%s", strings.Join(down, "\n"))
		}
		last = now
	}
	load := func() *strict.Running {
		return strict.Start(ctx, strict.Load{Addr: s.Addr, Duration: 30 * time.Second, Groups: []strict.Group{
			{Mode: strict.Kept, Clients: 4, Target: "/echo/", ThinkMin: time.Millisecond, ThinkMax: 5 * time.Millisecond},
			{Mode: strict.Short, Clients: 2, Target: "/classic/", ThinkMin: time.Millisecond, ThinkMax: 5 * time.Millisecond},
		}})
	}
	answered := func(run *strict.Running, n int) {
		t.Helper()
		if err := run.Answered(ctx, n); err != nil {
			t.Fatal(err)
		}
	}

	run := load()
	for range 3 {
		answered(run, 100)
		look()
		must(ctx, t, s, "reload", "--wait")
		look()
	}
	report := run.Stop()
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	look()
	want := float64(report.Counts[strict.OK])
	if got := last.sum(`tandem_requests_total`); got != want {
		t.Errorf("requests_total is %v, the client was answered %v times", got, want)
	}
	if got := last.sum(`tandem_requests_total{code="200",method="GET"}`); got != want {
		t.Errorf("of these %v with 200", got)
	}
	if accepted, moved := last["tandem_connections_accepted_total"], last["tandem_connections_moved_total"]; accepted < 4 || moved < 1 {
		t.Errorf("%v connections were accepted, and over three reloads %v were moved", accepted, moved)
	}
	if got := last["tandem_request_duration_seconds_count"]; got != want {
		t.Errorf("durations of %v", got)
	}
	for name, want := range map[string]float64{
		`tandem_reloads_total{result="ok"}`: 3, `tandem_generation`: 4, `tandem_workers{state="ready"}`: 2, `tandem_workers_wanted`: 2,
		`tandem_requests_abandoned_total`: 0, `tandem_worker_starts_total`: 8, `tandem_requests_in_flight`: 0,
		`tandem_accept_queue_length{listener="tcp://` + s.Addr + `"}`: 0,
	} {
		if got, there := last[name]; !there || got != want {
			t.Errorf("%s is %v (there: %v), want %v", name, got, there, want)
		}
	}

	run = load()
	for range 4 {
		answered(run, 50)
		look()
		kill(t, ready(ctx, t, s, 2).Workers[0].PID, syscall.SIGKILL)
		look()
		ready(ctx, t, s, 2)
	}
	answered(run, 50)
	report = run.Stop()
	look()
	// A request may be cut between its count and the last byte of its answer.
	counted := last.sum(`tandem_requests_total`) - want
	if ok := float64(report.Counts[strict.OK]); counted < ok || counted > float64(report.Sent()) {
		t.Errorf("with kills: %v counted, %v answered, %d sent", counted, ok, report.Sent())
	}
	if got := last[`tandem_worker_exits_total{cause="signal"}`]; got != 4 {
		t.Errorf("%v workers died by a signal, want 4", got)
	}
	// The seed's limiters: of each worker 40 for blocking code, and those for its CPUs.
	permits := harness.Poll(ctx, "the permits of two workers", func() bool {
		look()
		return last[`tandem_sync_permits{limiter="blocking"}`] == 80 && last[`tandem_sync_permits{limiter="cpu"}`] >= 2
	})
	if permits != nil {
		t.Error(permits)
	}
	if waits, there := last[`tandem_sync_queue_wait_seconds_count{limiter="blocking"}`]; !there || last[`tandem_sync_rejected_total{limiter="blocking"}`] != 0 {
		t.Errorf("waits: %v (there: %v)", waits, there)
	}
	if last[`tandem_log_lines_total`] < 12 { // each worker says at least that it serves
		t.Errorf("%v lines of the log", last[`tandem_log_lines_total`])
	}
}

// TestAcceptQueue: connections that nobody accepts show in the metrics, for TCP
// and, where this machine tells, for a unix socket.
func TestAcceptQueue(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	client := adminOf(t, filepath.Join(dir, "admin.sock"))
	path := filepath.Join(dir, "web.sock")
	s, st := serve(ctx, t, 1, foreign(harness.Config{Dir: dir, Args: []string{
		"--bind", "unix:" + path, "--admin", "unix:" + filepath.Join(dir, "admin.sock"),
	}}, "serve"))
	tcp, unix := `tandem_accept_queue_length{listener="tcp://`+s.Addr+`"}`, `tandem_accept_queue_length{listener="unix://`+path+`"}`
	_, tells := scrape(ctx, t, client)[unix]
	kill(t, st.Workers[0].PID, syscall.SIGSTOP)
	dial := func(network, address string) {
		c, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	dial("unix", path)
	// The signal takes a moment to stop every thread: the first may be accepted yet.
	err := harness.Poll(ctx, "three connections that wait", func() bool {
		n := scrape(ctx, t, client)[tcp]
		if n < 3 {
			dial("tcp", s.Addr)
		}
		return n == 3
	})
	if err != nil {
		t.Fatal(err)
	}
	now := scrape(ctx, t, client)
	if tells && now[unix] != 1 {
		t.Errorf("%v connections wait on the unix socket", now[unix])
	}
	if _, there := now["tandem_requests_in_flight"]; there || now["tandem_workers_uncounted"] != 1 {
		t.Error("a foreign worker's requests are counted")
	}
	kill(t, st.Workers[0].PID, syscall.SIGCONT)
	err = harness.Poll(ctx, "an empty queue", func() bool { return scrape(ctx, t, client)[tcp] == 0 }) // the helper serves its first socket only
	if err != nil {
		t.Error(err)
	}
}
