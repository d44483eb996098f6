package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// faulty is a supervisor that does what a file says at the steps of an upgrade.
var faulty = sync.OnceValues(func() (string, error) {
	path := filepath.Join(bin, "faults", "supervisor")
	build := exec.Command("go", "build", "-tags", "faults", "-ldflags", "-X github.com/tandem-go/tandem/internal/cli.version=faulty", "-o", path, "github.com/tandem-go/tandem/cmd/supervisor")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// install puts a copy of a program where the supervisor is started from, as a
// package manager does: beside the old file, then in its place.
func install(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer unforked()()
	out, err := os.OpenFile(to+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(to+".new", to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// replaceable serves with a supervisor of its own, at the path that it returns.
func replaceable(ctx context.Context, t *testing.T, n int, program string, c harness.Config) (*harness.Supervisor, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "supervisor")
	install(t, program, path)
	if err := os.Symlink(filepath.Join(bin, "app"), filepath.Join(dir, "app")); err != nil {
		t.Fatal(err)
	}
	c.Args = append([]string{"--workers", fmt.Sprint(n), "--bake", "50ms"}, c.Args...)
	c.Bin = dir
	s, _ := harness.Serve(ctx, t, n, c)
	return s, path
}

// ask a supervisor to upgrade, with a program that no test replaces.
func upgrade(ctx context.Context, t *testing.T, s *harness.Supervisor) harness.Result {
	t.Helper()
	res, err := harness.Run(ctx, filepath.Join(bin, "supervisor"), s.Dir, nil, "upgrade", "--control", s.Control)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func mustUpgrade(ctx context.Context, t *testing.T, s *harness.Supervisor) {
	t.Helper()
	if res := upgrade(ctx, t, s); res.Code != 0 || !strings.Contains(res.Stdout, fmt.Sprintf("pid %d", s.PID)) {
		t.Fatalf("upgrade: exit %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
}

// Three in a row, the second to another version, with workers born of each: they
// are reaped by whoever is there, and nothing else changes.
func TestUpgradesInARow(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	other, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	s, path := replaceable(ctx, t, 2, filepath.Join(bin, "supervisor"), foreign(harness.Config{
		Args: []string{"--pid-file", filepath.Join(t.TempDir(), "x.pid"), "--admin", "unix:" + filepath.Join(t.TempDir(), "admin")},
	}, "serve"))
	ready(ctx, t, s, 2)
	fds, err := harness.FDs(s.PID)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		before := ready(ctx, t, s, 2)
		if round == 1 {
			install(t, other, path)
		}
		mustUpgrade(ctx, t, s)
		after := ready(ctx, t, s, 2)
		if after.PID != before.PID || after.Generation != before.Generation || after.UptimeSeconds < before.UptimeSeconds ||
			!slices.Equal(harness.PIDs(before.Workers), harness.PIDs(after.Workers)) || !slices.Equal(before.Listeners, after.Listeners) {
			t.Fatalf("round %d: before %+v, after %+v", round, before, after)
		}
		if round == 1 && after.Version != "faulty" {
			t.Errorf("version %q after the upgrade", after.Version)
		}
		ask(ctx, t, s, "/info")
		// One of the old ones dies, and one born of this program takes its place.
		victim := after.Workers[0]
		kill(t, victim.PID, syscall.SIGKILL)
		next := await(ctx, t, s, "a replacement", func(st harness.Status) bool {
			return len(st.Ready()) == 2 && !slices.Contains(harness.PIDs(st.Workers), victim.PID)
		})
		if id := next.Workers[1].ID; id <= after.Workers[1].ID {
			t.Errorf("its id is %d, after %d", id, after.Workers[1].ID)
		}
		n, err := harness.FDs(s.PID)
		if err != nil {
			t.Fatal(err)
		}
		// A second descriptor of what was taken over would hold it when it is given up:
		// a socket that refuses at a stop, a log file that was renamed.
		if n > fds+2 { // who has just asked may still be there
			t.Errorf("%d descriptors after %d upgrades, %d before:\n%s", n, round+1, fds, harness.FDList(s.PID))
		}
	}
	signal(t, s, syscall.SIGHUP)
	await(ctx, t, s, "a reload", func(st harness.Status) bool {
		return st.State == "running" && st.Generation == 2 && len(st.Workers) == 2 && len(st.Ready()) == 2
	})
	mustUpgrade(ctx, t, s)
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}

func TestBadUpgradesChangeNothing(t *testing.T) {
	t.Parallel()
	fault, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	write := func(content string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, path string) { writeFile(t, path, content, mode) }
	}
	put := func(program string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			found, err := exec.LookPath(program)
			if err != nil {
				t.Fatal(err)
			}
			install(t, found, path)
		}
	}
	with := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) { writeFile(t, filepath.Join(filepath.Dir(path), "fault"), text, 0o600) }
	}
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"missing":              {func(t *testing.T, path string) { _ = os.Remove(path) }, "no such file"},
		"not executable":       {write("\x7fELF", 0o644), "is not executable"},
		"a script":             {write("#!/bin/sh\nexit 0\n", 0o755), "is not an ELF program"},
		"true":                 {put("true"), "exited with status 0 without showing that it had read the state"},
		"garbage":              {put("echo"), "without showing that it had read the state"},
		"another one":          {put(filepath.Join(bin, "app")), "without showing that it had read the state"},
		"crash in the check":   {with("check crash"), "without showing that it had read the state"},
		"killed in the check":  {with("check kill"), "was killed by SIGKILL"},
		"hang in the check":    {with("check hang"), "had not answered"},
		"fails in the freeze":  {with("freeze fail"), "a fault at freeze"},
		"cannot decode":        {with("decode fail"), "a fault at decode"},
		"fails after adopting": {with("commit fail"), "a fault at commit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			c := foreign(harness.Config{}, "serve")
			dir := t.TempDir()
			path := filepath.Join(dir, "supervisor")
			install(t, fault, path)
			c.Args, c.Bin = []string{"--workers", "2", "--bake", "50ms"}, dir
			c.Env = append(c.Env, "FAULT_FILE="+filepath.Join(dir, "fault"))
			s, before := harness.Serve(ctx, t, 2, c)
			for round := range 2 { // the first must leave nothing behind that fails the second
				tc.spoil(t, path)
				res := upgrade(ctx, t, s)
				if res.Code != 1 || !strings.Contains(res.Stderr, tc.want) || strings.Count(res.Stderr, "\n") != 1 {
					t.Errorf("round %d: exit %d, want %q\n%s%s", round, res.Code, tc.want, res.Stdout, res.Stderr)
				}
				if name == "hang in the check" {
					break // ten seconds each
				}
			}
			after := ready(ctx, t, s, 2)
			if after.PID != before.PID || !slices.Equal(harness.PIDs(before.Workers), harness.PIDs(after.Workers)) {
				t.Errorf("before %+v, after %+v", before, after)
			}
			if _, err := s.Stderr.AwaitText(ctx, "upgrade failed; this supervisor goes on"); err != nil {
				t.Error(err)
			}
			ask(ctx, t, s, "/info")
			install(t, fault, path)
			mustUpgrade(ctx, t, s)
			signal(t, s, syscall.SIGTERM)
			exits(ctx, t, s, 0)
		})
	}
}

