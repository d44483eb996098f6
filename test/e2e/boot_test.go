package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// TestBadStarts gives one bad thing at a time. Each must end with its exit code
// and one line that names what is wrong and where it came from, and leave
// nothing behind.
func TestBadStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		return writeFile(t, filepath.Join(dir, name), content, mode)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // after the parallel subtests

	flags := func(args ...string) harness.Config { return harness.Config{Args: args} }
	env := func(kv ...string) harness.Config { return harness.Config{Env: kv} }
	run := func(path string) harness.Config { return harness.Config{Command: []string{path}} }
	for _, tc := range []struct {
		name  string
		c     harness.Config
		code  int
		wants []string
	}{
		{"unknown flag", flags("--wrokers", "4"), 2, []string{"wrokers"}},
		{"unknown command", flags("relaod"), 2, []string{"relaod"}},
		{"flag without a value", flags("--workers"), 2, []string{"workers"}},
		{"unknown variable", env("SUPERVISOR_WROKERS=4"), 2, []string{"SUPERVISOR_WROKERS"}},
		{"unparsable flag", flags("--workers", "many"), 2, []string{"--workers", "many"}},
		{"no workers", flags("--workers", "0"), 2, []string{"--workers", "0"}},
		{"unparsable variable", env("SUPERVISOR_BOOT_TIMEOUT=soon"), 2, []string{"SUPERVISOR_BOOT_TIMEOUT", "soon"}},
		{"unparsable number of gunicorn's", env("WEB_CONCURRENCY=lots"), 2, []string{"WEB_CONCURRENCY", "lots"}},
		{"unparsable line of the env file", flags("--env-file", file("timeout.env", "A=1\nSUPERVISOR_TIMEOUT=never\n", 0o600)), 2, []string{"timeout", "never", "timeout.env line 2"}},
		{"bad signal", flags("--stop-signal", "SIGNOPE"), 2, []string{"--stop-signal", "SIGNOPE"}},
		{"contradiction", flags("--bake", "40s", "--reload-timeout", "10s"), 2, []string{"bake", "reload-timeout"}},
		{"bad address", harness.Config{Bare: true, Args: []string{"--control", "off", "--bind", "nonsense"}}, 2, []string{"--bind", "nonsense"}},
		{"admin is also bound", harness.Config{Bare: true, Args: []string{"--control", "off", "--bind", ":9000", "--admin", ":9000"}}, 2, []string{"--admin", "--bind"}},
		{"admin port in use", flags("--admin", taken.Addr().String()), 1, []string{"admin listener", taken.Addr().String(), "in use"}},
		{"env file missing", flags("--env-file", filepath.Join(dir, "none.env")), 2, []string{"none.env"}},
		{"env file malformed", flags("--env-file", file("bad.env", "A=1\nwithout equals\n", 0o600)), 2, []string{"bad.env", "2"}},

		{"port in use", harness.Config{Bare: true, Args: []string{"--control", "off", "--bind", taken.Addr().String()}}, 1, []string{taken.Addr().String(), "in use"}},
		{"not a socket", harness.Config{Bare: true, Args: []string{"--control", "off", "--bind", "fd:0"}}, 1, []string{"fd", "0"}},
		{"pid file in no directory", flags("--pid-file", filepath.Join(dir, "none", "x.pid")), 2, []string{"none/x.pid"}},
		{"log file in no directory", flags("--log-file", filepath.Join(dir, "none", "log")), 2, []string{"none/log"}},

		{"worker missing", run(filepath.Join(dir, "none")), 4, []string{filepath.Join(dir, "none"), "not exist"}},
		{"worker not on the path", run("no-such-worker-anywhere"), 4, []string{"no-such-worker-anywhere"}},
		{"worker not executable", run(file("plain", "#!/bin/sh\n", 0o644)), 4, []string{filepath.Join(dir, "plain"), "executed"}},
		{"worker is a text file", run(file("text", "hello\n", 0o755)), 4, []string{filepath.Join(dir, "text")}},
		{"worker is a directory", run(dir), 4, []string{dir}},
		{"worker's interpreter is missing", run(file("script", "#!/no/such/interpreter\n", 0o755)), 4, []string{filepath.Join(dir, "script")}},
		{"directory missing", harness.Config{Args: []string{"--chdir", filepath.Join(dir, "nowhere")}}, 2, []string{filepath.Join(dir, "nowhere")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			s := launch(t, tc.c)
			exits(ctx, t, s, tc.code)
			said := strings.TrimRight(s.Stderr.String(), "\n")
			line := said
			if tc.code == 4 {
				// A start that got as far as a worker may have logged before.
				line = said[strings.LastIndexByte(said, '\n')+1:]
			} else if strings.Contains(said, "\n") {
				t.Errorf("more than one line:\n%s", said)
			}
			for _, want := range tc.wants {
				if !strings.Contains(line, want) {
					t.Errorf("%q is not named in: %s", want, line)
				}
			}
			if s.Stdout.String() != "" {
				t.Errorf("on stdout: %s", s.Stdout)
			}
			if strings.Contains(said, "goroutine ") {
				t.Errorf("a stack trace:\n%s", said)
			}
		})
	}
}

