package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// death is what a test looks at of a record.
type death struct {
	ID         string
	Worker     int
	PID        int
	Generation int
	Count      int
	State      string
	Cause      struct {
		Class, Text, Signal, Asked string
		ExitCode                   *int `json:"exit_code"`
	}
	Reload *struct{ Failed string }
	Memory struct {
		PeakRSS *int64 `json:"peak_rss_bytes"`
	}
	Counters *struct{ Requests int }
	Requests []struct {
		Method, Route string
		Age           float64 `json:"age_seconds"`
	}
	Lines []struct{ Stream, Text string }
	Dump  *struct {
		Head       []string
		Goroutines int
		Groups     []struct {
			State, Stack string
			Count        int
		}
	}
}

type deaths struct {
	Directory, Problem string
	Suspects           []struct{ Request string }
	Records            []death
}

// why waits until there are n records, and gives them.
func why(ctx context.Context, t *testing.T, s *harness.Supervisor, n int) (all deaths) {
	t.Helper()
	err := harness.Poll(ctx, "the record of a dead worker", func() bool {
		res := must(ctx, t, s, "why", "--json")
		all = deaths{}
		if err := json.Unmarshal([]byte(res.Stdout), &all); err != nil {
			t.Fatalf("%v: %s", err, res.Stdout)
		}
		return len(all.Records) >= n
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Records) != n {
		t.Fatalf("%d records, want %d: %+v", len(all.Records), n, all.Records)
	}
	return all
}

// whole gives all of a record.
func whole(ctx context.Context, t *testing.T, s *harness.Supervisor, id string) (d death) {
	t.Helper()
	res := must(ctx, t, s, "why", id, "--json")
	if err := json.Unmarshal([]byte(res.Stdout), &d); err != nil {
		t.Fatalf("%v: %s", err, res.Stdout)
	}
	return d
}

// send sends a request that will not be answered.
func send(ctx context.Context, t *testing.T, s *harness.Supervisor, path string) {
	t.Helper()
	if status, body, err := get(ctx, s, path); err == nil {
		t.Fatalf("GET %s was answered: %d %s", path, status, body)
	}
}

func TestWhyAWorkerWasKilled(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 1, foreign(harness.Config{}, "doomed"))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+"/wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req) // it has begun, and goes on
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	kill(t, before.Workers[0].PID, syscall.SIGKILL)
	d := why(ctx, t, s, 1).Records[0]
	if d.PID != before.Workers[0].PID || d.State != "ready" || d.Cause.Class != "signal" || d.Cause.Signal != "SIGKILL" ||
		d.Memory.PeakRSS == nil || *d.Memory.PeakRSS < 1<<20 || d.Counters == nil || d.Counters.Requests != 1 {
		t.Errorf("%+v", d)
	}
	if len(d.Requests) != 1 || d.Requests[0].Method != "GET" || d.Requests[0].Route != "/wait" {
		t.Errorf("in flight: %+v", d.Requests)
	}
	text := must(ctx, t, s, "why", "1").Stdout
	for _, want := range []string{"killed by SIGKILL", "neither this supervisor sent it", "GET     /wait", d.ID} {
		if !strings.Contains(text, want) {
			t.Errorf("why 1 lacks %q:\n%s", want, text)
		}
	}
	// Those that are asked to go leave no record.
	ready(ctx, t, s, 1)
	must(ctx, t, s, "reload", "--wait")
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	why(ctx, t, s, 1) // read from disk: nobody runs any more
}

func TestWhyAWorkerPanicked(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 1, foreign(harness.Config{}, "doomed"))
	send(ctx, t, s, "/panic")
	d := whole(ctx, t, s, why(ctx, t, s, 1).Records[0].ID)
	if d.Cause.Class != "panic" || d.Cause.Text != "panic: the worker was told to" || d.Dump == nil || d.Dump.Goroutines < 1 ||
		!strings.Contains(d.Dump.Groups[0].Stack, "doomed") || len(d.Requests) != 1 {
		t.Errorf("%+v", d)
	}
	last := d.Lines[len(d.Lines)-1].Text
	if !strings.Contains(last, "panic: the worker was told to") || !strings.Contains(last, "kept apart") || strings.Contains(last, "goroutine 1") {
		t.Errorf("last lines: %q", last)
	}
	// In the log it is one record, whole.
	if _, err := s.Stderr.Await(ctx, "the panic in one record", func(l string) bool {
		return strings.Contains(l, "panic: the worker was told to") && strings.Contains(l, "doomed")
	}); err != nil {
		t.Error(err)
	}
}