// TERM at each step of an upgrade ends the service: by the supervisor, or, in the
// window between two programs, by its death, after which the workers drain.
func TestTermDuringAnUpgrade(t *testing.T) {
	t.Parallel()
	fault, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"freeze", "exec", "begin", "decode", "commit"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			dir := t.TempDir()
			c := harness.Config{Env: []string{"FAULT_FILE=" + filepath.Join(dir, "fault")}} // Tandem workers
			s, _ := replaceable(ctx, t, 2, fault, c)
			writeFile(t, filepath.Join(dir, "fault"), step+" term", 0o600)
			signal(t, s, syscall.SIGUSR2)
			code, err := s.Wait(ctx)
			if died := 128 + int(syscall.SIGTERM); err != nil || code != 0 && code != died {
				t.Errorf("exit %d, %v", code, err)
			}
			if err := harness.Poll(ctx, "the workers to end", func() bool { return len(s.Strays()) == 0 }); err != nil {
				t.Error(err)
			}
		})
	}
}

// A worker that dies between two programs is reaped and replaced by the second.
func TestAWorkerDiesDuringTheExec(t *testing.T) {
	t.Parallel()
	fault, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"freeze", "exec", "begin", "commit"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			dir := t.TempDir()
			s, _ := replaceable(ctx, t, 2, fault, foreign(harness.Config{Env: []string{"FAULT_FILE=" + filepath.Join(dir, "fault")}}, "serve"))
			before := ready(ctx, t, s, 2)
			victim := before.Workers[0]
			writeFile(t, filepath.Join(dir, "fault"), step+" kill:"+strconv.Itoa(victim.PID), 0o600)
			mustUpgrade(ctx, t, s)
			await(ctx, t, s, "a replacement", func(st harness.Status) bool {
				return len(st.Ready()) == 2 && !slices.Contains(harness.PIDs(st.Workers), victim.PID)
			})
			if _, err := s.Stderr.Await(ctx, "its end", func(l string) bool {
				return strings.Contains(l, `"worker exited"`) && strings.Contains(l, "killed by SIGKILL") && strings.Contains(l, strconv.Itoa(victim.PID))
			}); err != nil {
				t.Error(err)
			}
			if slices.Contains(harness.Children(s.PID), victim.PID) {
				t.Error("it was not reaped")
			}
		})
	}
}

