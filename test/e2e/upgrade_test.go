package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

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
