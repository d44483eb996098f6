package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// change is an event of the timeline.
type change struct {
	Seq                      int
	Kind, Cause, Actor, Text string
	Worker, Generation       int
}

func changes(t *testing.T, jsonl string) (all []change) {
	t.Helper()
	for line := range strings.Lines(jsonl) {
		var c change
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, c)
	}
	return all
}

// timelineOf gives all of it, whose numbers have no gap.
func timelineOf(ctx context.Context, t *testing.T, s *harness.Supervisor) []change {
	t.Helper()
	all := changes(t, must(ctx, t, s, "timeline", "-n", "0", "--json").Stdout)
	for i, c := range all {
		if c.Seq != i+1 {
			t.Fatalf("event %d has number %d", i+1, c.Seq)
		}
	}
	return all
}

// tells says that what is wanted comes in this order, among other things: kind, cause
// and actor of each, of which the last two may be the beginning.
func tells(t *testing.T, all []change, want ...[3]string) {
	t.Helper()
	rest := all
	for _, w := range want {
		i := slices.IndexFunc(rest, func(c change) bool {
			return c.Kind == w[0] && strings.HasPrefix(c.Cause, w[1]) && strings.HasPrefix(c.Actor, w[2])
		})
		if i < 0 {
			t.Fatalf("no %q after what comes before it: %+v", w, all)
		}
		rest = rest[i+1:]
	}
}

// follower runs timeline -f, and gives what it shows.
func follower(ctx context.Context, t *testing.T, s *harness.Supervisor, args ...string) (lines <-chan string, end func() error) {
	t.Helper()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "supervisor"), append([]string{"timeline", "-f", "--control", s.Control}, args...)...)
	cmd.Env = harness.Environ()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan string, 1000)
	go func() {
		defer close(all)
		for l := bufio.NewScanner(out); l.Scan(); {
			all <- l.Text()
		}
	}()
	return all, cmd.Wait
}

func TestTheTimelineOfAService(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	env := writeFile(t, filepath.Join(dir, "env"), helperMode+"=serve\n", 0o600)
	c := harness.Config{Dir: dir, Command: []string{self}, Args: []string{"--env-file", env}}
	s, path := replaceable(ctx, t, 1, filepath.Join(bin, "supervisor"), c)
	peer := fmt.Sprintf("uid %d", os.Getuid())
	lines, end := follower(ctx, t, s, "--json", "-n", "0")

	must(ctx, t, s, "reload", "--wait")
	first := await(ctx, t, s, "the new generation alone", func(st harness.Status) bool {
		return len(st.Workers) == 1 && st.Workers[0].State == "ready" && st.Workers[0].Generation == 2
	})
	kill(t, first.Workers[0].PID, syscall.SIGKILL)
	await(ctx, t, s, "a replacement", func(st harness.Status) bool {
		return len(st.Ready()) == 1 && st.Workers[0].ID != first.Workers[0].ID
	})
	must(ctx, t, s, "scale", "2")
	ready(ctx, t, s, 2)
	writeFile(t, env, helperMode+"=boot-exit\n", 0o600)
	if res := command(ctx, t, s, "reload", "--wait"); res.Code != 1 {
		t.Fatalf("%+v", res)
	}
	install(t, filepath.Join(bin, "supervisor"), path)
	mustUpgrade(ctx, t, s)
	writeFile(t, env, helperMode+"=serve\n", 0o600)
	signal(t, s, syscall.SIGHUP)
	await(ctx, t, s, "a reload after the upgrade", func(st harness.Status) bool { return st.Generation == 4 && st.State == "running" })
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)

	want := [][3]string{
		{"supervisor-started", "", "pid "},
		{"worker-started", "the first start", "supervisor"},
		{"worker-ready", "", "worker 1"},
		{"state", "the workers are ready", "supervisor"},
		{"reload-started", "", peer},
		{"worker-started", "the reload to generation 2", "supervisor"},
		{"reload-done", "", peer},
		{"worker-draining", "its replacement of generation 2 is ready", "supervisor"},
		{"worker-exited", "killed by SIGKILL", "unknown"},
		{"worker-started", "", "supervisor"},
		{"scaled", "", peer},
		{"worker-started", "scaled to 2", "supervisor"},
		{"reload-started", "", peer},
		{"worker-exited", "exit status 3, before it was ready", "worker"},
		{"reload-undone", "worker 5 exited before it was ready: exit status 3", peer},
		{"upgrade-started", "", peer},
		{"upgrade-done", "", peer},
		{"reload-started", "", "signal HUP"},
		{"reload-done", "", "signal HUP"},
		{"stop-asked", "", "signal TERM"},
		{"worker-draining", "the service stops", "signal TERM"},
		{"supervisor-stopped", "", "signal TERM"},
	}
	all := timelineOf(ctx, t, s) // read from disk: nobody runs any more
	tells(t, all, want...)
	for _, c := range all {
		if strings.Contains(c.Text, "lost its templates") {
			t.Errorf("a line of a worker: %+v", c)
		}
	}

	// Who followed has all of it, over the upgrade too, and ends with the supervisor.
	var followed strings.Builder
	for l := range lines {
		followed.WriteString(l + "\n")
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if got := changes(t, followed.String()); !slices.Equal(got, all) {
		t.Errorf("followed %d events, there are %d: %+v", len(got), len(all), got)
	}

	// A restart goes on with the numbers, and so does one after a death without a word.
	c.Args = append(c.Args, "--workers", "1")
	next := launch(t, c)
	ready(ctx, t, next, 1)
	if more := timelineOf(ctx, t, next); !slices.Equal(more[:len(all)], all) || more[len(all)].Kind != "supervisor-started" {
		t.Errorf("after a restart: %+v", more[len(all)-1:])
	}
	signal(t, next, syscall.SIGKILL)
	if _, err := next.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	third := launch(t, c)
	ready(ctx, t, third, 1)
	tells(t, timelineOf(ctx, t, third)[len(all):], [3]string{"supervisor-started"}, [3]string{"supervisor-lost", "it was killed", "supervisor"}, [3]string{"supervisor-started"})
	text := must(ctx, t, third, "timeline", "-n", "3").Stdout
	if n := strings.Count(text, "\n"); n != 3 {
		t.Errorf("%d lines:\n%s", n, text)
	}
}

// With --state-dir off an upgrade carries it.
func TestTheTimelineInMemory(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := replaceable(ctx, t, 1, filepath.Join(bin, "supervisor"), foreign(harness.Config{Args: []string{"--state-dir", "off"}}, "serve"))
	mustUpgrade(ctx, t, s)
	tells(t, timelineOf(ctx, t, s), [3]string{"supervisor-started"}, [3]string{"worker-ready"}, [3]string{"upgrade-started"}, [3]string{"upgrade-done"})
	if !missing(filepath.Join(s.Dir, "state", "tandem")) {
		t.Error("something is on disk")
	}
}