// Nobody's request is touched, and no line of the log is lost, torn or doubled,
// however often the supervisor is replaced under load.
func TestUpgradesUnderLoad(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := replaceable(ctx, t, 2, filepath.Join(bin, "supervisor"), foreign(harness.Config{
		Args: []string{"--log-overflow", "block"}, // what is dropped is another matter
	}, "serve"))
	run := strict.Start(ctx, strict.Load{
		Addr: s.Addr, Duration: harness.Limit,
		Groups: []strict.Group{
			{Mode: strict.Short, Clients: 2, Target: "/info"},
			{Mode: strict.Kept, Clients: 2, Target: "/info", ThinkMax: 5 * time.Millisecond},
		},
	})
	const lines = 60000
	written := make(chan error, 1)
	go func() {
		_, _, err := get(ctx, s, fmt.Sprintf("/write?n=%d&size=40", lines))
		written <- err
	}()
	const upgrades = 15
	for range upgrades {
		mustUpgrade(ctx, t, s)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	if err := run.Answered(ctx, 20); err != nil {
		t.Error(err)
	}
	if err := run.Stop().Err(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(s.Stderr.String(), `"supervisor upgraded"`); n != upgrades {
		t.Errorf("%d upgrades in the log", n)
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	for stream, out := range map[string]*harness.Output{"out": s.Stdout, "err": s.Stderr} {
		next := 0
		for _, l := range out.Lines() {
			_, rest, found := strings.Cut(l, `"msg":"`+stream+" line ")
			if !found {
				continue
			}
			if n, _, _ := strings.Cut(rest, " "); n != strconv.Itoa(next) {
				t.Fatalf("%s: line %s after %d", stream, n, next-1)
			}
			next++
		}
		if next != lines {
			t.Errorf("%s: %d lines of %d", stream, next, lines)
		}
	}
}

// HUP without end does not kill a supervisor that is replaced again and again.
func TestUpgradesUnderAFloodOfHUP(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := replaceable(ctx, t, 1, filepath.Join(bin, "supervisor"), foreign(harness.Config{}, "serve"))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = s.Signal(syscall.SIGHUP)
				_ = s.Signal(syscall.SIGWINCH)
				time.Sleep(100 * time.Microsecond) // a pace, not a wait
			}
		}
	}()
	for range 20 {
		mustUpgrade(ctx, t, s)
	}
	close(stop)
	<-stopped
	await(ctx, t, s, "the reloads", func(st harness.Status) bool {
		return st.State == "running" && len(st.Workers) == 1 && len(st.Ready()) == 1
	})
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}

