// Package foreign runs programs that know nothing of Tandem as its workers: real
// servers from Debian's packages, four of them with a real Django project. It is
// the proof of docs/foreign-workers.md, whose command lines are these.
//
// Where a program is not installed its test is skipped with the name of the
// package, but in CI (the variable CI is set) it fails.
package foreign

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// python is Debian's, for which its packages are.
const python = "/usr/bin/python3"

var bin, project string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	var err error
	if project, err = filepath.Abs("testdata"); err == nil {
		bin, err = os.MkdirTemp("", "tandem-foreign")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	build := exec.Command("go", "build", "-o", bin, "github.com/tandem-go/tandem/cmd/supervisor")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the supervisor: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func needsModule(t *testing.T, modules ...string) {
	t.Helper()
	for _, m := range modules {
		harness.Needs(t, "python3-"+m, python, "-c", "import "+m)
	}
}

// launch starts two workers and waits until they are ready.
func launch(ctx context.Context, t *testing.T, args, env []string, command ...string) (*harness.Supervisor, harness.Status) {
	t.Helper()
	return harness.Serve(ctx, t, 2, harness.Config{
		Bin:  bin,
		Args: append([]string{"--workers", "2", "--bake", "200ms", "--chdir", project, "--log-overflow", "block"}, args...),
		// What Debian's tools need; and no __pycache__ in our sources.
		Env:     append([]string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=" + project}, env...),
		Command: command,
	})
}

func get(ctx context.Context, t *testing.T, s *harness.Supervisor, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %v: %.300s", path, resp.StatusCode, err, b)
	}
	return string(b)
}

// stops asks for a graceful stop, and checks that it comes in time and leaves
// nothing behind.
func stops(ctx context.Context, t *testing.T, s *harness.Supervisor) {
	t.Helper()
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code, err := s.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if code != 0 {
		t.Errorf("exit %d after TERM", code)
	}
	if left := s.Strays(); len(left) > 0 {
		t.Errorf("processes left behind: %v", left)
	}
	if text := s.Stderr.String(); strings.Contains(text, "worker is killed") {
		t.Errorf("a worker did not end in time:\n%s", s.Stderr.Tail(20))
	}
}

// nothingKnown checks that what cannot be known of a foreign worker is null.
func nothingKnown(t *testing.T, st harness.Status) {
	t.Helper()
	for _, w := range st.Workers {
		if w.Requests != nil || w.InFlight != nil || w.Connections != nil || w.Liveness != "none" || w.RSSBytes == nil {
			t.Errorf("status of worker %d: %+v", w.ID, w)
		}
	}
}

// replaced kills a worker and waits for another in its place.
func replaced(ctx context.Context, t *testing.T, s *harness.Supervisor, st harness.Status) harness.Status {
	t.Helper()
	victim := st.Workers[0].PID
	if err := harness.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st, err := s.Await(ctx, "a replacement", func(st harness.Status) bool {
		return len(st.Ready()) == 2 && len(st.Workers) == 2 && !slices.Contains(harness.PIDs(st.Workers), victim)
	})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

type record struct {
	Stream string
	Worker uint64
	PID    int
	Msg    string
}

// said finds a worker's line in the log, and fails when one is not a record.
func said(ctx context.Context, t *testing.T, o *harness.Output, text string) record {
	t.Helper()
	line, err := o.AwaitText(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	var r record
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return r
}
