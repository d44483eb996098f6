// Package monitoring holds the dashboard and the alerts against a supervisor that runs: every
// series that they ask for is one that it shows, and every alert fires and does not fire when it should.
package monitoring

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// bin is where the programs under test and the reader of the two files are built.
var bin string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "tandem-monitoring"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	for dir, packages := range map[string][]string{"../..": {"./cmd/supervisor", "./cmd/app"}, "../../tools/monitoring": {"."}} {
		build := exec.Command("go", append([]string{"build", "-o", bin + "/"}, packages...)...)
		build.Dir = dir
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build in %s: %v\n%s", dir, err, out)
			return 1
		}
	}
	return m.Run()
}

// found is what tools/monitoring reads in the files.
type found struct {
	Queries []struct {
		Where, Expr string
		Series      []struct {
			Name     string
			Matchers []struct{ Label, Type, Value string }
		}
		Labels []string
	}
	Alerts []struct {
		Name, Severity string
		Annotations    map[string]string
	}
	// Tried is how often each alert is expected, or expected not, to fire.
	Tried map[string]struct{ Fires, Silent int }
}

func read(t *testing.T) (f found) {
	t.Helper()
	reader := exec.CommandContext(t.Context(), filepath.Join(bin, "monitoring"), "alerts.yaml", "dashboard.json", "alerts_test.yaml")
	reader.Stderr = os.Stderr
	out, err := reader.Output()
	if err == nil {
		err = json.Unmarshal(out, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Queries) < 60 || len(f.Alerts) < 20 {
		t.Fatalf("only %d queries and %d alerts were found", len(f.Queries), len(f.Alerts))
	}
	return f
}

// shown is every series of a scrape: by its name the labels of each.
type shown map[string][]map[string]string

var (
	sample = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? \S+$`)
	pair   = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

func scrape(ctx context.Context, t *testing.T, client *http.Client) shown {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://admin/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %d, %v: %s", resp.StatusCode, err, body)
	}
	all := shown{}
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		m := sample.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			t.Fatalf("/metrics: %q", line)
		}
		labels := map[string]string{"job": "tandem", "instance": "here"} // which Prometheus adds
		for _, l := range pair.FindAllStringSubmatch(m[2], -1) {
			labels[l[1]] = l[2]
		}
		all[m[1]] = append(all[m[1]], labels)
	}
	return all
}

// eventful runs a service to which everything has happened that has a series of its own:
// traffic with failures, a connection that is parked, a crash, a reload. It gives a scrape.
func eventful(t *testing.T) shown {
	t.Helper()
	ctx := harness.Within(t)
	dir := t.TempDir()
	admin := filepath.Join(dir, "admin.sock")
	s, st := harness.Serve(ctx, t, 2, harness.Config{Bin: bin, Dir: dir, Args: []string{
		"--workers", "2", "--bake", "50ms", "--admin", "unix:" + admin,
	}})
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", admin)
	}}}
	t.Cleanup(client.CloseIdleConnections)

	user := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	t.Cleanup(user.CloseIdleConnections)
	for _, path := range []string{"/classic/", "/posts/", "/posts/1/lazy/", "/busy/?ms=1"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := user.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK && path != "/posts/1/lazy/" {
			t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
		}
	}
	if err := harness.Kill(st.Workers[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Await(ctx, "a replacement", func(now harness.Status) bool {
		return len(now.Workers) == 2 && now.Workers[0].ID != st.Workers[0].ID && now.Workers[0].State == "ready" && now.Workers[1].State == "ready"
	}); err != nil {
		t.Fatal(err)
	}
	if res, err := s.Run(ctx, "reload", "--wait"); err != nil || res.Code != 0 {
		t.Fatalf("reload: %d, %v: %s", res.Code, err, res.Stderr)
	}
	if _, err := s.Ready(ctx, 2); err != nil {
		t.Fatal(err)
	}
	var all shown
	// The boards are written every half second.
	if err := harness.Poll(ctx, "the pools and permits of the workers", func() bool {
		all = scrape(ctx, t, client)
		return all["tandem_database_connections"] != nil && all["tandem_sync_permits"] != nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// ofTargets are labels that Prometheus adds to what it scrapes, the last where it finds its
// targets by Kubernetes.
var ofTargets = []string{"job", "instance", "namespace"}

// free are the labels whose values are not known beforehand; of the others a value that is
// asked for must be one that is there.
var free = []string{"job", "instance", "worker", "generation", "listener", "method", "code", "version", "le"}

func TestEverySeriesIsThere(t *testing.T) {
	t.Parallel()
	files, all := read(t), eventful(t)
	used := map[string]bool{}
	for _, q := range files.Queries {
		labels := map[string]bool{}
		for _, of := range ofTargets {
			labels[of] = true
		}
		for _, s := range q.Series {
			used[s.Name] = true
			if s.Name == "up" { // Prometheus's own
				continue
			}
			there := all[s.Name]
			if there == nil {
				t.Errorf("%s asks for %s, which the supervisor does not show: %s", q.Where, s.Name, q.Expr)
				continue
			}
			for name := range there[0] {
				labels[name] = true
			}
			fits := slices.ContainsFunc(there, func(one map[string]string) bool {
				return !slices.ContainsFunc(s.Matchers, func(m struct{ Label, Type, Value string }) bool {
					value, has := one[m.Label]
					return !has || !slices.Contains(free, m.Label) && !matches(t, m.Type, m.Value, value)
				})
			})
			if !fits {
				t.Errorf("%s: no series of %s has these labels: %v, in %s; there are %v", q.Where, s.Name, s.Matchers, q.Expr, there)
			}
		}
		for _, name := range q.Labels {
			if !labels[name] {
				t.Errorf("%s: no metric in it has the label %s: %s", q.Where, name, q.Expr)
			}
		}
	}
	// What is collected and shown nowhere is not watched by anybody.
	unused := []string{
		"tandem_worker_scoreboard_faults_total", "tandem_workers_uncounted", "tandem_last_reload_timestamp_seconds",
		"tandem_requests_in_flight", "tandem_requests_unlisted_total", "tandem_accept_calls_total", "tandem_connections_received_total",
		"tandem_sync_abandoned_total",
	}
	for name := range all {
		base := regexp.MustCompile(`_(sum|count|bucket)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "tandem_") && !used[name] && !used[base+"_bucket"] && !slices.Contains(unused, name) {
			t.Errorf("%s is in no panel and no alert", name)
		}
	}
}