// Who waits for a reload is answered by the program that runs when it has ended.
func TestAReloadGoesOnThroughAnUpgrade(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := replaceable(ctx, t, 2, filepath.Join(bin, "supervisor"), foreign(harness.Config{Args: []string{"--bake", "1500ms"}}, "serve"))
	type outcome struct {
		res harness.Result
		err error
	}
	waiting := make(chan outcome, 1)
	go func() {
		res, err := s.Run(ctx, "reload", "--wait")
		waiting <- outcome{res, err}
	}()
	await(ctx, t, s, "the bake", func(st harness.Status) bool { return st.State == "reloading" && len(st.Ready()) == 3 })
	mustUpgrade(ctx, t, s)
	if st, err := s.Status(ctx); err != nil || st.State != "reloading" {
		t.Errorf("after the upgrade: %+v, %v", st, err)
	}
	if o := <-waiting; o.err != nil || o.res.Code != 0 || !strings.Contains(o.res.Stdout, "generation 2 serves") {
		t.Errorf("%+v", o)
	}
	after := ready(ctx, t, s, 2)
	if after.Generation != 2 {
		t.Errorf("generation %d", after.Generation)
	}
}

// A reader of the log that takes nothing does not hold an upgrade up.
func TestAnUpgradeWithAStuckLog(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, _ := replaceable(ctx, t, 1, filepath.Join(bin, "supervisor"), foreign(harness.Config{
		Stdout: w, Args: []string{"--log-overflow", "block"},
	}, "serve"))
	w.Close()
	const lines = 3000
	written := make(chan error, 1)
	go func() {
		_, _, err := get(ctx, s, fmt.Sprintf("/write?n=%d&size=100", lines))
		written <- err
	}()
	for range 3 {
		begin := time.Now()
		mustUpgrade(ctx, t, s)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("an upgrade took %v", took)
		}
	}
	all := make(chan string, 1)
	go func() { b, _ := io.ReadAll(r); all <- string(b) }()
	if err := <-written; err != nil {
		t.Error(err)
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	next := 0
	for l := range strings.Lines(<-all) {
		if _, rest, found := strings.Cut(l, `"msg":"out line `); found {
			if n, _, _ := strings.Cut(rest, " "); n != strconv.Itoa(next) {
				t.Fatalf("line %s after %d", n, next-1)
			}
			next++
		}
	}
	if next != lines {
		t.Errorf("%d lines of %d", next, lines)
	}
}

// As process 1 of a pid namespace, which has no default for its signals.
func TestUpgradeAsProcess1(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("a pid namespace needs root here")
	}
	if out, err := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "true").CombinedOutput(); err != nil {
		t.Skipf("no pid namespace to be had: %v: %s", err, out)
	}
	ctx := within(t)
	dir := t.TempDir()
	install(t, filepath.Join(bin, "supervisor"), filepath.Join(dir, "supervisor"))
	c := foreign(harness.Config{
		Bin: dir, Args: []string{"--workers", "2", "--bake", "50ms"},
		Prefix: []string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"},
	}, "serve")
	s, before := harness.Serve(ctx, t, 2, c)
	if before.PID != 1 {
		t.Fatalf("it is process %d", before.PID)
	}
	for range 3 {
		if res := upgrade(ctx, t, s); res.Code != 0 {
			t.Fatalf("exit %d\n%s%s", res.Code, res.Stdout, res.Stderr)
		}
	}
	after := ready(ctx, t, s, 2)
	if after.PID != 1 || !slices.Equal(harness.PIDs(before.Workers), harness.PIDs(after.Workers)) {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if code, _, err := get(ctx, s, "/info"); code != http.StatusOK || err != nil {
		t.Errorf("%d, %v", code, err)
	}
	must(ctx, t, s, "stop")
	if _, err := s.Wait(ctx); err != nil {
		t.Error(err)
	}
}

// The service manager does not know of an upgrade: the time in which it wants a
// sign of life goes on, and must not begin anew for the program that took over.
func TestAnUpgradeFeedsTheWatchdog(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	up := listenNotify(t)
	s, _ := replaceable(ctx, t, 1, filepath.Join(bin, "supervisor"), foreign(harness.Config{Env: []string{
		"NOTIFY_SOCKET=" + up.addr, "WATCHDOG_USEC=600000000", // by its own clock the first beat is due in minutes
	}}, "serve"))
	if up.index("WATCHDOG=1") >= 0 {
		t.Fatalf("a beat before its time: %q", up.all())
	}
	mustUpgrade(ctx, t, s)
	if err := harness.Poll(ctx, "a beat", func() bool { return up.index("WATCHDOG=1") >= 0 }); err != nil {
		t.Errorf("%v: %q", err, up.all())
	}
}