// A request that ends each worker which takes it is named.
func TestWhyNamesThePoison(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 2, foreign(harness.Config{}, "doomed"))
	for range 4 {
		ready(ctx, t, s, 2)
		send(ctx, t, s, "/exit?code=3")
	}
	var all deaths
	if err := harness.Poll(ctx, "four deaths", func() bool {
		all = why(ctx, t, s, 1)
		return all.Records[0].Count == 4
	}); err != nil {
		t.Fatal(err)
	}
	d := whole(ctx, t, s, all.Records[0].ID)
	if *d.Cause.ExitCode != 3 || len(d.Lines) == 0 || len(all.Suspects) != 1 || all.Suspects[0].Request != "GET /exit" {
		t.Errorf("%+v\n%+v", all.Suspects, d)
	}
	if text := must(ctx, t, s, "status").Stdout; !strings.Contains(text, "GET /exit was in flight in ") {
		t.Errorf("status:\n%s", text)
	}
	if n := strings.Count(s.Stderr.String(), "under suspicion"); n != 1 {
		t.Errorf("it is said %d times in the log", n)
	}
}

func TestWhyAWorkerHung(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--timeout", "1s"}}, "doomed"))
	send(ctx, t, s, "/wedge?n=500")
	d := whole(ctx, t, s, why(ctx, t, s, 1).Records[0].ID)
	if d.Cause.Class != "hung" || !strings.Contains(d.Cause.Asked, "dump its goroutines") || d.State != "ready" || d.Dump == nil {
		t.Fatalf("%+v", d)
	}
	folded := 0
	for _, g := range d.Dump.Groups {
		if strings.Contains(g.Stack, "waitForEver") {
			folded = max(folded, g.Count) // some may not have begun to run
		}
	}
	if folded < 400 || d.Dump.Goroutines < 500 || len(d.Dump.Groups) > 50 || d.Dump.Head[0] != "SIGABRT: abort" {
		t.Errorf("%d of %d goroutines in one of %d groups, after %q", folded, d.Dump.Goroutines, len(d.Dump.Groups), d.Dump.Head)
	}
	if len(d.Requests) != 1 || d.Requests[0].Route != "/wedge" || d.Requests[0].Age < 0.5 {
		t.Errorf("in flight: %+v", d.Requests)
	}
}

// Nobody runs any more, and a new supervisor has the records too.
func TestWhyAStartFailed(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	c := foreign(harness.Config{Dir: dir, Args: []string{"--workers", "1", "--boot-timeout", "1s"}}, "never-ready")
	s := launch(t, c)
	exits(ctx, t, s, 3)
	d := why(ctx, t, s, 1).Records[0]
	if d.Cause.Class != "boot" || d.Count != 3 || d.State != "starting" || d.Counters != nil || !strings.Contains(d.Cause.Text, "not ready within 1s") {
		t.Errorf("%+v", d)
	}
	next, _ := serve(ctx, t, 1, foreign(harness.Config{Dir: dir}, "serve"))
	if all := why(ctx, t, next, 1); all.Records[0].ID != d.ID || !strings.HasPrefix(all.Directory, dir) {
		t.Errorf("%+v", all)
	}
	_ = filepath.WalkDir(filepath.Join(dir, "state"), func(path string, e os.DirEntry, err error) error {
		if info, _ := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		return nil
	})
}

func TestWhyAReloadFailed(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	env := writeFile(t, filepath.Join(t.TempDir(), "env"), helperMode+"=serve\n", 0o600)
	s, _ := serve(ctx, t, 1, harness.Config{Command: []string{self}, Args: []string{"--env-file", env}})
	writeFile(t, env, helperMode+"=boot-exit\n", 0o600)
	if res := command(ctx, t, s, "reload", "--wait"); res.Code != 1 {
		t.Fatalf("%+v", res)
	}
	d := whole(ctx, t, s, why(ctx, t, s, 1).Records[0].ID)
	if d.Generation != 2 || d.Reload == nil || !strings.Contains(d.Reload.Failed, "exit status 3") || len(d.Lines) != 1 || !strings.Contains(d.Lines[0].Text, "lost its templates") {
		t.Errorf("%+v", d)
	}
}

// A directory that cannot be had costs one warning; the records are in memory.
func TestWhyWithoutAStateDirectory(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	file := writeFile(t, filepath.Join(t.TempDir(), "file"), "", 0o600)
	s, before := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--state-dir", filepath.Join(file, "below")}}, "serve"))
	kill(t, before.Workers[0].PID, syscall.SIGKILL)
	all := why(ctx, t, s, 1)
	if all.Directory != "" || !strings.Contains(all.Problem, "--state-dir") || all.Records[0].Cause.Signal != "SIGKILL" {
		t.Errorf("%+v", all)
	}
	if text := s.Stderr.String(); strings.Count(text, "nothing can be kept in the state directory") != 1 || strings.Contains(text, "kept in memory only") {
		t.Errorf("more or less than one warning:\n%s", text)
	}
}
