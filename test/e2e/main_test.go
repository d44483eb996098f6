// Package e2e drives the two built programs from outside, as an operator and a
// worker's author meet them: signals, exit codes, messages, the environment of
// a worker, logs, the control socket, systemd's protocols on both sides.
//
// The test binary is also the foreign worker: see helper_test.go.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// bin is the directory of the built programs, self this test binary.
var bin, self string

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperMode); mode != "" {
		os.Exit(helper(mode))
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	var err error
	if self, err = os.Executable(); err == nil {
		bin, err = os.MkdirTemp("", "tandem-e2e")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	build := exec.Command("go", "build", "-o", bin, "github.com/tandem-go/tandem/cmd/supervisor", "github.com/tandem-go/tandem/cmd/app")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the programs under test: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func within(t *testing.T) context.Context {
	t.Helper()
	return harness.Within(t)
}

// foreign makes c run this test binary as its worker.
func foreign(c harness.Config, mode string) harness.Config {
	c.Command = []string{self}
	c.Env = append(slices.Clip(c.Env), helperMode+"="+mode)
	return c
}

// launch starts the supervisor that was built for these tests.
func launch(t *testing.T, c harness.Config) *harness.Supervisor {
	t.Helper()
	c.Bin = bin
	return harness.Launch(t, c)
}

// serve launches a supervisor and waits until its n workers are ready.
func serve(ctx context.Context, t *testing.T, n int, c harness.Config) (*harness.Supervisor, harness.Status) {
	t.Helper()
	c.Args = append([]string{"--workers", fmt.Sprint(n), "--bake", "50ms"}, c.Args...)
	c.Bin = bin
	return harness.Serve(ctx, t, n, c)
}

func signal(t *testing.T, s *harness.Supervisor, sig syscall.Signal) {
	t.Helper()
	if err := s.Signal(sig); err != nil {
		t.Fatalf("%s to supervisor %d: %v", sig, s.PID, err)
	}
}

// kill kills a worker.
func kill(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := harness.Kill(pid, sig); err != nil {
		t.Fatalf("%s to worker %d: %v", sig, pid, err)
	}
}

func ready(ctx context.Context, t *testing.T, s *harness.Supervisor, n int) harness.Status {
	t.Helper()
	st, err := s.Ready(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func await(ctx context.Context, t *testing.T, s *harness.Supervisor, what string, cond func(harness.Status) bool) harness.Status {
	t.Helper()
	st, err := s.Await(ctx, what, cond)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func command(ctx context.Context, t *testing.T, s *harness.Supervisor, args ...string) harness.Result {
	t.Helper()
	res, err := s.Run(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func must(ctx context.Context, t *testing.T, s *harness.Supervisor, args ...string) harness.Result {
	t.Helper()
	res := command(ctx, t, s, args...)
	if res.Code != 0 {
		t.Fatalf("supervisor %s: exit %d\n%s%s", strings.Join(args, " "), res.Code, res.Stdout, res.Stderr)
	}
	return res
}

// exits waits for the end of the supervisor and checks that it leaves nothing.
func exits(ctx context.Context, t *testing.T, s *harness.Supervisor, want int) {
	t.Helper()
	code, err := s.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if code != want {
		t.Errorf("exit %d, want %d", code, want)
	}
	nothingLeft(t, s)
}

// nothingLeft checks that an ended supervisor has left no process and no
// socket behind.
func nothingLeft(t *testing.T, s *harness.Supervisor) {
	t.Helper()
	if left := s.Strays(); len(left) > 0 {
		t.Errorf("processes left behind: %v", left)
	}
	err := filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (d.Type()&fs.ModeSocket != 0 || strings.HasSuffix(path, ".pid") || strings.Contains(path, "-pid-")) {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// get asks the service, on a connection of its own, for a path.
func get(ctx context.Context, s *harness.Supervisor, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Close = true
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// ask is get that must go well.
func ask(ctx context.Context, t *testing.T, s *harness.Supervisor, path string) string {
	t.Helper()
	status, body, err := get(ctx, s, path)
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET %s: %d, %v: %s", path, status, err, body)
	}
	return body
}

// info asks a foreign worker about itself.
func info(ctx context.Context, t *testing.T, s *harness.Supervisor) workerInfo {
	t.Helper()
	var w workerInfo
	if err := json.Unmarshal([]byte(ask(ctx, t, s, "/info")), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func writeFile(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	defer unforked()()
	if err := os.WriteFile(path+".new", []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// unforked keeps this process from starting another until its result is called. Of
// a program that is being written, one started just then would hold the descriptor
// until its own exec, and whoever starts the program meanwhile is told "text file busy".
func unforked() (done func()) {
	syscall.ForkLock.RLock()
	return syscall.ForkLock.RUnlock
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