// TestNeverBoots is exit code 3: no worker has ever been ready.
func TestNeverBoots(t *testing.T) {
	t.Parallel()
	for mode, wants := range map[string][]string{
		"boot-exit":   {"3", "lost its templates"},
		"never-ready": {"ready", "2s"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			pid := filepath.Join(t.TempDir(), "x.pid")
			s := launch(t, foreign(harness.Config{
				Args: []string{"--workers", "2", "--boot-timeout", "2s", "--graceful-timeout", "2s", "--pid-file", pid},
			}, mode))
			exits(ctx, t, s, 3)
			for _, want := range wants {
				if !strings.Contains(s.Stderr.String(), want) {
					t.Errorf("%q is nowhere in:\n%s", want, s.Stderr)
				}
			}
			last := s.Stderr.Tail(1)
			if !strings.Contains(last, "worker") {
				t.Errorf("the last line does not say what was wrong: %s", last)
			}
			if !missing(pid) {
				t.Error("pid file left")
			}
		})
	}
}

// TestSecondSupervisor meets the control socket of a live one.
func TestSecondSupervisor(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 1, foreign(harness.Config{}, "serve"))
	second := launch(t, foreign(harness.Config{
		Bare: true, Args: []string{"--bind", "127.0.0.1:0", "--control", s.Control},
	}, "serve"))
	code, err := second.Wait(ctx)
	if err != nil || code == 0 {
		t.Fatalf("the second supervisor: exit %d, %v", code, err)
	}
	if line := second.Stderr.Tail(1); !strings.Contains(line, fmt.Sprint(s.PID)) || !strings.Contains(line, s.Control) {
		t.Errorf("pid %d or %s is not named in: %s", s.PID, s.Control, line)
	}
	if left := second.Strays(); len(left) > 0 {
		t.Errorf("processes left behind: %v", left)
	}
	if st := ready(ctx, t, s, 1); st.Workers[0].PID != before.Workers[0].PID {
		t.Error("the first one's worker was touched")
	}
}

// TestStaleControlSocket starts where a killed supervisor has left its socket.
func TestStaleControlSocket(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	s, _ := serve(ctx, t, 1, foreign(harness.Config{Dir: dir}, "serve"))
	if err := harness.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Exited()
	if missing(s.Control) {
		t.Fatal("the control socket went with a killed supervisor: this test proves nothing")
	}
	serve(ctx, t, 1, foreign(harness.Config{Dir: dir}, "serve"))
}

// TestKillingReadyWorkers: after the first good start a dying worker never takes
// the service down.
func TestKillingReadyWorkers(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, st := serve(ctx, t, 2, foreign(harness.Config{}, "serve"))
	for range 6 {
		victim := st.Workers[0].PID
		kill(t, victim, syscall.SIGKILL)
		st = await(ctx, t, s, "a replacement of the killed worker", func(st harness.Status) bool {
			return len(st.Ready()) == 2 && !slices.Contains(harness.PIDs(st.Workers), victim)
		})
		ask(ctx, t, s, "/info")
	}
}

// TestCrashLoop has a worker that dies as soon as it is ready: the service goes
// on, and the starts come ever slower.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	starts := filepath.Join(t.TempDir(), "starts")
	s := launch(t, foreign(harness.Config{
		Args: []string{"--workers", "1"}, Env: []string{helperStarts + "=" + starts},
	}, "early-exit"))
	var at []time.Time
	if err := harness.Poll(ctx, "five starts", func() bool { at = startTimes(starts); return len(at) >= 5 }); err != nil {
		t.Fatal(err)
	}
	// 100 + 200 + 400 + 800 ms, less what the jitter may take off.
	if took := at[4].Sub(at[0]); took < 600*time.Millisecond {
		t.Errorf("five starts in %s: there is no back-off", took)
	}
	if first, last := at[1].Sub(at[0]), at[4].Sub(at[3]); last < first {
		t.Errorf("the first pause was %s, the fourth %s", first, last)
	}
	if _, err := s.Status(ctx); err != nil {
		t.Error(err)
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}
