package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

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
