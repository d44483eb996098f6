package e2e

import (
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// TestDeafWorker does not listen to TERM: it is killed at the bound.
func TestDeafWorker(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 2, foreign(harness.Config{Args: []string{"--graceful-timeout", "500ms"}}, "deaf"))
	begin := time.Now()
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	if took := time.Since(begin); took < 400*time.Millisecond || took > 12*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestMuteWorker has beaten and is silent: it is hung, and replaced.
func TestMuteWorker(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--timeout", "1s"}}, "mute"))
	await(ctx, t, s, "a replacement of the silent worker", func(st harness.Status) bool {
		return len(st.Ready()) == 1 && st.Ready()[0].PID != before.Workers[0].PID
	})
}

// TestSilentForeignWorker never beats, so only its exit is watched.
func TestSilentForeignWorker(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--timeout", "300ms"}}, "serve"))
	st := await(ctx, t, s, "five times the timeout", func(st harness.Status) bool { return st.UptimeSeconds > 1.5 })
	if len(st.Ready()) != 1 || st.Workers[0].PID != before.Workers[0].PID {
		t.Errorf("a worker that never beats was taken for hung: %+v", st.Workers)
	}
}

// TestOrphans has workers with a child that keeps their streams open: neither a
// replacement nor the exit waits for it, and it does not stay.
func TestOrphans(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, before := serve(ctx, t, 1, foreign(harness.Config{}, "parent"))
	kill(t, before.Workers[0].PID, syscall.SIGKILL)
	begin := time.Now()
	await(ctx, t, s, "a replacement", func(st harness.Status) bool {
		return len(st.Ready()) == 1 && st.Ready()[0].PID != before.Workers[0].PID
	})
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the replacement took %s", took)
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}

// TestReaderGone: when nobody reads its output any more the service goes on.
func TestReaderGone(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pw.Close()
	s, before := serve(ctx, t, 1, foreign(harness.Config{Stdout: pw}, "serve"))
	pr.Close()
	for range 3 {
		ask(ctx, t, s, "/write?n=100&size=100")
	}
	must(ctx, t, s, "reload", "--wait")
	if st := ready(ctx, t, s, 1); st.PID != before.PID {
		t.Error("another supervisor")
	}
	ask(ctx, t, s, "/write?n=100&size=100")
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}

// TestSlowReader never reads the supervisor's stdout: with drop the workers do
// not wait, and the exit is bounded and says what was lost.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	defer pw.Close()
	s, _ := serve(ctx, t, 1, foreign(harness.Config{Stdout: pw, Args: []string{"--log-overflow", "drop"}}, "serve"))
	for range 20 {
		ask(ctx, t, s, "/write?n=1000&size=1000")
	}
	must(ctx, t, s, "reload", "--wait")
	ask(ctx, t, s, "/info")
	begin := time.Now()
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("the exit took %s", took)
	}
	if last := s.Stderr.Tail(1); !regexp.MustCompile(`[1-9][0-9]* lines`).MatchString(last) {
		t.Errorf("the last line does not say how many lines were lost: %s", last)
	}
}