func matches(t *testing.T, kind, want, value string) bool {
	t.Helper()
	equal := want == value
	if strings.HasSuffix(kind, "~") {
		expr, err := regexp.Compile("^(?:" + want + ")$")
		if err != nil {
			t.Fatal(err)
		}
		equal = expr.MatchString(value)
	}
	return equal == (kind[0] == '=')
}

// TestEveryAlertIsExplained: each has what whoever is woken needs, and a section in the runbook;
// and no section is of an alert that is none.
func TestEveryAlertIsExplained(t *testing.T) {
	t.Parallel()
	const page = "https://github.com/tandem-go/tandem/blob/main/docs/runbook.md#"
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^### (Tandem\w+)$`).FindAllStringSubmatch(string(text), -1) {
		sections[m[1]]++
	}
	files := read(t)
	for _, a := range files.Alerts {
		if a.Severity != "critical" && a.Severity != "warning" {
			t.Errorf("%s has the severity %q", a.Name, a.Severity)
		}
		for _, annotation := range []string{"summary", "description"} {
			if a.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", a.Name, annotation)
			}
		}
		if want := page + strings.ToLower(a.Name); a.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %q, want %q", a.Name, a.Annotations["runbook_url"], want)
		}
		if sections[a.Name] != 1 {
			t.Errorf("docs/runbook.md has %d sections ### %s", sections[a.Name], a.Name)
		}
		delete(sections, a.Name)
		if tried := files.Tried[a.Name]; tried.Fires == 0 || tried.Silent == 0 {
			t.Errorf("alerts_test.yaml sees %s fire %d times and be silent %d times: both are wanted", a.Name, tried.Fires, tried.Silent)
		}
	}
	for name := range sections {
		t.Errorf("docs/runbook.md explains %s, which is no alert", name)
	}
}

// TestAlertsFire has Prometheus's own tool evaluate the rules over series that are written down.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	harness.Needs(t, "prometheus", "promtool", "--version")
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
