package metrics

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tandem-go/tandem/internal/scoreboard"
)

var update = flag.Bool("update", false, "write the golden file anew")

// busy is a snapshot in which everything is there.
func busy() Snapshot {
	totals := NewTotals()
	for range 3 {
		totals.Started()
	}
	gone, w := newHonest(1), newHonest(2)
	gone.serve("POST", 201, .002)
	gone.counters.InFlight = 1
	gone.counters.Refused, gone.counters.Pool = 3, scoreboard.Pool{Pools: 1, Limit: 10, Open: 4, Waits: 2, Waited: 1500 * time.Millisecond}
	totals.Handed(1, time.Second, Handovers{AcceptCalls: 12, Accepted: 10, Passed: 2, Moved: 7, Received: 1})
	totals.Ended(1, "panic", time.Second, gone.read())
	for range 4 {
		w.serve("GET", 200, .03)
	}
	w.serve("GET", 0, 70)
	w.serve("BREW\n", 418, 1)
	w.counters.InFlight, w.counters.Connections = 2, 9
	w.counters.Permits[0].InUse, w.counters.Permits[0].Queue = 39, 7
	w.counters.Parked, w.counters.Pool = 4, scoreboard.Pool{Pools: 1, Limit: 10, Open: 6, InUse: 5, Waits: 1, Waited: time.Second}
	totals.Read(2, 90*time.Second, w.read())
	totals.Handed(2, 90*time.Second, Handovers{AcceptCalls: 6, Accepted: 5, Received: 8})
	totals.Reloaded(true, time.Unix(1700000000, 500e6))
	s := Snapshot{
		Version: "v1.2.3", State: "running", States: []string{"starting", "running", "stopping"}, Generation: 2, Wanted: 2,
		Workers: map[string]int{"starting": 0, "ready": 2, "stopped": 0},
		Each: []Worker{
			{ID: 2, Generation: 2, Memory: new(int64(15 << 20)), InFlight: new(int64(2)), Connections: new(int64(9))},
			{ID: 3, Generation: 2, Memory: new(int64(9 << 20))},
		},
		Totals: totals.State(),
		Logs:   Logs{Lines: 100, Dropped: 3, Lost: 1},
		Queues: []Queue{
			{"tcp://127.0.0.1:8000", 3, 4096}, {"unix:///run/\xff.sock", 0, 128}, {"unix:///run/\xff.sock", 2, 128},
		},
	}
	s.Present.Add(w.read())
	s.Present.Uncounted = 1
	return s
}

func scrape(t *testing.T, h http.Handler, accept string) (int, string) {
	t.Helper()
	rec, req := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	h.ServeHTTP(rec, req)
	body, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Code, string(body)
}

func shows(s Snapshot) http.Handler {
	return Handler(func(context.Context) (Snapshot, error) { return s, nil })
}

var goVersion = regexp.MustCompile(`goversion="[^"]*"`)

func TestExposition(t *testing.T) {
	for file, s := range map[string]Snapshot{
		"testdata/busy.golden": busy(),
		"testdata/foreign.golden": {
			Version: "v1.2.3", State: "starting", States: []string{"starting", "running"}, Wanted: 1,
			Workers: map[string]int{"ready": 0}, Totals: NewTotals().State(), Present: Present{Uncounted: 1},
		},
	} {
		code, body := scrape(t, shows(s), "")
		if code != 200 {
			t.Fatalf("%d %s", code, body)
		}
		problems, err := promlint.New(strings.NewReader(body)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v, %v", problems, err)
		}
		if !strings.Contains(body, "process_resident_memory_bytes") {
			t.Error("nothing of the process itself")
		}
		var ours strings.Builder
		for line := range strings.Lines(body) {
			if strings.Contains(line, "tandem_") {
				ours.WriteString(goVersion.ReplaceAllString(line, `goversion="go"`))
			}
		}
		if *update {
			if err := os.WriteFile(file, []byte(ours.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if ours.String() != string(want) {
			t.Errorf("%s (-update writes it anew): got\n%s", file, ours.String())
		}
	}
}

// The names of the contract, which dashboards and alerts rely on.
func TestContract(t *testing.T) {
	_, body := scrape(t, shows(busy()), "")
	for _, want := range []string{
		`tandem_workers{state="ready"} 2`, `tandem_worker_starts_total 3`, `tandem_worker_exits_total{cause="panic"} 1`,
		`tandem_reloads_total{result="ok"} 1`, `tandem_reloads_total{result="failed"} 0`, `tandem_requests_total{code="200",method="GET"} 4`,
		`tandem_request_duration_seconds_bucket{le="+Inf"} 7`, `tandem_requests_in_flight 2`, `tandem_sync_permits_in_use{limiter="blocking"} 39`,
		`tandem_sync_queue_length{limiter="blocking"} 7`, `tandem_sync_queue_wait_seconds_count{limiter="blocking"} 7`,
		`tandem_sync_rejected_total{limiter="blocking"} 7`, `tandem_sync_abandoned{limiter="blocking"} 1`,
		`tandem_sync_abandoned_total{limiter="blocking"} 14`, `tandem_log_lines_total 100`, `tandem_log_lines_dropped_total 3`,
		`tandem_accept_queue_length{listener="tcp://127.0.0.1:8000"} 3`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}

// The page of the documentation lists what there is, all of it and no more.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, body := scrape(t, shows(busy()), "")
	var shown, listed []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (tandem_\w+) (\w+)`).FindAllStringSubmatch(body, -1) {
		shown = append(shown, m[1]+" "+m[2])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tandem_\\w+)[^|]*\\| (\\w+) \\|").FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, m[1]+" "+m[2])
	}
	slices.Sort(shown)
	slices.Sort(listed)
	if !slices.Equal(shown, listed) {
		t.Errorf("shown\n%s\ndocs/metrics.md lists\n%s", strings.Join(shown, "\n"), strings.Join(listed, "\n"))
	}
}

func TestNoAnswerIsNoScrape(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{context.DeadlineExceeded, "no metrics: the supervisor's loop has not answered in time\n"},
		{errors.New("the supervisor is stopping"), "no metrics: the supervisor is stopping\n"},
	} {
		code, body := scrape(t, Handler(func(context.Context) (Snapshot, error) { return Snapshot{}, c.err }), "")
		if code != http.StatusServiceUnavailable || body != c.want {
			t.Errorf("%v: %d %q", c.err, code, body)
		}
	}
}

func TestScrapesAtOnce(t *testing.T) {
	h := shows(busy())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if code, _ := scrape(t, h, "application/openmetrics-text; version=1.0.0"); code != 200 {
					t.Errorf("%d", code)
				}
			}
		})
	}
	all.Wait()
}

// Whatever boards say, what is shown of them is right for Prometheus.
func TestHostileBoardsAreShown(t *testing.T) {
	rng := newRand(7)
	totals := NewTotals()
	for id := range uint64(50) {
		c := hostile(rng)
		totals.Read(id, time.Second, c)
		s := Snapshot{Totals: totals.State()}
		s.Present.Add(c)
		s.Present.Add(scoreboard.Counters{InFlight: 1<<63 - 1})
		s.Present.Add(scoreboard.Counters{InFlight: 1<<63 - 1})
		code, body := scrape(t, shows(s), "")
		if code != 200 {
			t.Fatalf("%d: %s", code, body)
		}
		if len(body) > 300<<10 {
			t.Errorf("%d bytes", len(body))
		}
		if strings.Contains(body, "tandem_requests_in_flight -") {
			t.Error("fewer than no requests in flight")
		}
	}
}
