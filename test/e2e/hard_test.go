package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// TestReplacedExecutable: a generation keeps its executable, whatever becomes
// of the file; the next one takes what is there then.
func TestReplacedExecutable(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	exe := filepath.Join(t.TempDir(), "worker")
	install := func(from string) {
		t.Helper()
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, exe, string(b), 0o755)
	}
	install(filepath.Join(bin, "app"))
	s, st := serve(ctx, t, 2, harness.Config{Command: []string{exe}})
	respawn := func() {
		t.Helper()
		victim := st.Workers[0].PID
		kill(t, victim, syscall.SIGKILL)
		st = await(ctx, t, s, "a replacement", func(st harness.Status) bool {
			return len(st.Ready()) == 2 && len(st.Workers) == 2 && !slices.Contains(harness.PIDs(st.Workers), victim)
		})
		ask(ctx, t, s, "/modern/")
	}
	writeFile(t, exe, "not a program", 0o755)
	respawn()
	if res := command(ctx, t, s, "reload", "--wait"); res.Code != 1 || !strings.Contains(res.Stderr, exe) {
		t.Errorf("reload into a text file: exit %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	respawn()
	if err := os.Remove(exe); err != nil {
		t.Fatal(err)
	}
	respawn()
	if res := command(ctx, t, s, "reload", "--wait"); res.Code != 1 || !strings.Contains(res.Stderr, exe) {
		t.Errorf("reload without the file: exit %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	install(filepath.Join(bin, "app"))
	must(ctx, t, s, "reload", "--wait")
	ready(ctx, t, s, 2)
	ask(ctx, t, s, "/modern/")
}

// TestSeveralSockets: every worker is given all of them, by name, in order.
func TestSeveralSockets(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	var binds []string
	for range 2 {
		port, err := harness.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		binds = append(binds, fmt.Sprintf("127.0.0.1:%d", port))
	}
	path := filepath.Join(dir, "web.sock")
	s := launch(t, harness.Config{
		Dir: dir, Bare: true,
		Args: []string{"--workers", "2", "--control", filepath.Join(dir, "control.sock"), "--bind", binds[0], "--bind", "unix:" + path, "--bind", binds[1]},
	})
	st := ready(ctx, t, s, 2)
	if want := []string{"tcp://" + binds[0], "unix://" + path, "tcp://" + binds[1]}; !slices.Equal(st.Listeners, want) {
		t.Errorf("listeners %q, want %q", st.Listeners, want)
	}
	for _, b := range binds {
		s.Addr = b
		ask(ctx, t, s, "/modern/")
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://web/modern/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Errorf("over the unix socket: %s: %s", resp.Status, b)
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}

// TestLameDuck serves on for a while after a stop was asked for.
func TestLameDuck(t *testing.T) {
	t.Parallel()
	const duck = 1500 * time.Millisecond
	ctx := within(t)
	s, _ := serve(ctx, t, 1, harness.Config{Args: []string{"--lame-duck", duck.String()}})
	begin := time.Now()
	signal(t, s, syscall.SIGTERM)
	await(ctx, t, s, "the stop to begin", func(st harness.Status) bool { return st.State == "stopping" })
	served := 0
	if err := harness.Poll(ctx, "the end of the lame duck", func() bool {
		status, _, err := get(ctx, s, "/modern/")
		if err == nil && status == http.StatusOK {
			served++
		}
		return err != nil
	}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < duck*8/10 || served == 0 {
		t.Errorf("refused after %s, with %d requests served: a lame duck of %s", took, served, duck)
	}
	exits(ctx, t, s, 0)
}

// TestAllWorkersKilled: from nothing back to full strength.
func TestAllWorkersKilled(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 4, harness.Config{})
	for _, w := range before.Workers {
		kill(t, w.PID, syscall.SIGKILL)
	}
	st := await(ctx, t, s, "four new workers", func(st harness.Status) bool {
		return len(st.Ready()) == 4 && len(st.Workers) == 4 && !slices.ContainsFunc(before.Workers, func(w harness.Worker) bool {
			return slices.Contains(harness.PIDs(st.Workers), w.PID)
		})
	})
	if st.State != "running" && st.State != "degraded" {
		t.Errorf("state %s", st.State)
	}
	ask(ctx, t, s, "/modern/")
}

// TestStopAtAnyMoment sends TERM to supervisors that have lived for a random
// time: none may leave anything.
func TestStopAtAnyMoment(t *testing.T) {
	t.Parallel()
	for i := range 25 {
		ctx := within(t)
		s := launch(t, foreign(harness.Config{Args: []string{"--workers", "3"}}, "serve"))
		delay := time.NewTimer(rand.N(60 * time.Millisecond)) // the random moment, not a wait
		<-delay.C
		signal(t, s, syscall.SIGTERM)
		code, err := s.Wait(ctx)
		if err != nil {
			t.Fatal(err)
		}
		// Before it has its handlers a process dies of TERM.
		if code != 0 && code != 128+int(syscall.SIGTERM) {
			t.Errorf("run %d: exit %d\n%s", i, code, s.Stderr)
		}
		nothingLeft(t, s)
	}
}

// TestStoppedSupervisor is taken off the CPU for longer than every timeout: it
// must not think its workers dead when it is back.
func TestStoppedSupervisor(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 2, harness.Config{Args: []string{"--timeout", "1s"}})
	signal(t, s, syscall.SIGSTOP)
	begin := time.Now()
	served := 0
	if err := harness.Poll(ctx, "three seconds of service without a supervisor", func() bool {
		ask(ctx, t, s, "/modern/")
		served++
		return time.Since(begin) > 3*time.Second
	}); err != nil {
		t.Fatal(err)
	}
	signal(t, s, syscall.SIGCONT)
	signal(t, s, syscall.SIGTTIN)
	st := ready(ctx, t, s, 3)
	for _, w := range before.Workers {
		if !slices.Contains(harness.PIDs(st.Workers), w.PID) {
			t.Errorf("worker %d, which was well, is gone", w.ID)
		}
	}
}

// TestManyReloadsAtOnce: everybody who waits is answered, and the work is not
// done once for each.
func TestManyReloadsAtOnce(t *testing.T) {
	t.Parallel()
	const askers = 8
	ctx := within(t)
	s, _ := serve(ctx, t, 2, foreign(harness.Config{}, "serve"))
	var all sync.WaitGroup
	for range askers {
		all.Go(func() {
			if res, err := s.Run(ctx, "reload", "--wait"); err != nil || res.Code != 0 {
				t.Errorf("exit %d, %v: %s%s", res.Code, err, res.Stdout, res.Stderr)
			}
		})
	}
	all.Wait()
	st := ready(ctx, t, s, 2)
	if st.Generation < 2 || st.Generation > askers {
		t.Errorf("generation %d after %d reloads at once", st.Generation, askers)
	}
	if err := harness.Poll(ctx, "two children", func() bool { return len(harness.Children(s.PID)) == 2 }); err != nil {
		t.Error(err)
	}
}

// TestEnvFileGone at a reload is a failed reload, not an empty file.
func TestEnvFileGone(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	env := writeFile(t, filepath.Join(t.TempDir(), "env"), "A=1\n", 0o600)
	s, before := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--env-file", env}}, "serve"))
	if err := os.Remove(env); err != nil {
		t.Fatal(err)
	}
	if res := command(ctx, t, s, "reload", "--wait"); res.Code != 1 || !strings.Contains(res.Stderr, env) {
		t.Errorf("exit %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	if st := ready(ctx, t, s, 1); st.Workers[0].PID != before.Workers[0].PID {
		t.Error("the worker was touched")
	}
}
